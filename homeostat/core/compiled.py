"""Compiles one document, or one app of a selector, to a target: merges layers, substitutes variables, builds parts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Final

from homeostat.core import json
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.documents import Document, Inheriting
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Mode, Place, Problem
from homeostat.core.profiles import EXTENDS, SELECT, VARIABLES, Layers, Profiles
from homeostat.core.secrets import looks_like_secret
from homeostat.core.sections import Part, Workshop
from homeostat.core.selectors import NAME_OF_ALL, SelectedApp
from homeostat.core.source import Keys, Source, SpecProblem, is_pooled
from homeostat.core.validation import check
from homeostat.core.variables import BUILT_IN, NAME, TAG, Substitution, Trouble, Values, evaluated, names_in
from homeostat.core.windows import Windows

STAND_INS: Final[Mapping[str, str]] = {"target": "a-target", "web_app": "an-app", "resource_group": "a-group"}
"""Values for required keys that are wrong, so that the rest of the document can be checked."""

NO_SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"

NAME_KEY: Final = "name"

_OF_ONE_APP: Final = frozenset({"target", "web_app"})

_CONTROL: Final = frozenset({EXTENDS, VARIABLES})
_SELECTORS: Final = frozenset({SELECT, NAME_KEY})

_NO_KEYS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """A web app with what it depends on: a view over its roots."""

    name: str
    web_app: ResourceId
    roots: tuple[ResourceId, ...]  # sorted
    kinds: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Compiled:
    """A valid document. app: the web app that it is about, if a selector selected it."""

    target: Target
    mode: Mode
    parts: tuple[Part, ...]
    layers: Layers
    app: SelectedApp | None = None
    approval: bool = False  # whether every repair waits for a person
    windows: Windows | None = None  # its own
    keys: Mapping[str, str] = _NO_KEYS  # the values of variables that are used in keys

    def place(self, keys: Keys) -> Place:
        return self.layers.place(keys, self.keys)

    @property
    def web_app(self) -> ResourceId:
        return self.target.web_app

    def without_the_web_app(self, one_of: Callable[[tuple[Part, ...]], tuple[Part, ...]]) -> "Compiled":
        """Without the parts that concern only the web app itself; they are compiled again when they are needed.

        one_of: returns the parts, or equal parts of another document in their place.
        """
        kept = tuple(part for part in self.parts if part.shared or part.roots - {self.web_app})
        return replace(self, parts=one_of(kept))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for a document, or for one app that it selects.

    compiled: None if too little of it is right to be compared with other targets.
    """

    layers: Layers
    app: SelectedApp | None
    compiled: Compiled | None
    problems: tuple[SpecProblem, ...] = ()

    def is_of(self, app: SelectedApp | None) -> bool:
        """Whether it is the result for this app, of which nothing changed that a document can refer to."""
        return self.app is app or (self.app is not None and app is not None and self.app.spelled == app.spelled)


