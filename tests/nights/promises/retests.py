"""A re-test leaves an app's routing off for as long as the person said, whatever dies, and no longer."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from homeostat.core.record import from_json
from homeostat.core.retest import Retest
from tests.nights.clock import DUSK
from tests.nights.evidence import Evidence
from tests.nights.place import LEGACY, ROOTS, Path
from tests.nights.trace import Call, Changed, Ended, Queued

FLAG: Final = "routing/applicationTraffic"
SETTING: Final = f"settings/{LEGACY}"
ON: Final = frozenset({True, "1"})


def routing_is_off_for_a_stored_while(evidence: Evidence) -> Iterator[str]:
    """Before a re-test switches routing off, its end is stored, and a message for that time has been sent."""
    for _, change, path in _switched(evidence, on=False):
        write = evidence.write_of(change)
        if write is None or not evidence.is_retest(change.work):
            continue
        retest = _stored(evidence, path[0], write)
        if retest is None or not retest.runs(evidence.clock_of(write)):
            yield f"{change.work} switched {path} off at {change.at:.1f} s, and what was stored was {retest}"
        elif not _comes(evidence, path[0], write, retest):
            yield f"{change.work} switched {path} off at {change.at:.1f} s, and no message comes at its end"


def routing_is_switched_off_by_a_retest_alone(evidence: Evidence) -> Iterator[str]:
    """Routing is switched off only by a re-test, or by a rollback of a write that had switched it on."""
    for _, change, path in _switched(evidence, on=False):
        if not evidence.is_retest(change.work) and not evidence.is_rollback(change.work):
            yield f"{change.work} switched {path} off at {change.at:.1f} s"


def routing_stays_off_while_a_retest_runs(evidence: Evidence) -> Iterator[str]:
    """Routing that the writer found off is not switched on while the stored re-test runs."""
    for _, change, path in _switched(evidence, on=True):
        write = evidence.write_of(change)
        if write is None or evidence.is_rollback(change.work) or not _was_found_off(evidence, write, path):
            continue
        retest = _stored(evidence, path[0], write)
        if retest is not None and retest.runs(evidence.clock_of(write)):
            yield f"{change.work} switched {path} on at {change.at:.1f} s, and a re-test ran until {retest.deadline}"


def a_refused_retest_changes_nothing(evidence: Evidence) -> Iterator[str]:
    """After a refused re-test the app is as it was."""
    refused = {
        ended.work: ended.failure for _, ended in evidence.of(Ended) if ended.failure.startswith("RetestRefused")
    }
    for _, change in evidence.own_changes:
        if change.work in refused:
            yield f"{change.work} was refused ({refused[change.work]}), and changed {sorted(change.values)}"


def _switched(evidence: Evidence, *, on: bool) -> Iterator[tuple[int, Changed, Path]]:
    """The places at which Homeostat switched routing on, or off."""
    for place, change in evidence.own_changes:
        for path, (old, new) in change.values.items():
            if path[1] in {FLAG, SETTING} and (new in ON if on else old in ON and new not in ON):
                yield place, change, path


def _stored(evidence: Evidence, root: str, write: Call) -> Retest | None:
    return from_json(evidence.record_at(root, write.sent)).retest


def _comes(evidence: Evidence, root: str, write: Call, retest: Retest) -> bool:
    """Whether the write's work had sent a message for the end of the re-test, give or take the clocks' difference."""
    end = (retest.deadline - DUSK) / timedelta(seconds=1) - evidence.clocks_apart - 1
    return any(
        place < write.sent and each.work == write.work and each.at + each.delay >= end
        for place, each in evidence.of(Queued)
        if json.loads(each.body).get("root", "").lower() == ROOTS[root].lower()
    )


def _was_found_off(evidence: Evidence, write: Call, path: Path) -> bool:
    """Whether the writer had read routing as off. A write of settings carries over those that it does not mean."""
    if path[1] != SETTING:
        return True
    read = evidence.last_read(write, "/config/appsettings/list")
    return read is None or evidence.state_at(read).get(path) not in ON
