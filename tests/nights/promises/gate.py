"""The gate holds what it has to hold, whatever instances, crashes and clocks do; and it says so.

The promises judge by the state of ARM and by what the writer had read, not by what the gate says.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from tests.nights import schedule
from tests.nights.clock import DUSK
from tests.nights.evidence import Evidence
from tests.nights.governed import PAUSE_TAG
from tests.nights.people import PEOPLE, WHO_ASKS
from tests.nights.place import NSG, ROOTS, ZONES, Path, State, root_at
from tests.nights.trace import Began, Call, Stored

HOUR = 3600.0


def writes_stay_within_the_caps(evidence: Evidence) -> Iterator[str]:
    """In no hour is more written than the policy allows, to one resource or in total, whoever writes or dies meanwhile.

    A write counts from its intent, when it was reserved. A write that is sent again counts once. Instances keep the
    caps by their own clocks; if these jump, their hours differ.
    """
    if evidence.clocks_apart:
        return
    policy = evidence.policy
    times: dict[str, list[float]] = defaultdict(list)
    names = set()
    for _, call in evidence.of(Call):
        if call.verb == "write" and call.correlation not in names:
            names.add(call.correlation)
            times[call.path.lower()].append(evidence.intended_at(call))
    for path, mine in times.items():
        if (most := _most_in_an_hour(mine)) > policy.writes_per_resource:
            yield f"{path.rpartition('/')[2]} was written {most} times in an hour, not {policy.writes_per_resource}"
    if (most := _most_in_an_hour([at for mine in times.values() for at in mine])) > policy.writes_per_hour:
        yield f"{most} writes were made in an hour, not {policy.writes_per_hour}"


def _most_in_an_hour(times: list[float]) -> int:
    times = sorted(times)
    return max((sum(start <= at < start + HOUR for at in times) for start in times), default=0)


def a_drift_that_comes_back_is_left_alone(evidence: Evidence) -> Iterator[str]:
    """What was repaired as often as the policy allows is not repaired again before the backoff has passed.

    A repair counts if its work had heard of it and lived to store it. Resuming a target forgets its repairs.
    """
    resumes = [each for each in evidence.entries(schedule.Pausing) if not each.seconds]
    if evidence.clocks_apart or resumes:
        return
    policy = evidence.policy
    for (root, paths), repairs in _repairs(evidence).items():
        for number, ((at, _), (again, _)) in enumerate(pairwise(repairs)):
            counted = [when for when, counts in repairs[: number + 1] if counts and at - when < HOUR]
            is_counted = repairs[number][1]
            if is_counted and len(counted) >= policy.times and again - at < policy.backoff * 60:
                yield f"{root}: {', '.join(paths)} repaired at {at:.0f} s, time {len(counted)}, and at {again:.0f} s"


def _repairs(evidence: Evidence) -> Mapping[tuple[str, tuple[str, ...]], list[tuple[float, bool]]]:
    """When each difference was repaired, and whether the breaker can know. A difference is the paths of one item."""
    calls = {call.correlation: call for _, call in evidence.writes}
    unheard = {call.work for _, call in evidence.of(Call) if call.verb == "poll" and call.struck}
    found: dict[tuple[str, tuple[str, ...]], list[tuple[float, bool]]] = defaultdict(list)
    for _, change in evidence.own_changes:
        if evidence.is_rollback(change.work) or evidence.is_retest(change.work):
            continue
        items: dict[tuple[str, str], list[str]] = defaultdict(list)
        for root, path in change.values:
            kind, _, rest = path.partition("/")
            items[root, kind if kind == "integration" else f"{kind}/{rest.partition('/')[0]}"].append(path)
        call = calls.get(change.correlation)
        if call is not None:
            heard = 200 <= call.status < 300 and not call.struck and call.work not in unheard
            counts = heard and evidence.ended_well(change.work)
            for (root, _), paths in items.items():
                if all(_was_read(evidence, call, (root, path), change.values[root, path][0]) for path in paths):
                    found[root, tuple(sorted(paths))].append((call.sent_at, counts))
    return found


def _was_read(evidence: Evidence, call: Call, path: Path, undone: object) -> bool:
    """Whether the writer of a setting had read what it undid. All settings are written at once, so it may not have.

    What was undone unseen was not repaired, but carried over.
    """
    if not path[1].startswith("settings/"):
        return True
    read = evidence.last_read(call, "/config/appsettings/list")
    return read is not None and evidence.state_at(read).get(path) == undone


def a_fight_is_told_with_the_other_writer(evidence: Evidence) -> Iterator[str]:
    """A flapping drift was repaired before. Once the event of the last change has come, the hold names a writer.

    If two wrote, it may name either, since deleting what is already gone raises the same event as the deletion itself.
    It may also name the person who asked for a rollback or a re-test.
    """
    asked = {WHO_ASKS for _ in (*evidence.entries(schedule.Rollback), *evidence.entries(schedule.Retest))}
    for alert in evidence.alerts:
        for held in alert.data.get("held", ()) if "Held" in alert.type else ():
            if held["code"] != "flapping":
                continue
            written = [
                call for place, call in evidence.writes if place < alert.place and root_at(call.path) == alert.root
            ]
            if len(written) < evidence.policy.times:
                yield f"{alert.root} is said to flap after {len(written)} writes"
            told = evidence.told_writers(alert.root, alert.data["kind"], evidence.place_of(alert.work))
            by = str(held["numbers"]["by"])
            if told and by not in {*asked, *(name for who in told for name in _names(who))}:
                yield f"the flapping {alert.data['kind']} of {alert.root} names {by}, and told of were {sorted(told)}"


def _names(who: str) -> tuple[str, ...]:
    """The names that events and Resource Graph use for a person."""
    principal = PEOPLE[who]
    return principal.upn or principal.app_id, principal.name


def no_write_under_a_pause_tag(evidence: Evidence) -> Iterator[str]:
    """A root is not written to while a pause tag holds that its decision had read, on it or on what it looks at."""
    if "stale" in evidence.dawn.struck:
        return  # what was read was not what was there
    for _, call in evidence.writes:
        root = root_at(call.path)
        if root not in (NSG, *ZONES):
            continue
        path = ROOTS[root].lower() if root == NSG else f"{ROOTS[root]}/virtualNetworkLinks".lower()
        if root != NSG and evidence.is_rollback(call.work):
            path = call.path.lower()  # it looks at what it restores, and at nothing else that could be tagged
        if call.if_none_match or evidence.is_blind_creation(call):
            continue  # nothing was there that could have been tagged
        read = evidence.last_read(call, path)
        if read is None:
            yield f"{call.work}: {call.method} {call.path} without a look at its tags"
            continue
        clock = evidence.clock_of(call)
        for text in _tags(evidence.state_at(read), root):
            if text == "soon" or datetime.fromisoformat(text) > clock:
                yield f"{call.work}: {call.method} {call.path} though a tag pauses it: {text}"


def _tags(state: State, root: str) -> Iterator[str]:
    for (whose, path), tags in state.items():
        if whose == root and path.endswith("tags"):
            yield from (text for name, text in tags if name == PAUSE_TAG)


def no_write_in_a_shut_window(evidence: Evidence) -> Iterator[str]:
    """Nothing is written if the decision was made while the policy's deny window was open, by its own clock."""
    shut = evidence.policy.shut
    if shut is None:
        return
    first, last = (DUSK + timedelta(minutes=minutes) for minutes in shut)
    for _, call in evidence.writes:
        look = evidence.last_look_at_pauses(call.work, call.sent)
        if look and first <= datetime.fromisoformat(look[1].clock) and evidence.clock_of(call) < last:
            yield f"{call.work}: {call.method} {call.path} at {evidence.clock_of(call)}, in the window {shut}"