@dataclass(slots=True)
class Compiler:
    """subscription: for documents that name none."""

    profiles: Profiles
    workshop: Workshop
    substitution: Substitution
    subscription: str
    _kinds: frozenset[str] = field(init=False)
    _windows: dict[int, Windows] = field(default_factory=dict)  # by the id of their data
    _sets_of_kinds: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)  # shares equal tuples

    def __post_init__(self) -> None:
        self._kinds = frozenset(self.workshop.registry)

    def document(self, layers: Layers) -> Outcome:
        """Compiles a target's document."""
        if not isinstance(layers.own.data, Mapping):
            look = _Look(layers)
            look.found.extend(check(layers.own.data, Document, STAND_INS).problems)
            return Outcome(layers, None, None, look.problems())
        merged = self.profiles.merged(layers)
        return self._target(_Look(layers), _without(merged, _CONTROL), self._texts(merged))

    def again(self, known: Compiled) -> Compiled:
        """Compiles again what is only kept in part."""
        outcome = self.app(known.layers, known.app) if known.app else self.document(known.layers)
        assert outcome.compiled is not None, "it was compiled before"
        return outcome.compiled

    def app(self, layers: Layers, app: SelectedApp, *, doubtful: str = "") -> Outcome:
        """Compiles one of the web apps that a selector selects.

        doubtful: a text in the place of the app's own, which is unknown here; problems that involve it are dropped.
        """
        merged = self.profiles.merged(layers)
        pattern = merged.get(NAME_KEY)
        head = {
            "target": pattern if isinstance(pattern, str) else NAME_OF_ALL,
            "web_app": "/".join(app.id.names),
            "resource_group": app.id.resource_group,
            "subscription": app.id.subscription,
        }
        texts = self._texts({**merged, **head})
        head["target"] = texts["target"] = _target_name(head["target"], texts, app.tags)
        data = {**_without(merged, _CONTROL | _SELECTORS), **head}
        return self._target(_Look(layers, app, doubtful), data, texts)

    def _target(self, look: "_Look", data: Mapping[str, Json], texts: Mapping[str, str]) -> Outcome:
        whole = self._replaced(look, data, texts)
        head = check(_without(whole, self._kinds), Document, STAND_INS, beside=self._kinds)
        look.found.extend(map(_of_its_name, head.problems) if SELECT in look.data else head.problems)
        document = head.document
        look.whole = whole
        if document is None:
            return Outcome(look.layers, look.app, None, look.problems())
        subscription = document.subscription or self.subscription
        if not subscription:
            remedy = "Add `subscription: ID`, or set AZURE_SUBSCRIPTION_ID."
            look.found.append(Problem((), "no subscription is known for this web app", remedy))
        app = look.app.id if look.app else _web_app(document, subscription or NO_SUBSCRIPTION)
        parts = self.workshop.parts(whole, app, look.found)
        problems = look.problems()
        if head.stood_in or not subscription:
            return Outcome(look.layers, look.app, None, problems)
        roots = sorted({app}.union(*(part.roots for part in parts)), key=_key)
        kinds = tuple(part.kind for part in parts)
        kinds = self._sets_of_kinds.setdefault(kinds, kinds)
        target = Target(document.target, app, tuple(roots), kinds, look.layers.mark)
        compiled = Compiled(
            target,
            document.mode,
            parts,
            look.layers,
            look.app,
            approval=document.approval is not None,
            windows=self._one_of(whole.get("windows"), document.windows),
            keys=look.keys,
        )
        return Outcome(look.layers, look.app, compiled, problems)

    def _one_of(self, data: Json, windows: Windows | None) -> Windows | None:
        """One calendar for all documents that have it from the same profile."""
        return self._windows.setdefault(id(data), windows) if windows and is_pooled(data) else windows

    def _replaced(self, look: "_Look", data: Mapping[str, Json], texts: Mapping[str, str]) -> dict[str, Json]:
        used = frozenset[str]().union(*map(self.substitution.used, data.values()))
        if used:
            look.evaluate(used, texts)
            in_keys = frozenset[str]().union(*map(self.substitution.used_in_keys, data.values()))
            look.keys = {name: look.values[name] for name in in_keys & look.values.keys()} or _NO_KEYS
            if self.profiles.meet(look.layers, self.substitution.used_in_keys):
                again = self.profiles.merged_as_spelled(
                    look.layers, partial(self.substitution.spelled, values=look.values)
                )
                data = {key: again.get(key, value) if key in self._kinds else value for key, value in data.items()}
        troubles: list[Trouble] = []
        values = Values(look.values, look.passing)
        whole = {key: self.substitution.applied(value, values, troubles, (key,)) for key, value in data.items()}
        look.add(troubles)
        return whole

    def _texts(self, merged: Mapping[str, Json]) -> dict[str, str]:
        own = merged.get(VARIABLES)
        texts = {name: text for name, text in own.items() if isinstance(text, str)} if isinstance(own, Mapping) else {}
        head = {"subscription": self.subscription, **merged}
        return texts | {name: text for name in BUILT_IN if isinstance(text := head.get(name), str) and text}


@dataclass(slots=True)
class _Look:
    """The problems of one document, and the values of the variables that it uses."""

    layers: Layers
    app: SelectedApp | None = None
    doubtful: str = ""
    whole: Mapping[str, Json] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    passing: frozenset[str] = frozenset()
    keys: Mapping[str, str] = _NO_KEYS
    found: list[Problem] = field(default_factory=list)
    _broken: set[str] = field(default_factory=set)

    @property
    def data(self) -> Mapping[str, Json]:
        data = self.layers.own.data
        return data if isinstance(data, Mapping) else {}

    def evaluate(self, used: Iterable[str], texts: Mapping[str, str]) -> None:
        wanted = _reachable(used, texts)
        tags = self.app.tags if self.app else {}
        self.passing = frozenset(name for name in wanted if self._is_passing(name, texts))
        self.values = {name: tags[tag] for name in wanted if (tag := _tag_of(name)) in tags}
        for name, value in evaluated({name: texts[name] for name in sorted(wanted & texts.keys())}, self.values):
            keys: Keys = (name,) if name in BUILT_IN else (VARIABLES, name)
            if isinstance(value, Trouble):
                self._broken.add(name)
                self.found.append(Problem(keys, value.message, value.remedy))
            else:
                self.values[name] = value
                self.found.extend(secret_problems(name, value, keys))

    def _is_passing(self, name: str, texts: Mapping[str, str]) -> bool:
        """Whether the value is this target's alone, as far as that can be told."""
        own = self.data.get(VARIABLES)
        alone = own.keys() if self.app is None and isinstance(own, Mapping) else ()
        return any(each in _OF_ONE_APP or each in alone or _tag_of(each) for each in _reachable([name], texts))

    def add(self, troubles: Iterable[Trouble]) -> None:
        """Adds problems, but not again for a variable whose own problem was reported."""
        told = {f"there is no variable {name!r}" for name in self._broken}
        self.found.extend(Problem(it.keys, it.message, it.remedy) for it in troubles if it.message not in told)

    def problems(self) -> tuple[SpecProblem, ...]:
        told = (it for it in self.found if not (self.doubtful and self._is_doubtful(it.path)))
        return tuple(SpecProblem(self.layers.place(it.path, self.values), it.message, it.remedy) for it in told)

    def _is_doubtful(self, keys: Keys) -> bool:
        here: Json = self.whole
        for key in keys:
            if isinstance(here, Mapping) and key in here:
                here = here[str(key)]
        return self.doubtful in json.render([*map(str, keys), here])


