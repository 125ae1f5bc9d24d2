"""Desired state: YAML documents become targets, and the declarations of all targets become roots.

A document declares one web app; a `Fleet` is what all documents of a deployment say together. The schema of a document
is composed from the sections of the registered remediators, so that a kind is declared, validated and shown to editors
by the module that repairs it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import Field, create_model, field_validator
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticCustomError

from homeostat.core.arm_types import root_of
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import (
    AnyRemediator,
    ConflictAware,
    Consent,
    Declared,
    Item,
    Joinable,
    KindSection,
    Mode,
    Place,
    Registry,
    Scope,
    Section,
    Unmanaged,
    Want,
    most_cautious,
)
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.policy import DEFAULT_POLICY, Policy
from homeostat.core.source import Source, SpecError, SpecProblem, parse_documents
from homeostat.core.validation import check
from homeostat.core.windows import Window, Windows

TARGET_NAME = r"^[a-z0-9-]{1,63}$|^[a-z0-9-]{1,61}--[a-z0-9-]{1,60}$"

_STAND_INS: Mapping[str, str] = {"target": "a-target", "web_app": "an-app", "resource_group": "a-group"}
"""What the keys that every document must have are taken for where they are wrong, so that the rest can be checked."""

_POLICY_STAND_INS: Mapping[str, str] = {"policy": "fleet"}

_NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

_CAUTION_UNMANAGED = (Unmanaged.REMOVE, Unmanaged.REPORT, Unmanaged.KEEP)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


def _never_null(schema: dict[str, Any]) -> None:
    """A key that may be left out, and may not be empty."""
    (given,) = (each for each in schema.pop("anyOf") if each != {"type": "null"})
    schema.update(given)
    _without_default(schema)


class Document(Section):
    """A web app whose network posture is declared. The remediators' sections join these fields."""

    target: str = Field(
        pattern=TARGET_NAME, description="Unique in the fleet; a slot's target is app--slot.", examples=["app-flask"]
    )
    web_app: str = Field(
        description="The web app's name; app/slot for a deployment slot.",
        pattern=r"^[A-Za-z0-9-]{2,60}(/[A-Za-z0-9-]{1,59})?$",
        examples=["app-flask", "app-flask/staging"],
    )
    resource_group: str = Field(description="The web app's resource group.", pattern=r"^[-\w._()]{1,90}$")
    subscription: str | None = Field(
        default=None,
        description="The subscription's id; by default the one of the environment (AZURE_SUBSCRIPTION_ID).",
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    )
    mode: Mode = Field(
        default=Mode.ENFORCE,
        description="enforce repairs, alert reports, ignore does not look. Sections and items may differ.",
    )
    approval: Consent | None = Field(
        default=None,
        description="required: each repair waits for a person's approval.",
        json_schema_extra=_never_null,
    )
    windows: dict[str, Window] | None = Field(
        default=None,
        description="When this target may be repaired, by names of your choice; in the place of the policy's windows.",
        json_schema_extra=_never_null,
    )

    @field_validator("windows", "approval", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        """A key that is there and empty is an error: most likely its contents were lost."""
        if value is None:
            raise PydanticCustomError("empty_key", "must not be empty")
        return value


@dataclass(frozen=True, slots=True)
class Target:
    """A web app with what it depends on: a view over its roots."""

    name: str
    web_app: ResourceId
    roots: tuple[ResourceId, ...]  # sorted
    kinds: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Root:
    """An ARM root resource and what all targets together want of it."""

    id: ResourceId
    wants: Mapping[str, Want[Any]]  # by kind
    targets: tuple[str, ...]  # names, sorted
    policy: Policy = DEFAULT_POLICY  # the fleet's
    spec_version: str = field(default="", compare=False)  # the fleet's
    windows: Mapping[str, Windows] = field(default_factory=dict)  # of those targets that have their own
    marked: frozenset[str] = frozenset()  # the kinds of which an owner says `approval: required`
    declared: int = field(default=0, compare=False)  # the number of the fleet's roots


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that is declared: the targets by name and the roots that events, leases and writes belong to."""

    targets: Mapping[str, Target] = field(default_factory=dict)
    roots: Mapping[ResourceId, Root] = field(default_factory=dict)
    policy: Policy = DEFAULT_POLICY
    spec_version: str = field(default="", compare=False)  # of the texts that declare it

    def route(self, resource: ResourceId) -> Root | None:
        """The declared root that a change of `resource` concerns, which for a slot's change is never the slot's app."""
        root = root_of(resource)
        return self.roots.get(root) if root is not None else None


@dataclass(frozen=True, slots=True)
class _Declaration:
    """One item with all that a message about it needs."""

    kind: str
    item: Item[Any]
    target: str
    mode: Mode
    source: Source

    @property
    def place(self) -> Place:
        return self.source.place((self.kind, *self.item.path))


@dataclass(frozen=True, slots=True)
class _Parsed:
    """One document that its schema accepts."""

    target: Target
    declarations: tuple[_Declaration, ...]
    unmanaged: Mapping[tuple[ResourceId, str], Unmanaged]
    modes: Mapping[str, Mode]  # of each section, by kind
    windows: Windows | None
    marked: frozenset[str]


def load(
    texts: Mapping[str, str], registry: Registry, *, subscription: str = "", own: OwnResources = NOTHING_OWN
) -> Fleet:
    """The fleet that the texts (by file name) declare. `subscription` stands in where a document names none.

    own: what Homeostat runs on, which nothing may declare.

    Raises SpecError with every problem of every text at once.
    """
    problems: list[SpecProblem] = []
    documents: list[_Parsed] = []
    policies: list[tuple[Place, Policy]] = []
    for source in _sources(texts, problems):
        problems.extend(source.problems)
        if _is_policy(source):
            checked = check(source, Policy, _POLICY_STAND_INS)
            problems.extend(checked.problems)
            policies.append((source.place(("policy",)), checked.document or DEFAULT_POLICY))
        elif parsed := _parse(source, registry, subscription, problems):
            documents.append(parsed)
    problems.extend(problem for parsed in documents for problem in _own_resources(parsed, own))
    problems.extend(_repeated_targets([parsed.target for parsed in documents]))
    problems.extend(_repeated_policies(policies))
    fleet = _merged(documents, policies[0][1] if policies else DEFAULT_POLICY, problems)
    problems.extend(_conflicts(fleet, registry))
    if problems:
        raise SpecError(tuple(problems))
    return _of_version(fleet, spec_version(texts))


def spec_version(texts: Mapping[str, str]) -> str:
    """A name for these very texts: 12 hex digits, different as soon as a file is renamed or a letter changes."""
    whole = "".join(f"{name}\0{text}\0" for name, text in sorted(texts.items()))
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _of_version(fleet: Fleet, version: str) -> Fleet:
    declared = len(fleet.roots)
    roots = {id_: replace(root, spec_version=version, declared=declared) for id_, root in fleet.roots.items()}
    return replace(fleet, roots=roots, spec_version=version)


def json_schema(registry: Registry) -> JsonObject:
    """JSON Schema (draft 2020-12) of one document, a target's or the fleet's policy, for editors."""
    document = document_model(registry)
    _, schema = models_json_schema([(document, "validation"), (Policy, "validation")], title="Homeostat spec")
    a_target = {"$ref": f"#/$defs/{document.__name__}"}
    a_policy = {"if": {"required": ["policy"]}, "then": {"$ref": f"#/$defs/{Policy.__name__}"}, "else": a_target}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **a_policy}


def document_model(registry: Registry) -> type[Document]:
    """The pydantic model of a document with the sections of these remediators."""
    return _model(tuple((kind, remediator.section) for kind, remediator in registry.items()))


@cache
def _model(sections: tuple[tuple[str, type[KindSection]], ...]) -> type[Document]:
    # A section that is there and empty is an error: most likely its contents were lost.
    fields: dict[str, Any] = {
        kind: (section, Field(default=None, json_schema_extra=_without_default)) for kind, section in sections
    }
    return create_model("HomeostatDocument", __base__=Document, **fields)


def _sources(texts: Mapping[str, str], problems: list[SpecProblem]) -> Iterator[Source]:
    for file, text in sorted(texts.items()):
        try:
            yield from parse_documents(text, file)
        except SpecError as error:
            problems.extend(error.problems)


def _parse(source: Source, registry: Registry, subscription: str, problems: list[SpecProblem]) -> _Parsed | None:
    """None when so little of the document is right that nothing of it can be compared with other documents."""
    checked = check(source, document_model(registry), _STAND_INS)
    problems.extend(checked.problems)
    document = checked.document
    if document is None:
        return None
    chosen = document.subscription or subscription
    if not chosen:
        remedy = "Add `subscription: ID`, or set AZURE_SUBSCRIPTION_ID."
        problems.append(SpecProblem(source.place(()), "no subscription is known for this web app", remedy))
    sections = {kind: section for kind in registry if (section := getattr(document, kind)) is not None}
    scope = Scope(_web_app(document, chosen or _NO_SUBSCRIPTION), sections)
    declarations: list[_Declaration] = []
    unmanaged: dict[tuple[ResourceId, str], Unmanaged] = {}
    for kind, section in sections.items():
        part = _declared(registry[kind], section, scope, source, problems)
        for item in part.items:
            mode = item.mode or section.mode or document.mode  # the most specific wins
            declarations.append(_Declaration(kind, item, document.target, mode, source))
        unmanaged |= {(root, kind): policy for root, policy in part.unmanaged.items()}
    if checked.stood_in or not chosen:
        return None
    roots = {scope.web_app, *(declaration.item.root for declaration in declarations), *(root for root, _ in unmanaged)}
    place = source.place(("target",))
    target = Target(document.target, scope.web_app, tuple(sorted(roots)), tuple(sections), place)
    modes = {kind: section.mode or document.mode for kind, section in sections.items()}
    marked = frozenset(kind for kind, section in sections.items() if document.approval or section.approval)
    return _Parsed(target, tuple(declarations), unmanaged, modes, document.windows, marked)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one section declares; nothing when it is so wrong that its resources cannot be told."""

    items: tuple[Item[Any], ...] = ()
    unmanaged: Mapping[ResourceId, Unmanaged] = field(default_factory=dict)


def _declared(
    remediator: AnyRemediator, section: KindSection, scope: Scope, source: Source, problems: list[SpecProblem]
) -> _Part:
    kind = remediator.kind
    found = remediator.problems(section, scope)
    problems.extend(SpecProblem(source.place((kind, *it.path)), it.message, it.remedy) for it in found)
    try:
        return _Part(remediator.items(section, scope), remediator.unmanaged(section, scope))
    except InvalidResourceId as error:
        if not found:  # else it is among the problems already, at its own line
            remedy = "Name it as name, group:name or by its full resource id."
            problems.append(SpecProblem(source.place((kind,)), str(error), remedy))
        return _Part()


def _web_app(document: Document, subscription: str) -> ResourceId:
    app, _, slot = document.web_app.partition("/")
    if slot:
        return ResourceId.of(subscription, document.resource_group, "Microsoft.Web/sites/slots", app, slot)
    return ResourceId.of(subscription, document.resource_group, "Microsoft.Web/sites", app)


def _is_policy(source: Source) -> bool:
    return isinstance(source.data, Mapping) and "policy" in source.data and "target" not in source.data


def _repeated_policies(policies: Sequence[tuple[Place, Policy]]) -> Iterator[SpecProblem]:
    for place, _ in policies[1:]:
        message = f"the fleet's policy is already declared at {policies[0][0]}"
        yield SpecProblem(place, message, "Merge the two: there is one policy for all targets.")


def _own_resources(parsed: _Parsed, own: OwnResources) -> Iterator[SpecProblem]:
    """What a document declares of that which Homeostat runs on: a repair of it could cut off the repairer."""
    remedy = "Remove it from the spec: what Homeostat runs on is not its to repair."
    if site := own.around(parsed.target.web_app):
        yield SpecProblem(parsed.target.place, f"the web app is, or is in, Homeostat's own {site.short}", remedy)
        return
    for it in parsed.declarations:
        if found := own.around(it.item.root) or own.named(it.item.root, it.item.name):
            yield SpecProblem(it.place, f"{it.kind}: {it.item.name!r} is of Homeostat's own {found.short}", remedy)


def _repeated_targets(targets: Sequence[Target]) -> Iterator[SpecProblem]:
    first: dict[str, Target] = {}
    for target in targets:
        other = first.setdefault(target.name, target)
        if other is not target:
            message = f"target {target.name!r} is already declared at {other.place}"
            yield SpecProblem(target.place, message, "Rename one of the two.")


def _merged(documents: Iterable[_Parsed], policy: Policy, problems: list[SpecProblem]) -> Fleet:
    targets: dict[str, Target] = {}
    items: dict[tuple[ResourceId, str], dict[str, Declared[Any]]] = defaultdict(dict)
    unmanaged: dict[tuple[ResourceId, str], Unmanaged] = {}
    modes: dict[tuple[ResourceId, str], Mode] = {}
    owners: dict[ResourceId, set[str]] = defaultdict(set)
    windows: dict[str, Windows] = {}
    marked: dict[ResourceId, frozenset[str]] = defaultdict(frozenset)
    for document in documents:
        targets[document.target.name] = document.target
        if document.windows is not None:
            windows[document.target.name] = document.windows
        for root in document.target.roots:
            owners[root].add(document.target.name)
        for declaration in document.declarations:
            key = declaration.item.root, declaration.kind
            _join(items[key], declaration, problems)
            marked[declaration.item.root] |= document.marked & {declaration.kind}
            modes[key] = most_cautious((modes.get(key, Mode.ENFORCE), document.modes[declaration.kind]))
        for key, rest in document.unmanaged.items():
            unmanaged[key] = max(unmanaged.get(key, rest), rest, key=_CAUTION_UNMANAGED.index)
            items.setdefault(key, {})  # a section without items still has its policy to keep
            marked[key[0]] |= document.marked & {key[1]}
    wants: dict[ResourceId, dict[str, Want[Any]]] = defaultdict(dict)
    for (root, kind), by_name in items.items():
        rest, mode = unmanaged.get((root, kind), Unmanaged.KEEP), modes.get((root, kind), Mode.ENFORCE)
        wants[root][kind] = Want(root, dict(sorted(by_name.items())), rest, mode)
    roots = {
        root: Root(
            root,
            wants[root],
            tuple(sorted(names)),
            policy,
            windows={name: windows[name] for name in sorted(names) if name in windows},
            marked=marked[root],
        )
        for root, names in sorted(owners.items())
    }
    return Fleet(dict(sorted(targets.items())), roots, policy)


def _join(by_name: dict[str, Declared[Any]], new: _Declaration, problems: list[SpecProblem]) -> None:
    """Equal declarations of one item become one with both owners; unequal ones are a problem that names both places."""
    item, place = new.item, new.place
    other = by_name.get(item.name)
    if other is None:
        problems.extend(_other_spelling(by_name, new))
        by_name[item.name] = Declared(item.value, new.mode, (new.target,), place)
        return
    joined = _joined(other.value, item.value)
    if joined is None:
        message = f"{new.kind}: {item.name!r} of {item.root.short} is declared otherwise at {other.place}"
        problems.append(SpecProblem(place, message, "Make the two equal, or declare it in one place."))
        return
    mode, owners = most_cautious((other.mode, new.mode)), tuple(sorted({*other.owners, new.target}))
    by_name[item.name] = replace(other, value=joined, mode=mode, owners=owners)


def _joined(one: Any, other: Any) -> Any:
    """What two declarations of an item's value say together; None when they contradict each other."""
    if isinstance(one, Joinable):
        return one.joined(other)
    return one if one == other else None


def _conflicts(fleet: Fleet, registry: Registry) -> Iterator[SpecProblem]:
    """What the sections of one root say against each other, by those remediators that know of such things."""
    for root in fleet.roots.values():
        for kind in root.wants:
            if isinstance(remediator := registry[kind], ConflictAware):
                for conflict in remediator.conflicts(root.wants):
                    yield SpecProblem(conflict.place, conflict.message, conflict.remedy)


def _other_spelling(by_name: Mapping[str, Declared[Any]], new: _Declaration) -> Iterator[SpecProblem]:
    """ARM takes names that differ in case for one. Inside a document its remediator tells of them."""
    for name, declared in by_name.items():
        if name.lower() == new.item.name.lower() and new.target not in declared.owners:
            message = f"{new.kind}: {new.item.name!r} of {new.item.root.short} is spelled {name!r} at {declared.place}"
            yield SpecProblem(new.place, message, "Spell both the same: they are one name to Azure.")
