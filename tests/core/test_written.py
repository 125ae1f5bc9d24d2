"""What was begun is not forgotten, and what a write of ours may have undone is known."""

from datetime import UTC, datetime, timedelta

import pytest

from homeostat.core import written
from homeostat.core.attribution import ForeignWrite
from homeostat.core.record import BlindWrite, Intent, RootRecord, Settle
from tests.support.writes import foreign

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


def test_our_writes_are_known_by_their_ids_for_as_long_as_their_events_may_come() -> None:
    record = written.about_to_write(RootRecord(), ["a", "b"], now=NOW)
    later = NOW + written.OWN_WRITES_KEPT - seconds(1)
    record = written.about_to_write(record, ["b", "c"], now=later)
    assert [(write.correlation_id, write.at) for write in record.own_writes] == [("a", NOW), ("b", NOW), ("c", later)]
    assert [written.is_own(record, each) for each in ("a", "c", "theirs")] == [True, True, False]
    record = written.about_to_write(record, ["d"], now=NOW + written.OWN_WRITES_KEPT)
    assert [write.correlation_id for write in record.own_writes] == ["c", "d"]


def test_a_foreign_write_is_examined_once_a_look_could_judge_it_and_a_nameless_one_never() -> None:
    named, nameless = foreign("r", "op", "Eve", NOW, "theirs"), foreign("r", "op", "Eve", NOW, "")
    judged = written.examining(RootRecord(foreign_writes=(named, nameless)), judged=True)
    assert (judged.unexplained, judged.foreign_writes) == ((), ())
    assert written.is_examined(judged, named)
    assert not written.is_examined(judged, nameless)
    assert not written.is_examined(judged, foreign("other", "op", "Eve", NOW, "theirs"))
    unclear = written.examining(RootRecord(foreign_writes=(named,)), judged=False)
    assert unclear.unexplained == (named,)
    assert not written.is_examined(unclear, named)


def test_an_intent_keeps_what_was_begun_before_it_and_not_ended() -> None:
    first = Intent("1", NOW, ("PUT a",), ("app_settings",), {"a": NOW}, ("s1",))
    later = Intent("2", NOW + seconds(60), ("PUT b", "PUT a"), ("nsg_rules",), {"a": NOW + seconds(60)}, ("s2", "s3"))
    both = written.intending(written.intending(RootRecord(), first), later).intent
    assert both == Intent("2", NOW, ("PUT a", "PUT b"), ("app_settings", "nsg_rules"), {"a": NOW}, ("s1", "s2", "s3"))
    end = NOW + seconds(600)
    assert written.left_blind(both, until=end) == (BlindWrite("a", NOW, end, ""),)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (foreign("r", "op", "someone", NOW + seconds(1), "theirs"), True),
        (foreign("r", "op", "someone", NOW, "theirs"), True),
        (foreign("r", "op", "someone", NOW + seconds(2), "theirs"), True),
        (foreign("r", "op", "someone", NOW - seconds(1), "theirs"), False),
        (foreign("r", "op", "someone", NOW + seconds(3), "theirs"), False),
        (foreign("other", "op", "someone", NOW + seconds(1), "theirs"), False),
    ],
)
def test_only_a_foreign_write_within_the_window_of_ours_may_be_overwritten(
    write: ForeignWrite, *, expected: bool
) -> None:
    blind = BlindWrite("r", NOW, NOW + seconds(2), "ours")
    found = written.possible_overwrites(RootRecord(foreign_writes=(write,), blind_writes=(blind,)))
    assert bool(found) is expected


@pytest.mark.parametrize(
    ("resource", "inside", "expected"),
    [
        ("microsoft.network/networksecuritygroups/nsg", "securityrules/theirs", True),
        ("microsoft.network/routetables/rt", "routes/theirs", True),
        ("microsoft.web/sites/app", "config/appsettings", False),
        ("microsoft.web/sites/app", "hostnamebindings/theirs", False),
    ],
)
def test_what_is_below_a_resource_may_be_overwritten_with_it_only_where_it_is_in_its_body(
    resource: str, inside: str, *, expected: bool
) -> None:
    id_ = f"/subscriptions/s/resourcegroups/rg/providers/{resource}"
    write, blind = foreign(f"{id_}/{inside}", "op", "someone", NOW, "theirs"), BlindWrite(id_, NOW, NOW, "ours")
    found = written.possible_overwrites(RootRecord(foreign_writes=(write,), blind_writes=(blind,)))
    assert bool(found) is expected


@pytest.mark.parametrize(
    ("named", "operation", "undone"),
    [
        ("app", "microsoft.web/sites/slotsswap/action", {"app/config", "app/slots/stage/config"}),
        ("app/slots/stage", "microsoft.web/sites/slots/slotsswap/action", {"app/config", "app/slots/stage/config"}),
        ("app/slots/stage", "microsoft.web/sites/slots/recover/action", {"app/slots/stage/config"}),
    ],
)
def test_a_swap_writes_both_sides_and_a_restore_the_one_that_it_names(
    named: str, operation: str, undone: set[str]
) -> None:
    action = foreign(named, operation, "someone", NOW + seconds(1), "theirs")
    ours = ("app/config", "app/slots/stage/config", "application/config")
    blind = {each: BlindWrite(each, NOW, NOW + seconds(2), "ours") for each in ours}
    records = {each: RootRecord(foreign_writes=(action,), blind_writes=(blind[each],)) for each in ours}
    assert {each for each, record in records.items() if written.possible_overwrites(record)} == undone
