"""No write that should not be: each has its permission, its lease, its intent and its precondition."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from homeostat.core.leases import DEFAULT_TERMS
from homeostat.observing import AS_GOOD_AS_NEW
from homeostat.reconcile import MAX_ROUNDS
from tests.nights.evidence import Evidence
from tests.nights.place import ROOTS, SITES, root_at
from tests.nights.promises.quotas import ON_THE_WAY
from tests.nights.trace import Call


def no_network_write_without_a_precondition(evidence: Evidence) -> Iterator[str]:
    """A write over something in network or DNS carries the ETag of what is there, or is refused.

    For creating a group or table Azure has no precondition, so it is looked for again right before.
    """
    for _, call in evidence.writes:
        if "/microsoft.network/" not in call.path.lower() or call.tag is None:
            continue
        if evidence.is_blind_creation(call) and _was_gone(evidence, call):
            continue
        if not call.if_match and call.if_none_match != "*":
            yield f"{call.work}: {call.method} {_short(call)} over {call.tag} without a precondition"


def _was_gone(evidence: Evidence, write: Call) -> bool:
    """Whether its work had looked again, right before, and nothing was there."""
    base = _base_of(evidence, write, write.path)
    return base is not None and base.status == 404


def settings_are_read_again_before_they_are_written(evidence: Evidence) -> Iterator[str]:
    """Before app settings are written, they are read again: beside the storing of the intent, or after it."""
    for _, call in evidence.writes:
        if root_at(call.path) not in SITES or not call.path.endswith("/appsettings"):
            continue
        if _base_of(evidence, call, f"{call.path}/list") is None:
            yield f"{call.work}: {_short(call)} written at {call.at:.1f} s without being read again"


def _base_of(evidence: Evidence, write: Call, path: str) -> Call | None:
    """What a write that no ETag protects is based on: its work's second read since its last write, or a later one.

    The first was the look that found the drift. None if ARM had answered too long before the intent was stored.
    """
    own = [call for _, call in evidence.of(Call) if call.work == write.work and call.sent < write.sent]
    last = max(
        (call.sent for call in own if call.path == write.path and call.executed and call.verb != "read"), default=-1
    )
    reads = [call for call in own if call.path == path and call.verb == "read" and call.sent > last and call.status]
    oldest = evidence.intended_at(write) - AS_GOOD_AS_NEW - ON_THE_WAY  # its answer had to arrive, too
    fresh = reads[1:] and reads[-1].at >= oldest
    return reads[-1] if fresh else None


def no_setting_is_written_amid_a_swap(evidence: Evidence) -> Iterator[str]:
    """No settings of a swapped site are written while a swap runs or is previewed, as far as the work had read."""
    if "stale" in evidence.dawn.struck:
        return  # what was read was not what was there
    for _, call in evidence.writes:
        root = root_at(call.path)
        if root not in SITES or not call.path.endswith("/appsettings"):
            continue
        read = evidence.last_read(call, ROOTS[root].lower())
        into = evidence.state_at(read).get((root, "swap")) if read is not None else "who knows what"
        if into:
            yield f"{call.work}: {_short(call)} written at {call.at:.1f} s, amid a swap into {into}"


def no_write_while_held(evidence: Evidence) -> Iterator[str]:
    """Nothing is written under a pause that its decision could know of, or by a look that skipped pauses."""
    for _, call in evidence.writes:
        root = root_at(call.path)
        look = evidence.last_look_at_pauses(call.work, call.sent)
        if root is None or look is None:
            yield f"{call.work}: {call.method} {_short(call)} without a look at the pauses"
            continue
        place, looked = look
        clock = datetime.fromisoformat(looked.clock)
        owners = {"*", *evidence.in_force.targets(root)}
        own = (
            f"{evidence.beginning(call.work).what.rpartition(' ')[2]}:rollback"
            if evidence.is_rollback(call.work)
            else ""
        )
        active = [
            row
            for row, until in evidence.pauses_at(place).items()
            if row != own and row.partition(":")[0] in owners and until > clock
        ]
        if active:
            yield f"{call.work}: {call.method} {_short(call)} though {', '.join(active)} is paused"


def no_write_beyond_the_mode(evidence: Evidence) -> Iterator[str]:
    """Nothing is written by work that began under HOMEOSTAT_MODE `alert` or `ignore`."""
    for _, call in evidence.writes:
        if (cap := evidence.beginning(call.work).cap) != "enforce":
            yield f"{call.work}: {call.method} {_short(call)} under HOMEOSTAT_MODE {cap}"


def every_write_has_its_intent(evidence: Evidence) -> Iterator[str]:
    """Before a write is sent, a durable intent names it."""
    for _, call in evidence.writes:
        root = root_at(call.path)
        records = evidence.records_by(root, call.work, call.sent) if root else []
        intent = records[-1][1].get("intent") if records else None
        if not intent or f"{call.method} {_short(call)}".lower() not in [each.lower() for each in intent["actions"]]:
            yield f"{call.work}: {call.method} {_short(call)} at {call.at:.1f} s, and its intent was {intent}"


def one_writer_at_a_time(evidence: Evidence) -> Iterator[str]:
    """A write is sent and takes effect under its writer's lease, if clocks differ by no more than is allowed."""
    if evidence.clocks_apart > DEFAULT_TERMS.skew.total_seconds():
        return
    for place, call in evidence.writes:
        root = root_at(call.path)
        assert root is not None, f"nobody else's resources are written: {call.path}"
        own = [record["lease"] for _, record in evidence.records_by(root, call.work, call.sent) if record.get("lease")]
        for when, then in (("sent", call.sent - 1), ("carried out", place)):
            lease = evidence.record_at(root, then).get("lease")
            if not own or lease is None or lease["token"] != own[-1]["token"]:
                where = f"{call.work}: {call.method} {_short(call)} {when} by {call.at:.1f} s"
                yield f"{where} under lease {own[-1:]}, and the stored one was {lease}"


def a_reconcile_writes_a_few_times_at_most(evidence: Evidence) -> Iterator[str]:
    """A reconcile against another writer gives up after its rounds."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for _, call in evidence.writes:
        counts[call.work, call.path] += 1
    for (work, path), count in counts.items():
        if count > MAX_ROUNDS and not _is_run(evidence, work):
            yield f"{work} wrote {path.rpartition('/')[2]} {count} times"


def _is_run(evidence: Evidence, work: str) -> bool:
    """Whether the work is a person's run. A run comes back to a root, each time with its own rounds."""
    return evidence.beginning(work).what.startswith(("run", "creating run", 'message {"run"'))


def _short(call: Call) -> str:
    return call.path.partition("/providers/")[2].partition("/")[2]
