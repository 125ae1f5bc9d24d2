"""What is shown of a plan or a run, in the order in which people read it: by target, then by root.

A report is made from `outcome_json`, so that a plan made here and a run returned by the service look the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject, Value
from homeostat.core.model import Disruption, Verdict
from homeostat.core.outcome import Outcome, Status, outcome_json, worst
from homeostat.core.spec import Target

JUDGED_NOT = frozenset({Status.IGNORED, Status.UNKNOWN, Status.BUSY, Status.FAILED})
"""Statuses that leave open whether the root is as declared, or mean that a repair failed."""

AS_DECLARED = frozenset({Status.IN_SYNC, Status.HEALED})


class Mark(StrEnum):
    """The kind of a difference, in one character."""

    CHANGED = "~"
    MISSING = "+"
    UNMANAGED = "-"
    SETTLING = "*"
    UNKNOWN = "?"

    @property
    def word(self) -> str:
        return self.name.lower()


class Conclusion(StrEnum):
    """The overall result. What could not be judged outweighs what differs: it never counts as no drift."""

    AS_DECLARED = "as-declared"
    DRIFT = "drift"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A hold. retry_at: when it is looked at again by itself, or ""."""

    code: str
    message: str
    retry_at: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs. name: of the setting, rule or link. field: of it; "" for all of it."""

    mark: Mark
    kind: str
    name: str
    field: str
    want: Value
    have: Value
    note: str = ""
    hold: Refusal | None = None

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}" + (f": {self.field}" if self.field else "")


@dataclass(frozen=True, slots=True)
class Write:
    """One ARM write, planned or done. repairs: the labels of what it repairs."""

    verb: str
    resource: ResourceId
    disruption: Disruption
    repairs: tuple[str, ...]

    @property
    def restarts(self) -> bool:
        return self.disruption is Disruption.RESTART

    @property
    def effect(self) -> str:
        """Its effect on traffic, in words; "" if there is none."""
        words = {Disruption.RESTART: "restarts the app", Disruption.CONNECTIVITY: "may cut connections"}
        return words.get(self.disruption, "")


@dataclass(frozen=True, slots=True)
class RootPart:
    id: ResourceId
    status: Status
    differences: tuple[Difference, ...] = ()
    planned: tuple[Write, ...] = ()
    written: tuple[Write, ...] = ()
    error: str = ""
    refused: tuple[str, ...] = ()  # actions that the role lacks
    told: JsonObject = field(default_factory=dict)  # the outcome's JSON, for programs


@dataclass(frozen=True, slots=True)
class TargetPart:
    name: str
    web_app: ResourceId
    roots: tuple[RootPart, ...]  # in the order in which they are repaired

    @property
    def status(self) -> Status:
        return worst([root.status for root in self.roots])


@dataclass(frozen=True, slots=True)
class Totals:
    targets: int
    targets_as_declared: int
    roots: int
    roots_as_declared: int
    roots_not_judged: int
    differences: int
    writes: int  # planned or done
    restarts: int
    held: int


@dataclass(frozen=True, slots=True)
class Report:
    """done: whether it is about a run that could write, or else a plan."""

    targets: tuple[TargetPart, ...]
    done: bool = False

    @classmethod
    def of(cls, targets: Iterable[Target], outcomes: Iterable[Outcome], *, done: bool = False) -> Self:
        owned = [(target.name, target.web_app, target.roots) for target in targets]
        return cls._grouped(owned, [outcome_json(outcome) for outcome in outcomes], done=done)

    @classmethod
    def told(cls, targets: Iterable[JsonObject], outcomes: Iterable[JsonObject], *, done: bool = False) -> Self:
        """From what the service returns for its targets and a run. Raises InvalidResourceId if that is malformed."""
        owned = [
            (json.text_at(target, "name"), ResourceId.parse(json.text_at(target, "webApp")), _ids(target))
            for target in targets
        ]
        return cls._grouped(owned, list(outcomes), done=done)

    @classmethod
    def _grouped(
        cls,
        targets: Sequence[tuple[str, ResourceId, Sequence[ResourceId]]],
        outcomes: Sequence[JsonObject],
        *,
        done: bool,
    ) -> Self:
        roots = {root.id: root for root in map(root_part, outcomes)}
        turn = {id_: number for number, id_ in enumerate(roots)}
        parts = (
            TargetPart(
                name, web_app, tuple(roots[id_] for id_ in sorted(turn.keys() & set(owned), key=turn.__getitem__))
            )
            for name, web_app, owned in targets
        )
        return cls(tuple(parts), done)

    @property
    def roots(self) -> tuple[RootPart, ...]:
        """Each root once, however many targets share it."""
        return tuple({root.id: root for target in self.targets for root in target.roots}.values())

    @property
    def conclusion(self) -> Conclusion:
        statuses = {root.status for root in self.roots}
        if statuses & JUDGED_NOT:
            return Conclusion.ERROR
        return Conclusion.AS_DECLARED if statuses <= AS_DECLARED else Conclusion.DRIFT

    @property
    def totals(self) -> Totals:
        roots = self.roots
        writes = [write for root in roots for write in (root.written if self.done else root.planned)]
        differences = [difference for root in roots for difference in root.differences]
        return Totals(
            targets=len(self.targets),
            targets_as_declared=sum(target.status in AS_DECLARED for target in self.targets),
            roots=len(roots),
            roots_as_declared=sum(root.status in AS_DECLARED for root in roots),
            roots_not_judged=sum(root.status in JUDGED_NOT for root in roots),
            differences=len(differences),
            writes=len(writes),
            restarts=sum(write.restarts for write in writes),
            held=sum(difference.hold is not None for difference in differences),
        )


def _ids(target: JsonObject) -> tuple[ResourceId, ...]:
    return tuple(ResourceId.parse(text) for text in _items(target.get("roots")) if isinstance(text, str))


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def root_part(told: JsonObject) -> RootPart:
    """One root's outcome, or entry of its history, from its JSON. Raises InvalidResourceId."""
    holds = {_key(json.at(held, ("drift",))): _refusal(held) for held in json.objects_at(told, "held")}
    drifts = {_key(drift): drift for drift in json.objects_at(told, "drifts")}
    text, error = json.text_at(told, "status"), json.text_at(told, "error")
    return RootPart(
        id=ResourceId.parse(json.text_at(told, "root")),
        status=Status(text) if text in set(Status) else Status.UNKNOWN,  # a newer service may have more of them
        differences=tuple(_difference(drift, holds.get(key), error) for key, drift in drifts.items()),
        planned=tuple(map(_write, json.objects_at(told, "planned"))),
        written=tuple(map(_write, json.objects_at(told, "written"))),
        error=error,
        refused=tuple(str(action) for action in _items(told.get("refused"))),
        told=told,
    )


