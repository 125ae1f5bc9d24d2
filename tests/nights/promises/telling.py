"""What is told is true, told once, and holds no secret."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tests.nights.declared import items
from tests.nights.dice import planted
from tests.nights.evidence import Alert, Evidence
from tests.nights.trace import Call, Ended, Happened, Logged, Published, Queued, Stored


def healed_is_said_only_of_what_was_right(evidence: Evidence) -> Iterator[str]:
    """`Remediated by homeostat` is said only if ARM had the declared state at some moment since the drift was told."""
    opened = _first_places(evidence)
    for alert in _once(evidence.alerts):
        if "Remediated" not in alert.type or alert.data.get("by") != "homeostat" or alert.episode not in opened:
            continue
        kind, specs = alert.data["kind"], evidence.specs_of(alert.work, alert.place)
        wanted = [
            [it for it in items(spec) if it.root == alert.root and it.kind == kind and it.mode == "enforce"]
            for spec in specs
        ]
        states = list(evidence.states_between(opened[alert.episode], alert.place))
        if not any(all(item.holds(state) for item in each) for each in wanted for state in states):
            yield f"{alert.work} told that {kind} of {alert.root} is repaired, and it never was"


def a_difference_is_told_only_where_there_was_one(evidence: Evidence) -> Iterator[str]:
    """DriftDetected is told only if ARM differed from the declaration while the work looked."""
    if "stale" in evidence.dawn.struck:
        return  # what was read was not what was there
    for alert in _once(evidence.alerts):
        kind = alert.data.get("kind")
        states = list(evidence.states_between(evidence.place_of(alert.work), alert.place))
        mine = [
            item
            for spec in evidence.specs_of(alert.work, alert.place)
            for item in items(spec)
            if (item.root, item.kind) == (alert.root, kind)
        ]
        if "DriftDetected" not in alert.type or not mine:
            continue
        if all(evidence.is_looked_at(alert.root, str(kind), state) for state in states) and all(
            item.holds(state) for item in mine for state in states
        ):
            yield f"{alert.work} told of {kind} of {alert.root}, and nothing differed: {alert.data['drifts']}"


def _first_places(evidence: Evidence) -> Mapping[str, int]:
    """The place at which each episode was first told."""
    found: dict[str, int] = {}
    for alert in evidence.alerts:
        found.setdefault(alert.episode, alert.place)
    return found


def _once(alerts: Sequence[Alert]) -> Iterator[Alert]:
    known = set()
    for alert in alerts:
        if alert.id not in known:
            known.add(alert.id)
            yield alert


def one_id_per_transition(evidence: Evidence) -> Iterator[str]:
    """An alert's id means one thing, and a transition of an episode is told under one id, once."""
    known: dict[str, Alert] = {}
    for alert in evidence.alerts:
        first = known.setdefault(alert.id, alert)
        if (first.type, first.data) != (alert.type, alert.data) or (alert.episode and first.text != alert.text):
            yield f"two alerts have the id {alert.id}: {first.text} and {alert.text}"
    episodes: dict[str, list[Alert]] = defaultdict(list)
    for alert in _once(evidence.alerts):
        if alert.episode:
            episodes[alert.episode].append(alert)
    for told in episodes.values():
        yield from _twice_told(told)


def _twice_told(told: Sequence[Alert]) -> Iterator[str]:
    for earlier, later in pairwise(told):
        where = f"{later.data['kind']} of {later.root}"
        if "Remediated" in earlier.type:
            yield f"{where}: after its end an episode goes on with {later.type}"
        elif earlier.type == later.type and _content(earlier) == _content(later):
            yield f"{where}: {later.type} was told twice, as {earlier.id} and {later.id}"


def _content(alert: Alert) -> object:
    """The content by which alerts are compared. A request for approval that expired and was made again is news."""
    held = {(each["code"], each["numbers"].get("expires", "")) for each in alert.data.get("held", ())}
    return alert.data.get("drifts") or sorted(held)


def the_ledger_says_written_only_of_what_was(evidence: Evidence) -> Iterator[str]:
    """ARM had accepted what the ledger calls written. A refused or failed write is never acknowledged."""
    accepted = {call.correlation for _, call in evidence.writes} | {
        call.correlation for _, call in evidence.of(Call) if call.method == "DELETE" and call.status == 404
    }
    for _, stored in evidence.of(Stored):
        for row, text in stored.rows:
            written = json.loads(text).get("written", ()) if row.startswith("ledger:") and text else ()
            for line in written:
                if line["correlationId"] not in accepted:
                    yield f"{stored.work} says that it wrote {line['resource']}, and ARM never did"


def every_end_is_told(evidence: Evidence) -> Iterator[str]:
    """If a difference was told and is gone in the morning, its end was told as well.

    For what nobody declares any more, no end can be told.
    """
    state = evidence.state_at(len(evidence.trace.seen))
    last: dict[tuple[str, str], Alert] = {}
    for alert in _once(evidence.alerts):
        if "kind" in alert.data:
            last[alert.root, alert.data["kind"]] = alert
    for (root, kind), alert in last.items():
        of_kind = [item for item in evidence.items() if (item.root, item.kind) == (root, kind)]
        if "Remediated" in alert.type or not of_kind or not evidence.is_looked_at(root, kind, state):
            continue
        told = [*alert.data.get("drifts", ()), *(each["drift"] for each in alert.data.get("held", ()))]
        if told and not {drift.get("item") for drift in told} & {item.name for item in of_kind}:
            continue
        if all(item.holds(state) for item in of_kind):
            yield f"{kind} of {root} is as declared, and the last that was told is {alert.type}"


def every_alert_is_sent(evidence: Evidence) -> Iterator[str]:
    """Every stored alert is sent by the morning, and no alert is sent that was not stored."""
    published = {each.id for _, each in evidence.of(Published)}
    stored = {alert.id for alert in evidence.alerts}
    for alert in _once(evidence.alerts):
        if alert.id not in published:
            yield f"{alert.type} of {alert.root} was never sent"
    for missing in sorted(published - stored):
        yield f"{missing} was sent without having been stored"


def no_secret_gets_out(evidence: Evidence) -> Iterator[str]:
    """No secret value is in any row, message, alert, log line or error."""
    secret = planted(evidence.dawn.schedule.seed)
    kinds = (Stored, Queued, Published, Logged, Ended, Happened)
    for kind in kinds:
        for _, each in evidence.of(kind):
            if secret in repr(each):
                yield f"it is in {kind.__name__}: {repr(each)[:300]}"


def nothing_fails_by_mistake(evidence: Evidence) -> Iterator[str]:
    """Every failure is an error of Homeostat's own, which names what is wrong."""
    expected = (
        *("StorageUnavailable", "OutcomeUnknown", "AlertError", "TooMuchContention", "Conflict", "LeaseLost"),
        *("RollbackRefused", "RollbackFailed", "RetestRefused", "RetestFailed", "NoRetest"),
    )
    for _, ended in evidence.of(Ended):
        if ended.failure and not ended.failure.startswith(expected):
            yield f"{ended.work}: {ended.failure}"
