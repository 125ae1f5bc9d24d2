"""How a reconcile ends: which status a root gets, and when it is looked at again without an event. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.standing import MODE_ALERT
from homeostat.core.ids import ResourceId
from homeostat.core.model import Facts, Verdict
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Hold, Plan, unreadable
from homeostat.core.provisioning import anything_being_written
from homeostat.core.record import RootRecord

RETRIES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 3, 8, 23, 53, 113, 173, 233))
"""When a failed root is tried again by itself, after it first failed; then it waits for an event or the next sweep.

The times count, not the tries: what events and people try in between and fail uses none of them up.
"""

GONE_AFTER: Final = timedelta(seconds=30)
"""A container counts as gone if it is still missing this long after it was first found missing."""

SETTLING_RETRY: Final = timedelta(seconds=30)
SETTLING_LOOKS: Final = 8
"""Looks at a root that settles: after 30 s, 1 min, 2 min and so on, about two hours in all."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The possible ends of a reconcile, given the root's record when it began, and the time."""

    root: ResourceId
    record: RootRecord
    now: datetime

    def judged(self, plan: Plan, facts: Facts, *, wrote: bool, refusals: Iterable[Hold]) -> Outcome:
        """Nothing (more) is written: the most urgent status that the drifts call for.

        wrote: whether something was written before. refusals: what Azure refused to have written.
        """
        verdicts = {drift.verdict for drift in plan.drifts}
        if Verdict.UNKNOWN in verdicts:
            errors = [fact.error for _, fact in unreadable(facts)]
            return self._unknown(plan, errors[0]) if errors else Outcome(plan.root, Status.UNKNOWN, plan)
        if plan.actions:
            return Outcome(plan.root, Status.PLANNED, plan)
        holds = [held.hold for held in plan.held if held.hold.code != MODE_ALERT]
        if holds:
            retry_at = _first_end(holds)
            refused_by_azure = "; ".join(dict.fromkeys(hold.message for hold in refusals))
            return Outcome(plan.root, Status.HELD, plan, error=refused_by_azure, retry_at=retry_at)
        if plan.drifted:
            return Outcome(plan.root, Status.DRIFTED, plan)
        if Verdict.SETTLING in verdicts or self._awaits_its_write(facts):
            return Outcome(plan.root, Status.SETTLING, plan, retry_at=self._look_again_at())
        return Outcome(plan.root, Status.HEALED if wrote else Status.IN_SYNC, plan)

    def _awaits_its_write(self, facts: Facts) -> bool:
        """Whether ARM still carries out a write that an earlier reconcile began: it may fail, and be undone."""
        return self.record.intent is not None and anything_being_written(facts)

    def still_running(self, plan: Plan, words: str, retry_after: timedelta) -> Outcome:
        return Outcome(plan.root, Status.SETTLING, plan, error=words, retry_at=self.now + retry_after)

    def missing(self) -> Outcome:
        """One 404 is no proof: a cache behind ARM can lag by some seconds."""
        retry_at = (self.record.missing_since or self.now) + GONE_AFTER
        message = f"{self.root.short}, or what is to be in it, was not found"
        return Outcome(self.root, Status.MISSING, Plan(self.root), error=message, retry_at=retry_at)

    def gone(self, plan: Plan) -> Outcome:
        status = Status.RETIRED if is_web_app(self.root) else Status.HELD
        retry_at = None if status is Status.RETIRED else _first_end(held.hold for held in plan.held)
        return Outcome(self.root, status, plan, error=f"{self.root.short} is gone", retry_at=retry_at)

    def failed(self, plan: Plan, error: HomeostatError) -> Outcome:
        final = isinstance(error, ArmError) and error.is_final
        told = error.retry_after if isinstance(error, ArmError) else None
        retry_at = None if final else self._retry_at(told or timedelta())
        return Outcome(plan.root, Status.FAILED, plan, error=str(error), final=final, retry_at=retry_at)

    def _unknown(self, plan: Plan, error: ArmError) -> Outcome:
        return replace(self.failed(plan, error), status=Status.UNKNOWN)

    def was_missed_twice(self) -> bool:
        since = self.record.missing_since
        return since is not None and self.now - since >= GONE_AFTER

    def _look_again_at(self) -> datetime | None:
        """At growing intervals, since most things settle soon; None once it is left to the next event or sweep."""
        looks = self.record.settling
        return self.now + SETTLING_RETRY * 2**looks if looks < SETTLING_LOOKS else None

    def _retry_at(self, at_least: timedelta) -> datetime | None:
        """The first of `RETRIES` that is still to come; None if none is."""
        failing = self.record.failing
        since = min(failing.since, self.now) if failing else self.now
        planned = next((since + after for after in RETRIES if since + after > self.now), None)
        return max(planned, self.now + at_least) if planned else None


def _first_end(holds: Iterable[Hold]) -> datetime | None:
    return min((hold.retry_at for hold in holds if hold.retry_at), default=None)


def is_web_app(root: ResourceId) -> bool:
    return any(root.is_type(row.name) for row in (SITE, SLOT))
