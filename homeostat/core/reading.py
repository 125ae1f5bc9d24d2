"""Reads all documents of a fleet together: resolves profiles, compiles targets and selected apps.

The results of an earlier reading are reused where neither a document nor its profiles nor its app changed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from homeostat.core import json
from homeostat.core.arm_types import SITE
from homeostat.core.compiled import (
    NAME_KEY,
    NO_SUBSCRIPTION,
    Compiled,
    Compiler,
    Outcome,
    Target,
    inheritance_problems,
    tags_used,
)
from homeostat.core.documents import Profile, Selector
from homeostat.core.ids import ResourceId
from homeostat.core.joining import joined
from homeostat.core.json import Json
from homeostat.core.model import ConflictAware, Place, Problem, Registry, Want
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.policy import DEFAULT_POLICY, Policy
from homeostat.core.profiles import (
    EXTENDS,
    MARKS,
    POLICY,
    PROFILE,
    SELECT,
    TARGET,
    VARIABLES,
    Layers,
    Profiles,
    mark_of,
)
from homeostat.core.sections import Part, Workshop
from homeostat.core.selectors import Criteria, SelectedApp, Selection
from homeostat.core.source import Pool, Source, SpecProblem
from homeostat.core.validation import check
from homeostat.core.variables import Substitution, Trouble, Values, evaluated, names_in

_POLICY_STAND_INS: Final[Mapping[str, str]] = {"policy": "fleet"}
_PROFILE_STAND_INS: Final[Mapping[str, str]] = {"profile": "a-profile", "resource_group": "a-group"}
_SELECTOR_STAND_INS: Final[Mapping[str, Json]] = {"select": {"tags": {"a": "*"}}}

_ANY_VALUE: Final = "value-of-a-tag"
"""Stands for every tag when a selector's document is checked without an app."""


class Memory:
    """What is remembered of the parts that documents share."""

    def __init__(self, registry: Registry, own: OwnResources) -> None:
        self.own = own
        self.pool = Pool()
        self.workshop = Workshop(registry)
        self.substitution = Substitution(self.pool)

        self.aware: Mapping[str, ConflictAware] = {
            kind: each for kind, each in self.workshop.registry.items() if isinstance(each, ConflictAware)
        }

    def __len__(self) -> int:
        return len(self.pool) + len(self.workshop) + len(self.substitution)


def conflicts(wants: Mapping[str, Want[Any]], aware: Mapping[str, ConflictAware]) -> Iterator[SpecProblem]:
    """The contradictions between the sections of one root, according to remediators that know of such."""
    for kind in wants.keys() & aware.keys():
        for conflict in aware[kind].conflicts(wants):
            yield SpecProblem(conflict.place, conflict.message, conflict.remedy)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Azure must be asked for a selector. tags: those whose values its document uses, in lower case."""

    criteria: Criteria
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A resolved selector."""

    layers: Layers
    wanted: Wanted

    @property
    def place(self) -> Place:
        return self.layers.mark


type Outcomes = Mapping[tuple[object, ...], Mapping[ResourceId | None, Outcome]]
"""By the ids of their layers, which are not reused as long as an outcome is remembered, and by the app."""

_NO_OUTCOMES: Final[Mapping[ResourceId | None, Outcome]] = MappingProxyType({})


