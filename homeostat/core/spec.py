"""Desired state: YAML documents become targets, and the declarations of all targets become roots.

A document declares one web app, or many with a selector; a `Fleet` is what all documents of a deployment declare
together. What a document can say is in `homeostat.core.documents`, how documents are read together in
`homeostat.core.reading`, how one becomes a target in `homeostat.core.compiled`.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from homeostat.core.arm_types import root_of
from homeostat.core.compiled import Compiled, Target
from homeostat.core.documents import json_schema
from homeostat.core.ids import ResourceId
from homeostat.core.joining import JoinedWants, joined
from homeostat.core.model import Registry, Want
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.policy import DEFAULT_POLICY, Policy
from homeostat.core.reading import Memory, Outcomes, Reading, Wanted, conflicts
from homeostat.core.selectors import Selection
from homeostat.core.source import Source, SpecError, SpecProblem, parse_documents, told_once
from homeostat.core.windows import Windows

__all__ = ["Fleet", "Root", "Specs", "Target", "Wanted", "json_schema", "load", "spec_version"]

_SPARE: Final = 100_000
"""How much may be remembered beyond twice what the fleet needs, before all of it is read anew."""

_RECENT: Final = 256
"""The number of web apps whose wants are cached."""

_NOTHING: Final[Selection] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Root:
    """An ARM root resource and what all targets together want of it."""

    id: ResourceId
    wants: Mapping[str, Want[Any]]  # by kind
    targets: tuple[str, ...]  # names, sorted
    policy: Policy = DEFAULT_POLICY  # the fleet's
    spec_version: str = field(default="", compare=False)  # the fleet's
    windows: Mapping[str, Windows] = field(default_factory=dict)  # of the targets that have their own
    marked: frozenset[str] = frozenset()  # the kinds for which an owner says `approval: required`
    declared: int = field(default=0, compare=False)  # the number of the fleet's roots


class Roots(Mapping[ResourceId, Root]):
    """Sorted. What is wanted of a web app itself is built when it is asked for: there are as many web apps as targets,
    nobody shares them, and all of them at once would fill the memory.
    """

    def __init__(
        self, fixed: Mapping[ResourceId, Root], made: Mapping[ResourceId, Compiled], make: Callable[[Compiled], Root]
    ) -> None:
        self._fixed, self._made, self._make = fixed, made, make
        self._ids = sorted((*fixed, *made), key=lambda id_: id_.key)
        self._recent: OrderedDict[ResourceId, Root] = OrderedDict()

    def __getitem__(self, id_: ResourceId) -> Root:
        if id_ in self._fixed:
            return self._fixed[id_]
        found = self._recent.pop(id_, None) or self._make(self._made[id_])
        self._recent[id_] = found
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return found

    def __contains__(self, id_: object) -> bool:
        return id_ in self._fixed or id_ in self._made

    def __iter__(self) -> Iterator[ResourceId]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that is declared: the targets by name, and the roots that events, leases and writes belong to.

    left_out: why some web apps that a selector selects are no targets.
    """

    targets: Mapping[str, Target] = field(default_factory=dict)
    roots: Mapping[ResourceId, Root] = field(default_factory=dict)
    policy: Policy = DEFAULT_POLICY
    spec_version: str = field(default="", compare=False)  # of the texts that declare it
    left_out: tuple[SpecProblem, ...] = ()

    def route(self, resource: ResourceId) -> Root | None:
        """The declared root that a change of `resource` concerns; for a slot's change it is never the slot's app."""
        root = root_of(resource)
        return self.roots.get(root) if root is not None else None


def load(
    texts: Mapping[str, str], registry: Registry, *, subscription: str = "", own: OwnResources = NOTHING_OWN
) -> Fleet:
    """The fleet that the texts (by file name) declare. Selectors are checked, and select nothing.

    subscription: for documents that name none. own: what Homeostat runs on, which nothing may declare.
    Raises SpecError with every problem of every text at once.
    """
    specs = Specs(registry, own)
    specs.update(texts)
    return specs.fleet(subscription)


def spec_version(texts: Mapping[str, str]) -> str:
    """The name of exactly these texts: 12 hex digits, different if a file is renamed or a letter changes."""
    return _version({name: _digest(text) for name, text in texts.items()})