def no_write_while_a_deployment_runs(evidence: Evidence) -> Iterator[str]:
    """Each write's decision had read the running deployments, and there were none.

    By a clock that is an hour ahead a deployment seems to run for longer than it holds.
    """
    if evidence.clocks_apart > HOUR:
        return
    running = [(each.at, each.at + each.seconds, each.name) for each in evidence.entries(schedule.Deploy)]
    for _, call in evidence.writes:
        read = evidence.last_read(call, "/providers/microsoft.resources/deployments")
        if read is None:
            yield f"{call.work}: {call.method} {call.path} without a look at the deployments"
            continue
        at = evidence.trace.seen[read].at
        for begin, end, name in running:
            if begin < at < end:
                yield f"{call.work}: {call.method} {call.path} at {call.at:.0f} s, and {name} ran"


def every_write_has_its_snapshot(evidence: Evidence) -> Iterator[str]:
    """Before a write is sent, the same work has stored the state before it, under a name that its intent announced."""
    stored = [(place, each) for place, each in evidence.of(Stored) if each.partition == "homeostat-snapshots"]
    for _, call in evidence.writes:
        names = evidence.snapshots_of(call)
        kept = [
            text
            for place, each in stored
            if each.work == call.work and place < call.sent
            for name, text in each.rows
            if name in names and text and f'"{call.path}"'.lower() in text.lower()
        ]
        if not kept:
            yield f"{call.work}: {call.method} {call.path} at {call.at:.1f} s without a snapshot"


def healing_does_not_trigger_itself(evidence: Evidence) -> Iterator[str]:
    """An event of Homeostat's own write marks nothing. Other events may be stored together with it."""
    ours = {call.correlation for _, call in evidence.writes}
    told = [began.what.split() for _, began in evidence.of(Began) if began.what.startswith("event ")]
    own = {event for _, event, *_, correlation in told if correlation in ours}
    for _, each in evidence.of(Stored):
        for event in own:
            if any(text and event in text for _, text in each.rows):
                yield f"{each.work}: event {event} led to a mark at {each.at:.1f} s"