def _of_its_name(problem: Problem) -> Problem:
    """A selector has no `target`: a problem with that is a problem with its `name`."""
    if problem.path != ("target",):
        return problem
    remedy = "Let it make up to 63 of a-z, 0-9 and -, as by `name: ${web_app}`."
    return Problem((NAME_KEY,), "name: makes what is no target's name", remedy)


def _without(data: Mapping[str, Json], keys: frozenset[str]) -> dict[str, Json]:
    return {key: value for key, value in data.items() if key not in keys}


def _target_name(pattern: str, texts: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """The name of a selected app's target, or the pattern itself if that cannot be evaluated, so that it is reported.

    If it equals the app's own name, the app id's own text is returned, to share it.
    """
    wanted = _reachable(names_in(pattern), {name: text for name, text in texts.items() if name != "target"})
    given = {name: tags[tag] for name in wanted if (tag := _tag_of(name)) in tags}
    needed = {name: texts[name] for name in sorted(wanted & texts.keys()) if name != "target"}
    (_, name), *_ = evaluated({"(name)": pattern, **needed}, given)
    if isinstance(name, Trouble):
        return pattern
    found, own = name.replace("/", "--").lower(), texts["web_app"]
    return own if own == found else found


def _reachable(used: Iterable[str], texts: Mapping[str, str]) -> set[str]:
    """The names, and those that their texts use, transitively."""
    found: set[str] = set()
    waiting = list(used)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting.extend(names_in(texts.get(name, "")))
    return found


def _tag_of(name: str) -> str:
    return name.removeprefix(TAG).lower() if name.startswith(TAG) else ""


def tags_used(names: Iterable[str]) -> frozenset[str]:
    """The tags among the names of references, in lower case."""
    return frozenset(tag for name in names if (tag := _tag_of(name)))


def secret_problems(name: str, value: str, keys: Keys) -> Iterator[Problem]:
    if looks_like_secret(name, value):
        remedy = "Name a Key Vault reference, or declare the setting `{secret: true}`; rotate it."
        yield Problem(keys, f"the value of variable {name} looks like a secret", remedy)


def inheritance_problems(document: Source) -> Iterator[SpecProblem]:
    """Problems in how a document inherits its contents, whoever uses it."""
    data = document.data if isinstance(document.data, Mapping) else {}
    given = {key: data[key] for key in (EXTENDS, VARIABLES) if key in data}
    told = list(check(given, Inheriting, in_part=True).problems)
    variables = data.get(VARIABLES)
    for name, text in variables.items() if isinstance(variables, Mapping) else ():
        keys: Keys = (VARIABLES, name)
        if name in BUILT_IN:
            told.append(Problem(keys, f"{name!r} is built in", "Choose another name."))
        elif not NAME.fullmatch(name):
            told.append(Problem(keys, f"{name!r} is no variable's name", "Use letters, digits and `_`."))
        if isinstance(text, str):
            told.extend(secret_problems(name, text, keys))
    return (SpecProblem(document.place(it.path), it.message, it.remedy) for it in told)


def _web_app(document: Document, subscription: str) -> ResourceId:
    app, _, slot = document.web_app.partition("/")
    if slot:
        return ResourceId.of(subscription, document.resource_group, SLOT.name, app, slot)
    return ResourceId.of(subscription, document.resource_group, SITE.name, app)


def _key(id_: ResourceId) -> str:
    return id_.key
