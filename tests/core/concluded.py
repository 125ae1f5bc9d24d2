"""Outcomes of reconciles, and what is concluded from a series of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from homeostat.core.alerts import Alert
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.gate.standing import PAUSED
from homeostat.core.ids import ResourceId
from homeostat.core.model import Declared, Drift, Edit, Mode, Place, Verdict, Want
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Action, Held, Hold, Plan, Verb
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NSG = ResourceId.of("s", "rg-flask", NETWORK_SECURITY_GROUP.name, "nsg-shared")
KINDS = ("app_settings", "nsg_rules")


def root_of(modes: Mapping[str, Mode] | None = None, targets: tuple[str, ...] = ("app-a",)) -> Root:
    wants = {
        kind: Want(NSG, {"item": Declared(1, mode, targets, Place("spec", 1))}, mode=mode)
        for kind, mode in (modes or dict.fromkeys(KINDS, Mode.ENFORCE)).items()
    }
    return Root(NSG, wants, targets)


ROOT = root_of()
NEVER_SEEN = RootRecord()


def drift(kind: str = "nsg_rules", have: str = "Deny", verdict: Verdict = Verdict.DRIFTED) -> Drift:
    return Drift(kind, NSG, ("properties", "access"), "item", "Allow", have, verdict)


def held(of: Drift, code: str = PAUSED) -> Held:
    return Held(of, Hold(code, "for a reason"))


def found(
    *drifts: Drift,
    status: Status = Status.DRIFTED,
    holds: Sequence[Held] = (),
    written: Sequence[Drift] = (),
    error: str = "",
) -> Outcome:
    actions = tuple(Action(NSG, NETWORK_SECURITY_GROUP, Verb.PUT, (Edit(each, (), "x"),)) for each in written)
    plan = Plan(NSG, drifts, held=tuple(holds))
    return Outcome(NSG, status, plan, actions, ("c",) * len(actions), error)


IN_SYNC = found(status=Status.IN_SYNC)
FAILED = found(drift(), status=Status.FAILED, error="409 Busy")
FORBIDDEN = replace(FAILED, final=True)
UNREADABLE = found(drift(verdict=Verdict.UNKNOWN), status=Status.UNKNOWN, error="503")


def follow(*outcomes: Outcome, root: Root = ROOT, before: RootRecord = NEVER_SEEN) -> tuple[RootRecord, list[Alert]]:
    """The record and all alerts after these outcomes, a minute apart."""
    told: list[Alert] = []
    for number, outcome in enumerate(outcomes):
        before, pending = conclude(root, outcome, before, Evidence(), NOW + number * MINUTE)
        told.extend(pending)
    return before, told


def types(told: Sequence[Alert]) -> list[str]:
    return [f"{alert.type.split('.')[1]} {alert.data.get('kind') or alert.data.get('target') or ''}" for alert in told]


def missing() -> Outcome:
    return Outcome(NSG, Status.MISSING, Plan(NSG), error="not found")
