"""A re-test of routing: for a limited time an app's traffic bypasses its network, to locate a fault. Pure.

A retest is part of its root's record, so that its deadline is stored in one step with the look that is due then, and
every reconcile of the root knows it. Only the loop restores the routing: while the retest runs, a guard holds that
repair; afterwards it is drift like any other. So nothing has to be cleaned up after a crash.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homeostat.core.model import Drift, Mode, Verdict
from homeostat.core.spec import Root

ROUTING: Final = "route_all"
LEGACY_SETTING: Final = "WEBSITE_VNET_ROUTE_ALL"

PROBES: Final = ("dns_resolution", "tcp_reachability")

LAST_LOOK: Final = timedelta(seconds=30)
"""How long before the deadline the last look is: the app restarted when routing was switched off."""

RECOVERY: Final = timedelta(minutes=2)
"""How long after the deadline the app may still fail, since it restarts once more."""

NO_PROBES: Final = "HOMEOSTAT_PROBES is off: nothing was asked"


class Reached(StrEnum):
    YES = "reached"
    NO = "fails"
    UNKNOWN = "unknown"


_AFTERWARDS: Final = {Reached.YES: "it is reached", Reached.NO: "it fails", Reached.UNKNOWN: "it is unknown"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one probe. what: its item, a host name, HOST:PORT, or health_url."""

    what: str
    reached: Reached
    note: str = ""


@dataclass(frozen=True, slots=True)
class Retest:
    """before, during, after: the probes' findings; None until they are asked. A retest with `after` is restored."""

    target: str
    deadline: datetime
    reason: str
    by: str
    before: tuple[Finding, ...] = ()
    during: tuple[Finding, ...] | None = None
    after: tuple[Finding, ...] | None = None
    ended_by: str = ""  # who ended it before its deadline

    def runs(self, now: datetime) -> bool:
        return now < self.deadline


def routes(kind: str, item: str) -> bool:
    """Whether a kind's item is one of the places that determine routing."""
    return kind == ROUTING or (kind == "app_settings" and item.upper() == LEGACY_SETTING)


def findings(root: Root, drifts: Sequence[Drift], judged: Container[str]) -> tuple[Finding, ...]:
    """What a look at the root says of each declared probe. judged: the kinds that this process can judge."""
    differing = {(drift.kind, drift.item): drift for drift in drifts}
    return tuple(
        _finding(item, differing.get((kind, item))) if kind in judged else Finding(item, Reached.UNKNOWN, NO_PROBES)
        for kind in PROBES
        if kind in root.wants
        for item, declared in root.wants[kind].items.items()
        if declared.mode is not Mode.IGNORE
    )


def _finding(item: str, drift: Drift | None) -> Finding:
    if drift is None:
        return Finding(item, Reached.YES)
    return Finding(item, Reached.UNKNOWN if drift.verdict is Verdict.UNKNOWN else Reached.NO, drift.note)


def witnessed(retest: Retest, drifts: Sequence[Drift], found: tuple[Finding, ...], now: datetime) -> Retest:
    """The retest after a look at its root, with the drifts and the probes' findings of that look."""
    routing = [drift for drift in drifts if routes(drift.kind, drift.item)]
    unread, is_off = any(drift.verdict is Verdict.UNKNOWN for drift in routing), bool(routing)
    recovering = now < retest.deadline + RECOVERY and _lost(retest.before, found)
    if unread or retest.after is not None:
        return retest
    if retest.runs(now):
        return replace(retest, during=found) if is_off else retest
    return retest if is_off or recovering else replace(retest, after=found)


def _lost(before: Sequence[Finding], after: Sequence[Finding]) -> bool:
    """Whether something that was reached before fails now."""
    well = {finding.what for finding in before if finding.reached is Reached.YES}
    return any(finding.what in well and finding.reached is Reached.NO for finding in after)


def next_look(retest: Retest, now: datetime) -> datetime | None:
    """The latest time for the next look at its root; None if other rules decide."""
    last = retest.deadline - LAST_LOOK
    if retest.runs(now):
        return last if now < last else retest.deadline
    return now + LAST_LOOK if retest.after is None and now < retest.deadline + RECOVERY else None


def comparison(retest: Retest) -> tuple[str, ...]:
    """What the probes found before, during and after: one sentence for each probe."""
    if not retest.before:
        return ("no probes are declared: only the app itself can tell what changed",)
    return tuple(_compared(retest))


def _compared(retest: Retest) -> Iterator[str]:
    during, after = _by_name(retest.during), _by_name(retest.after)
    for finding in retest.before:
        words = _in_words(finding, during.get(finding.what))
        last = after.get(finding.what)
        if last and last.reached is not finding.reached:
            words += f"; afterwards {_AFTERWARDS[last.reached]}{f' ({last.note})' if last.note else ''}"
        yield f"{finding.what}: {words}"


def _by_name(found: Sequence[Finding] | None) -> dict[str, Finding]:
    return {finding.what: finding for finding in found or ()}


def _in_words(before: Finding, during: Finding | None) -> str:
    if during is None:
        return f"{before.reached} with route-all on; without it nothing was asked"
    if Reached.UNKNOWN in {before.reached, during.reached}:
        return f"unknown: {before.note if before.reached is Reached.UNKNOWN else during.note}"
    match before.reached is Reached.YES, during.reached is Reached.YES:
        case True, True:
            return "reached with route-all on and off alike"
        case False, True:
            cause = "the integration subnet's NSG, its route table, or what these lead to"
            return f"with route-all off it is reached, so the fault is in the routing: {cause}"
        case True, False:
            return "reached only with route-all on: the routing is needed, and works"
        case _:
            note = f": {before.note}" if before.note else ""
            return f"fails with route-all on and off alike, so the fault is not in the routing{note}"