@dataclass(slots=True)
class Reading:
    """One reading of all documents. problems: of all of them. outcomes: what the next reading can reuse.

    complete: whether every text could be read.
    """

    memory: Memory
    subscription: str
    sources: Iterable[Source]
    complete: bool
    before: Outcomes = field(default_factory=dict)
    problems: list[SpecProblem] = field(default_factory=list)
    outcomes: dict[tuple[object, ...], dict[ResourceId | None, Outcome]] = field(default_factory=dict)
    policy: Policy = DEFAULT_POLICY
    selectors: tuple[_Chosen, ...] = ()
    _by_mark: dict[str, list[Source]] = field(init=False)
    _profiles: Profiles = field(init=False)
    compiler: Compiler = field(init=False)
    _inherited: set[int] = field(default_factory=set)  # ids of the profiles that are used
    _parts: dict[tuple[int, ...], tuple[Part, ...]] = field(default_factory=dict)  # by their ids

    def __post_init__(self) -> None:
        self._by_mark = {mark: [] for mark in MARKS}
        for source in self.sources:
            self.problems.extend(source.problems)
            self._by_mark[_mark(source)].append(source)
        self._profiles = Profiles(self.memory.pool, self._named_profiles(), self.complete)
        self.compiler = Compiler(self._profiles, self.memory.workshop, self.memory.substitution, self.subscription)
        self.problems.extend(self._profiles.problems())
        self.policy = self._the_policy()
        self.selectors = tuple(self._selectors())

    # --- documents that declare no web app ---

    def _the_policy(self) -> Policy:
        found: list[Policy] = []
        for source in self._by_mark[POLICY]:
            checked = check(source.data, Policy, _POLICY_STAND_INS)
            self._tell(source.place, checked.problems)
            found.append(checked.document or DEFAULT_POLICY)
        message = "the fleet's policy is already declared at {}"
        self._repeated(self._by_mark[POLICY], POLICY, message, "Merge the two: there is one policy for all targets.")
        return found[0] if found else DEFAULT_POLICY

    def _named_profiles(self) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for source in self._by_mark[PROFILE]:
            self.problems.extend(inheritance_problems(source))
            name = json.text_at(source.data, PROFILE)
            if (other := found.setdefault(name, source)) is not source:
                message = f"profile {name!r} is already declared at {mark_of(other)}"
                self.problems.append(SpecProblem(mark_of(source), message, "Rename one of the two."))
        return found

    def unused_profiles(self) -> None:
        """Reports the problems of profiles that no document shows. To be called last."""
        kinds = self.memory.workshop.registry.keys()
        for source in self._by_mark[PROFILE]:
            assert isinstance(source.data, Mapping), "only mappings have marks"
            unused = id(source) not in self._inherited
            head = {
                key: value
                for key, value in source.data.items()
                if key in _NEVER_INHERITED or (unused and key not in kinds and key not in _INHERITANCE)
            }
            told = list(check(head, Profile, _PROFILE_STAND_INS, in_part=True, beside=kinds).problems)
            if unused:
                told.extend(self.memory.workshop.check_in_part(source.data))
            self._tell(source.place, told)

    def _tell(self, place: Callable[[tuple[str | int, ...]], Place], problems: Iterable[Problem]) -> None:
        self.problems.extend(SpecProblem(place(it.path), it.message, it.remedy) for it in problems)

    def _repeated(self, sources: list[Source], mark: str, message: str, remedy: str) -> None:
        for source in sources[1:]:
            self.problems.append(SpecProblem(source.place((mark,)), message.format(sources[0].place((mark,))), remedy))

    # --- targets ---

    def documents(self) -> list[Compiled]:
        """The targets with documents of their own."""
        found: list[Compiled] = []
        for source in self._by_mark[TARGET]:
            self.problems.extend(inheritance_problems(source))
            layers = self._profiles.layers(source, self.problems)
            if layers is None:
                continue
            outcome = self._outcome(layers, None, partial(self.compiler.document, layers))
            self.problems.extend(outcome.problems)
            if outcome.compiled:
                found.append(outcome.compiled)
        return found

    def _outcome(self, layers: Layers, app: SelectedApp | None, work: Callable[[], Outcome]) -> Outcome:
        self._inherited.update(map(id, layers.inherited))
        key, id_ = (self.subscription, layers.ids), app.id if app else None
        ours = self.outcomes.setdefault(key, {})
        outcome = self.before.get(key, _NO_OUTCOMES).get(id_) or ours.get(id_)
        if outcome is None or not outcome.is_of(app):
            outcome = work()
            if outcome.compiled:
                told = (*self._conflicts(outcome.compiled), *self._own_resources(outcome.compiled))
                rest = outcome.compiled.without_the_web_app(self._one_of)
                outcome = replace(outcome, compiled=rest, problems=(*outcome.problems, *told))
        ours[id_] = outcome
        return outcome

    def _one_of(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """One tuple for all web apps of a group with the same shared parts."""
        return self._parts.setdefault(tuple(map(id, parts)), parts)

    def _conflicts(self, compiled: Compiled) -> Iterator[SpecProblem]:
        """The contradictions in what a document says of its own web app."""
        aware = self.memory.aware
        if not any(part.kind in aware and compiled.web_app in part.roots for part in compiled.parts):
            return
        for placed in (False, True):
            together = joined([compiled], [], of_web_apps=True, placed=placed)
            found = [each for wants in together.wants.values() for each in conflicts(wants, aware)]
            if placed or not found:
                yield from found
                return

    def _own_resources(self, compiled: Compiled) -> Iterator[SpecProblem]:
        """What a document declares of Homeostat's own resources: repairing them could cut off Homeostat itself."""
        own, remedy = self.memory.own, "Remove it from the spec: what Homeostat runs on is not its to repair."
        if own == NOTHING_OWN:
            return
        if site := own.around(compiled.web_app):
            message = f"the web app is, or is in, Homeostat's own {site.short}"
            yield SpecProblem(compiled.target.place, message, remedy)
            return
        for part in compiled.parts:
            for item in part.items:
                if found := own.around(item.root) or own.named(item.root, item.name):
                    message = f"{part.kind}: {item.name!r} is of Homeostat's own {found.short}"
                    yield SpecProblem(compiled.place((part.kind, *item.path)), message, remedy)

    # --- selectors ---

    def _selectors(self) -> Iterator[_Chosen]:
        """The selectors with valid conditions; reports the problems of the others."""
        for source in self._by_mark[SELECT]:
            self.problems.extend(inheritance_problems(source))
            layers = self._profiles.layers(source, self.problems)
            if layers is None:
                continue
            merged = self._profiles.merged(layers)
            criteria = self._criteria(layers, merged)
            if criteria is None:
                continue
            used = frozenset[str]().union(*map(self.memory.substitution.used, merged.values()))
            yield _Chosen(layers, Wanted(criteria, tags_used(used)))

    def _criteria(self, layers: Layers, merged: Mapping[str, Json]) -> Criteria | None:
        """The criteria, with the document's variables, but not an app's: no app is known yet."""
        own = merged.get(VARIABLES)
        texts = {name: text for name, text in own.items() if isinstance(text, str)} if isinstance(own, Mapping) else {}
        values = {name: value for name, value in evaluated(texts, {}) if isinstance(value, str)}
        troubles: list[Trouble] = []
        select = self.memory.substitution.applied(merged.get(SELECT), Values(values), troubles, (SELECT,))
        name = {NAME_KEY: merged[NAME_KEY]} if NAME_KEY in merged else {}
        checked = check({SELECT: select, **name}, Selector, _SELECTOR_STAND_INS)
        problems = [*(Problem(it.keys, it.message, it.remedy) for it in troubles), *checked.problems]
        problems.extend(_of_one_app(layers.own))
        self._tell(lambda keys: layers.place(keys, values), problems)
        if not self._has_names_apart(merged):
            remedy = f"Put a variable of the app into it: `{NAME_KEY}: ${{web_app}}-prod`."
            told = SpecProblem(layers.place((NAME_KEY,), values), "name: would be the same for all apps", remedy)
            self.problems.append(told)
        if checked.document is None or problems:
            return None
        criteria = Criteria.of(checked.document.select, self.subscription)
        if not (criteria.subscriptions or criteria.management_groups):
            remedy = "Add `subscriptions: [ID]` to `select`, or set AZURE_SUBSCRIPTION_ID."
            self.problems.append(SpecProblem(layers.mark, "it is not known where to look for apps", remedy))
            return None
        return criteria

    def _has_names_apart(self, merged: Mapping[str, Json]) -> bool:
        name = merged.get(NAME_KEY)
        return not isinstance(name, str) or bool(names_in(name))

    def checked_selectors(self) -> None:
        """Reports the problems that selectors have whatever they select, by trying each on a stand-in for an app."""
        for chosen in self.selectors:
            group = chosen.wanted.criteria.subscriptions or (NO_SUBSCRIPTION,)
            id_ = ResourceId.of(group[0], "a-group", SITE.name, "an-app")
            app = SelectedApp(id_, dict.fromkeys(chosen.wanted.tags, _ANY_VALUE))
            outcome = self._outcome(chosen.layers, app, partial(self._tried, chosen, app))
            self.problems.extend(outcome.problems)

    def _tried(self, chosen: _Chosen, app: SelectedApp) -> Outcome:
        """The result without those problems that may vanish with a tag's real value."""
        return self.compiler.app(chosen.layers, app, doubtful=_ANY_VALUE)

    def selected(self, selection: Selection, declared: Iterable[Compiled]) -> tuple[list[Compiled], list[SpecProblem]]:
        """The apps that selectors select, except declared ones and our own; and why some of them are left out.

        Apps that are ambiguous or do not fit are left out, so that the rest of the fleet does not wait for them.
        """
        known = [each.target for each in declared]
        taken = {target.web_app for target in known}
        found = [
            (chosen, app)
            for chosen in self.selectors
            for app in selection.get(chosen.wanted.criteria.key, ())
            if app.id not in taken and not self.memory.own.around(app.id)
        ]
        by_app: dict[ResourceId, list[_Chosen]] = {}
        for chosen, app in found:
            by_app.setdefault(app.id, []).append(chosen)
        out: list[SpecProblem] = []
        compiled: list[Compiled] = []
        for chosen, app in found:
            if len(by_app[app.id]) > 1:
                out.append(_chosen_twice(chosen, app, by_app[app.id]))
                continue
            outcome = self._outcome(chosen.layers, app, partial(self.compiler.app, chosen.layers, app))
            if outcome.compiled and not outcome.problems:
                compiled.append(outcome.compiled)
            else:
                out.extend(_of_app(problem, app) for problem in outcome.problems)
        return _apart(compiled, known, out), out


_INHERITANCE: Final = frozenset({EXTENDS, VARIABLES})
_NEVER_INHERITED: Final = frozenset({PROFILE, "web_app"})


def _of_one_app(selector: Source) -> Iterator[Problem]:
    for key in ("web_app", "resource_group", "subscription"):
        if isinstance(selector.data, Mapping) and key in selector.data:
            yield Problem((key,), f"{key}: is not for a selector", "Remove it: each app that is selected has its own.")


def _mark(source: Source) -> str:
    data = source.data if isinstance(source.data, Mapping) else {}
    return next((mark for mark in MARKS if mark in data), TARGET)


def _of_app(problem: SpecProblem, app: SelectedApp) -> SpecProblem:
    return replace(problem, message=f"{_shown(app)} is left out: {problem.message}")


def _shown(app: SelectedApp) -> str:
    return f"{app.id.short} in {app.id.resource_group}"


def _chosen_twice(chosen: _Chosen, app: SelectedApp, by: list[_Chosen]) -> SpecProblem:
    others = ", ".join(str(other.place) for other in by if other is not chosen)
    message = f"{_shown(app)} is left out: it is selected at {others} too"
    return SpecProblem(chosen.place, message, "Narrow down one of the two, or write a document of its own for the app.")


def _apart(compiled: list[Compiled], known: list[Target], out: list[SpecProblem]) -> list[Compiled]:
    """Those with unique names; the name in a document of its own always counts."""
    names = Counter(each.target.name for each in compiled)
    documents = {target.name: target.place for target in known}
    found: list[Compiled] = []
    for each in compiled:
        target = each.target
        if names[target.name] == 1 and target.name not in documents:
            found.append(each)
            continue
        where = f"declared at {documents[target.name]}" if target.name in documents else "another selected app's too"
        message = f"{target.web_app.short} in {target.web_app.resource_group} is left out: the name {target.name!r} is"
        remedy = "Put more variables into `name`, such as ${resource_group}."
        out.append(SpecProblem(target.place, f"{message} {where}", remedy))
    return found
