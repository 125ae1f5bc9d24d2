"""A container is recreated only if the spec or a person allows it, and only once it is surely gone."""

from collections.abc import Iterator, Mapping

from homeostat.core.endings import GONE_AFTER
from tests.nights import schedule
from tests.nights.evidence import Evidence
from tests.nights.place import CONTAINERS, THERE
from tests.nights.trace import Began, Call, Changed


def a_container_is_made_on_a_word_alone(evidence: Evidence) -> Iterator[str]:
    """The spec says `recreate: true`, or a person asked for it or approved it."""
    asked = any(run.create for run in evidence.entries(schedule.Run))
    for place, change, root in _made(evidence):
        what = evidence.beginning(change.work).what
        by_run = what.startswith("creating run") or (asked and what.startswith('message {"run"'))
        approved = any(began.what == "approval" for at, began in evidence.of(Began) if at < place)
        if root not in evidence.recreated and not by_run and not approved:
            yield f"{change.work} made {root} at {change.at:.1f} s, and nobody had said so"


def a_container_is_made_when_it_was_missed_twice(evidence: Evidence) -> Iterator[str]:
    """ARM had answered twice, half a minute apart, that it is gone. If a person asks for it, it is created at once."""
    if evidence.clocks_apart:
        return
    misses = _misses(evidence)
    for _, change, root in _made(evidence):
        write = evidence.write_of(change)
        if write is None or evidence.beginning(change.work).what.startswith(("creating run", 'message {"run"')):
            continue
        times = [at for at in misses.get(root, ()) if at <= write.sent_at]
        if not times or times[-1] - times[0] < GONE_AFTER.total_seconds():
            yield f"{change.work} made {root} at {write.sent_at:.1f} s, missed at {times}"


def _made(evidence: Evidence) -> Iterator[tuple[int, Changed, str]]:
    for place, change in evidence.own_changes:
        for (root, path), (old, _) in change.values.items():
            if path == THERE and old is None:
                yield place, change, root


def _misses(evidence: Evidence) -> Mapping[str, list[float]]:
    """The times at which ARM answered that a container is gone, by container."""
    found: dict[str, list[float]] = {}
    names = {id_.lower(): name for name, id_ in CONTAINERS.items()}
    for _, call in evidence.of(Call):
        if call.verb == "read" and call.status == 404 and (name := names.get(call.path.lower())):
            found.setdefault(name, []).append(call.at)
    return found
