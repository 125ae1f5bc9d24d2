"""The sections of a document: checked by their schemas, and turned into items by their remediators.

Much of a fleet says the same. A section's data is checked once, however many documents have it, and its items are made
once for all web apps of a resource group, unless the remediator looked at the app itself (`Scope.asked`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import create_model

from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json
from homeostat.core.model import (
    WEB_APP,
    AnyRemediator,
    Item,
    KindSection,
    Problem,
    Registry,
    Scope,
    Section,
    Unmanaged,
)
from homeostat.core.source import is_pooled
from homeostat.core.validation import Checked, check


@dataclass(frozen=True, slots=True)
class Part:
    """What one section declares; without items if it is so wrong that its resources are unknown.

    roots: of the items, and of whatever else the section answers for. problems: with their keys in the document.
    shared: whether other web apps of the group can have the same part; a part of one app alone is not remembered.
    """

    kind: str
    section: KindSection
    items: tuple[Item[Any], ...] = ()
    unmanaged: Mapping[ResourceId, Unmanaged] = field(default_factory=dict)
    roots: frozenset[ResourceId] = frozenset()
    problems: tuple[Problem, ...] = ()
    shared: bool = False


class Workshop:
    """Makes parts of sections, and remembers those of equal sections. Their data must be from one pool."""

    def __init__(self, registry: Registry) -> None:
        self.registry = dict(registry)  # the registry itself imports a kind at each access
        schemas: dict[str, type[KindSection]] = {kind: each.section for kind, each in self.registry.items()}
        self._models = {kind: _model(kind, schema) for kind, schema in schemas.items()}
        self._checked: dict[tuple[str, int], tuple[KindSection | None, tuple[Problem, ...]]] = {}
        self._asked: dict[tuple[int, str, str], frozenset[str]] = {}
        self._parts: dict[tuple[object, ...], Part] = {}

    def __len__(self) -> int:
        return len(self._checked) + len(self._parts)

    def parts(self, data: Mapping[str, Json], app: ResourceId, problems: list[Problem]) -> tuple[Part, ...]:
        """The parts of every section in a document of this web app, in the registry's order."""
        sections: dict[str, KindSection] = {}
        passing: set[str] = set()
        for kind in self.registry:
            if kind in data:
                section, wrong = self._check(kind, data[kind])
                problems.extend(wrong)
                if section is not None:
                    sections[kind] = section
                if not is_pooled(data[kind]):
                    passing.add(kind)
        found = tuple(self._part(kind, app, sections, passing) for kind in sections)
        problems.extend(problem for part in found for problem in part.problems)
        return found

    def check_in_part(self, data: Mapping[str, Json]) -> Iterator[Problem]:
        """The problems of sections that are not complete yet."""
        for kind, model in self._models.items():
            if data.get(kind) is not None:
                yield from check({kind: data[kind]}, model, in_part=True).problems

    def _check(self, kind: str, data: Json) -> tuple[KindSection | None, tuple[Problem, ...]]:
        known = self._checked.get((kind, id(data))) if is_pooled(data) else None
        if known is None:
            checked: Checked[Section] = check({kind: data}, self._models[kind])
            known = getattr(checked.document, kind) if checked.document is not None else None, checked.problems
            if is_pooled(data):
                self._checked[kind, id(data)] = known
        return known

    def _part(self, kind: str, app: ResourceId, sections: Mapping[str, KindSection], passing: set[str]) -> Part:
        section = sections[kind]
        if kind in passing:
            return _declared(self.registry[kind], section, Scope(app, sections))
        group = id(section), app.subscription, app.resource_group
        asked = self._asked.get(group)
        if asked is not None and (known := self._parts.get((group, *_answers(asked, sections)))):
            return known
        scope = Scope(app, sections)
        part = _declared(self.registry[kind], section, scope)
        if WEB_APP in scope.asked or scope.asked & passing:
            return part
        part = replace(part, shared=True)
        self._asked[group] = frozenset(scope.asked)
        self._parts[group, *_answers(self._asked[group], sections)] = part
        return part


def _answers(asked: frozenset[str], sections: Mapping[str, KindSection]) -> list[object]:
    """What a remediator looked at in other sections, comparable with what it would find for another app."""
    return [(name, id(sections.get(name))) for name in sorted(asked)]


@cache
def _model(kind: str, section: type[KindSection]) -> type[Section]:
    # Null is an error: a section without a value has most likely lost its contents.
    fields: dict[str, Any] = {kind: (section, None)}
    return create_model(f"Only_{kind}", __base__=Section, **fields)


def _declared(remediator: AnyRemediator, section: KindSection, scope: Scope) -> Part:
    kind = remediator.kind
    found = [Problem((kind, *it.path), it.message, it.remedy) for it in remediator.problems(section, scope)]
    try:
        items, unmanaged = remediator.items(section, scope), remediator.unmanaged(section, scope)
    except InvalidResourceId as error:
        if not found:  # otherwise it is among the problems already, with its own line
            found.append(Problem((kind,), str(error), "Name it as name, group:name or by its full resource id."))
        return Part(kind, section, problems=tuple(found))
    roots = frozenset((*(item.root for item in items), *unmanaged))
    return Part(kind, section, items, unmanaged, roots, tuple(found))