def _version(digests: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        whole.update(name.encode("utf-8", "surrogatepass") + b"\0" + digest)
    return whole.hexdigest()[:12]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class _File:
    """The documents of one text; `refused` if it could not be read at all."""

    digest: bytes
    sources: tuple[Source, ...] = ()
    refused: tuple[SpecProblem, ...] = ()


class Specs:
    """The texts of a fleet, each read once, and again only when it changes.

    The results of one version of the texts are remembered for the next: by document, by section, and by what documents
    share. `outgrown` says that too much is remembered: then begin anew, with all texts.
    """

    def __init__(self, registry: Registry, own: OwnResources = NOTHING_OWN) -> None:
        self._memory = Memory(registry, own)
        self._files: dict[str, _File] = {}
        self._outcomes: Outcomes = {}
        self._needed = 0

    @property
    def outgrown(self) -> bool:
        return len(self._memory) > 2 * self._needed + _SPARE

    def update(self, changed: Mapping[str, str], gone: Iterable[str] = ()) -> None:
        """Takes texts, by file name. A text that did not change is not parsed again."""
        for name in gone:
            self._files.pop(name, None)
        for name, text in changed.items():
            digest = _digest(text)
            if name not in self._files or self._files[name].digest != digest:
                self._files[name] = self._read(name, text, digest)

    def _read(self, name: str, text: str, digest: bytes) -> _File:
        try:
            return _File(digest, parse_documents(text, name, self._memory.pool))
        except SpecError as error:
            return _File(digest, refused=error.problems)

    def wanted(self, subscription: str) -> tuple[Wanted, ...]:
        """What Azure must be asked before the fleet is known; nothing for selectors that are wrong."""
        return tuple(chosen.wanted for chosen in self._look(subscription).selectors)

    def fleet(self, subscription: str, selection: Selection = _NOTHING) -> Fleet:
        """Everything that the texts declare. Raises SpecError with every problem of every text at once."""
        look = self._look(subscription)
        documents = look.documents()
        look.checked_selectors()
        selected, left_out = look.selected(selection, documents)
        look.unused_profiles()
        self._outcomes = look.outcomes
        self._needed = self._needed or len(self._memory)
        problems = [*look.problems, *_repeated_targets([each.target for each in documents])]
        fleet = self._joined([*documents, *selected], look, problems)
        if problems:
            raise SpecError(tuple(problems))
        return replace(fleet, left_out=told_once(left_out))

    def _look(self, subscription: str) -> Reading:
        files = [file for _, file in sorted(self._files.items())]
        refused = [problem for file in files for problem in file.refused]
        sources = [source for file in files for source in file.sources]
        return Reading(self._memory, subscription, sources, not refused, self._outcomes, refused)

    def _joined(self, documents: Sequence[Compiled], look: Reading, problems: list[SpecProblem]) -> Fleet:
        version = _version({name: file.digest for name, file in self._files.items()})
        together = joined(documents, problems, of_web_apps=False)
        for wants in together.wants.values():
            problems.extend(conflicts(wants, self._memory.aware))
        first: dict[ResourceId, Compiled] = {}
        others: dict[ResourceId, list[Compiled]] = {}  # of the few web apps that several documents declare
        for document in documents:
            if first.setdefault(document.web_app, document) is not document:
                others.setdefault(document.web_app, []).append(document)
        declared = len(together.wants) + len(first)
        windows = {each.target.name: each.windows for each in documents if each.windows is not None}

        def root(id_: ResourceId, found: JoinedWants) -> Root:
            names, wants = found.targets[id_], found.wants[id_]
            calendars = {name: windows[name] for name in names if name in windows}
            marked = found.marked.get(id_, frozenset())
            return Root(id_, wants, names, look.policy, version, calendars, marked, declared)

        def of_one(known: Compiled, problems: list[SpecProblem]) -> JoinedWants:
            alike = (known, *others.get(known.web_app, ()))
            return joined(map(look.compiler.again, alike), problems, of_web_apps=True)

        def web_app(known: Compiled) -> Root:
            return root(known.web_app, of_one(known, []))

        for id_ in others:  # contradictions inside one document are known already
            for wants in of_one(first[id_], problems).wants.values():
                problems.extend(conflicts(wants, self._memory.aware))
        targets = {each.target.name: each.target for each in sorted(documents, key=lambda each: each.target.name)}
        roots = Roots({id_: root(id_, together) for id_ in together.wants}, first, web_app)
        return Fleet(targets, roots, look.policy, version)


def _repeated_targets(targets: Sequence[Target]) -> Iterator[SpecProblem]:
    first: dict[str, Target] = {}
    for target in targets:
        other = first.setdefault(target.name, target)
        if other is not target:
            message = f"target {target.name!r} is already declared at {other.place}"
            yield SpecProblem(target.place, message, "Rename one of the two.")