def _key(drift: Value) -> tuple[str, ...]:
    if drift is ABSENT:
        return ()
    return tuple(json.text_at(drift, name) for name in ("kind", "resource", "path", "item"))


def _refusal(held: JsonObject) -> Refusal:
    return Refusal(*(json.text_at(held, name) for name in ("code", "message", "retryAt")))


def _difference(drift: JsonObject, hold: Refusal | None = None, said: str = "") -> Difference:
    """said: what is shown of the root anyway, and need not be repeated."""
    name, part = _name_and_part(drift)
    note = json.text_at(drift, "note")
    return Difference(
        mark=_mark(drift),
        kind=json.text_at(drift, "kind"),
        name=name,
        field=part,
        want=json.at(drift, ("want",)),
        have=json.at(drift, ("have",)),
        note="" if note == said else note,
        hold=hold,
    )


def _name_and_part(drift: JsonObject) -> tuple[str, str]:
    """`REDIS_PORT`; or `allow-sql` and `priority`. What belongs to no item is named by its path or its resource."""
    item, last = json.text_at(drift, "item"), json.text_at(drift, "path").rpartition("/")[2]
    if not item:
        return last or json.text_at(drift, "resource").rpartition("/")[2], ""
    return item, "" if last == item else last


def _mark(drift: Mapping[str, Json]) -> Mark:
    match drift.get("verdict"):
        case Verdict.UNKNOWN.value:
            return Mark.UNKNOWN
        case Verdict.SETTLING.value:
            return Mark.SETTLING
        case Verdict.UNMANAGED.value:
            return Mark.UNMANAGED
        case _:
            return Mark.CHANGED if "have" in drift else Mark.MISSING


def _write(action: JsonObject) -> Write:
    return Write(
        verb=json.text_at(action, "verb"),
        resource=ResourceId.parse(json.text_at(action, "resource")),
        disruption=Disruption(json.text_at(action, "disruption")),
        repairs=tuple(_difference(drift).label for drift in json.objects_at(action, "repairs")),
    )
