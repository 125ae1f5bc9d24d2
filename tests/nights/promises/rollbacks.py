"""A rollback undoes what Homeostat wrote and nothing else, for as long as the person said, or does nothing at all."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.nights import schedule
from tests.nights.clock import DUSK
from tests.nights.evidence import Evidence
from tests.nights.place import WITHOUT_ETAG, Path
from tests.nights.trace import Answered, Began, Changed, Ended


def a_rollback_puts_back_what_was_there(evidence: Evidence) -> Iterator[str]:
    """Each value that a rollback changes is as Homeostat's write left it, and becomes what was there before one.

    If settings that somebody wrote at the same moment are lost, that is told (`no setting is lost in silence`).
    """
    for place, change in evidence.own_changes:
        if not evidence.is_rollback(change.work) or _is_over(evidence, change, place):
            continue  # it goes on as any reconcile does, and repairs what differs once its own pause is over
        mine = evidence.may_write(change.work, place)
        for path, (old, new) in change.values.items():
            if path[1].startswith(WITHOUT_ETAG) and (path[0], path[1].lower()) not in mine:
                continue
            before = _own_writes(evidence, path, place)
            if not before or before[-1][1] != old:
                yield f"{change.work} changed {path} from {old!r} to {new!r}, and Homeostat had written {before[-1:]}"
            elif all(was != new for was, _ in before):
                yield f"{change.work} changed {path} from {old!r} to {new!r}, and that it never was: {before}"


def _is_over(evidence: Evidence, change: Changed, place: int) -> bool:
    """Whether the rollback's pause had ended when this change was made."""
    target = evidence.beginning(change.work).what.rpartition(" ")[2]
    until = evidence.pauses_at(place).get(f"{target}:rollback")
    return until is None or (until - DUSK) / timedelta(seconds=1) < change.at


def _own_writes(evidence: Evidence, path: Path, until: int) -> list[tuple[object, object]]:
    return [each.values[path] for place, each in evidence.own_changes if place < until and path in each.values]


def what_a_person_put_back_stays(evidence: Evidence) -> Iterator[str]:
    """Until its pause ends, or somebody ends it, no repair touches what a rollback restored."""
    if evidence.clocks_apart:
        return
    resumed = [each.at for each in evidence.entries(schedule.Pausing) if not each.seconds]
    for place, answered in evidence.of(Answered):
        if not evidence.is_rollback(answered.work):
            continue
        told = json.loads(answered.body)
        until = (datetime.fromisoformat(told["pausedUntil"]) - DUSK) / timedelta(seconds=1)
        last = min([until, *(at for at in resumed if at > evidence.trace.seen[evidence.place_of(answered.work)].at)])
        for path in _changed_by(evidence, answered.work):
            for when, change in _repairs(evidence, path):
                if when > place and change.at < last:
                    yield f"{change.work} wrote {path} at {change.at:.1f} s, put back until {last:.1f} s"


def _changed_by(evidence: Evidence, work: str) -> set[Path]:
    return {path for _, change in evidence.own_changes if change.work == work for path in change.values}


def _repairs(evidence: Evidence, path: Path) -> list[tuple[int, Changed]]:
    return [
        (place, change)
        for place, change in evidence.own_changes
        if path in change.values and not evidence.is_rollback(change.work)
    ]


def a_refused_rollback_changes_nothing(evidence: Evidence) -> Iterator[str]:
    """After a refused rollback the target is as it was, without a pause of the rollback."""
    for place, ended in evidence.of(Ended):
        if not ended.failure.startswith("RollbackRefused"):
            continue
        for path in sorted(_changed_by(evidence, ended.work)):
            yield f"{ended.work} was refused ({ended.failure}), and wrote {path}"
        began = evidence.place_of(ended.work)
        target = evidence.beginning(ended.work).what.rpartition(" ")[2]
        row = f"{target}:rollback"
        before, after = (evidence.pauses_at(at).get(row) for at in (began, place))
        if before != after and not _others(evidence, target, ended.work, began, place):
            yield f"{ended.work} was refused ({ended.failure}), and the pause that was {before} is {after}"


def _others(evidence: Evidence, target: str, work: str, first: int, last: int) -> list[Began]:
    """Other work about the target's pauses at that time."""
    ends = {ended.work: place for place, ended in evidence.of(Ended)}
    words = (f"rollback of {target}", f"pause of {target} ")
    return [
        began
        for place, began in evidence.of(Began)
        if began.work != work
        and f"{began.what} ".startswith(words)
        and place < last
        and ends.get(began.work, last) > first
    ]
