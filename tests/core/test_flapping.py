"""What comes back after every repair trips the breaker: it waits ever longer, stops, and forgets after a calm time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import record
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP
from homeostat.core.flapping import MAX_FLAPS, Flap, Flaps, healed, looked, name_of, named
from homeostat.core.gate.flapping import FLAPPING, not_flapping
from homeostat.core.gate.situation import History, Situation
from homeostat.core.ids import ResourceId
from homeostat.core.limits import Flapping
from homeostat.core.model import Drift, Edit, Mode
from homeostat.core.record import RootRecord

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = Flapping()
NSG = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, "nsg")
DRIFT = Drift("nsg_rules", NSG, ("properties", "access"), "allow-sql", "Allow", "Deny")
OTHER = Drift("nsg_rules", NSG, ("properties", "access"), "allow-redis", "Allow", "Deny")


def held(flaps: Flaps, now: datetime, **writers: str) -> dict[str, object] | None:
    situation = Situation(NOW, Mode.ENFORCE, {}, (), history=History(flaps=flaps, writers=writers))
    hold = not_flapping(Edit(DRIFT, (), "Allow"), record_at(situation, now))
    return None if hold is None else {"code": hold.code, "retry_at": hold.retry_at, **hold.numbers}


def record_at(situation: Situation, now: datetime) -> Situation:
    return Situation(now, situation.cap, {}, (), history=situation.history)


def fight(flaps: Flaps, start: datetime, times: int) -> tuple[Flaps, datetime]:
    """The drift comes back as soon as it is repaired, and is repaired as soon as the breaker lets it."""
    now = start
    for _ in range(times):
        flaps = looked(flaps, [DRIFT], (), LIMITS, now)
        retry = held(flaps, now)
        if retry is not None:
            retry_at = retry["retry_at"]
            assert isinstance(retry_at, datetime)
            now = retry_at
        flaps = healed(flaps, [DRIFT], LIMITS, now)
        now += MINUTE
    return flaps, now


def test_three_repairs_within_an_hour_trip_it_and_two_do_not() -> None:
    twice, now = fight({}, NOW, 2)
    assert held(twice, now) is None
    thrice = healed(twice, [DRIFT], LIMITS, now)
    assert held(thrice, now, nsg_rules="Anna") == {
        "code": FLAPPING,
        "retry_at": now + 15 * MINUTE,
        "healed": 3,
        "within": "1h",
        "trips": 1,
        "by": "Anna",
    }
    assert held(thrice, now + 15 * MINUTE) is None


def test_repairs_that_are_far_apart_do_not_count_together() -> None:
    flaps: Flaps = {}
    for number in range(10):
        flaps = healed(flaps, [DRIFT], LIMITS, NOW + number * 31 * MINUTE)
    assert held(flaps, NOW + 10 * 31 * MINUTE) is None


def test_each_further_time_it_waits_twice_as_long_and_at_last_for_a_person() -> None:
    flaps, now = fight({}, NOW, 3)
    waits = []
    while (hold := held(flaps, now)) is not None and isinstance(hold["retry_at"], datetime):
        waits.append(hold["retry_at"] - now + MINUTE)
        flaps, now = fight(flaps, now, 1)
    assert waits == [15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR]
    assert held(flaps, now + 365 * DAY) == {
        "code": FLAPPING,
        "retry_at": None,
        "healed": 7,
        "within": "1h",
        "trips": 5,
        "by": "unknown",
    }


def test_another_drift_of_the_same_root_goes_on() -> None:
    flaps, now = fight({}, NOW, 3)
    assert name_of(OTHER) not in flaps
    flaps = healed(flaps, [OTHER], LIMITS, now)
    assert flaps[name_of(OTHER)].trips == 0


def test_it_forgets_only_after_the_drift_has_stayed_away_for_the_stable_time() -> None:
    flaps, now = fight({}, NOW, 3)
    gone = looked(flaps, [], (), LIMITS, now)
    early, late = now + DAY - MINUTE, now + DAY
    assert looked(gone, [], (), LIMITS, early).keys() == flaps.keys()
    assert looked(gone, [], (), LIMITS, late) == {}
    back = looked(gone, [DRIFT], (), LIMITS, early)
    assert looked(back, [], (), LIMITS, late)[name_of(DRIFT)].gone_since == late


def test_a_drift_that_comes_back_after_the_stable_time_is_a_new_one() -> None:
    flaps, now = fight({}, NOW, 7)
    assert held(flaps, now) is not None
    gone = looked(flaps, [], (), LIMITS, now)
    back = looked(gone, [DRIFT], (), LIMITS, now + DAY)
    assert held(back, now + DAY) is None
    again = healed(back, [DRIFT], LIMITS, now + DAY)
    assert again[name_of(DRIFT)] == Flap("nsg_rules", "allow-sql", (now + DAY,), 1)


def test_a_sweep_a_night_that_finds_it_each_time_never_calls_it_stable() -> None:
    flaps, now = fight({}, NOW, 7)
    for night in range(1, 10):
        flaps = looked(flaps, [DRIFT], (), LIMITS, now + night * DAY)
        assert held(flaps, now + night * DAY) is not None


def test_what_could_not_be_judged_was_not_seen_to_be_gone() -> None:
    flaps, now = fight({}, NOW, 3)
    assert looked(flaps, [], {"nsg_rules"}, LIMITS, now)[name_of(DRIFT)].gone_since is None


def test_what_never_tripped_is_forgotten_with_its_window_and_the_memory_is_bounded() -> None:
    once = healed({}, [DRIFT], LIMITS, NOW)
    assert looked(once, [], (), LIMITS, NOW + HOUR) == {}
    many = [Drift("nsg_rules", NSG, (str(number),), "", "a", "b") for number in range(MAX_FLAPS + 50)]
    tripped, now = fight({}, NOW, 3)
    full = healed(tripped, many, LIMITS, now)
    assert len(full) == MAX_FLAPS
    assert name_of(DRIFT) in full


@given(pauses=st.lists(st.integers(0, 2000), min_size=1, max_size=30))
def test_however_the_fight_is_paced_it_is_never_repaired_within_a_backoff_and_trips_never_fall(
    pauses: list[int],
) -> None:
    flaps: Flaps = {}
    now, trips = NOW, 0
    until: datetime | None = None
    for pause in pauses:
        now += timedelta(minutes=pause)
        flaps = looked(flaps, [DRIFT], (), LIMITS, now)
        if held(flaps, now) is None:
            assert until is None or now >= until
            flaps = healed(flaps, [DRIFT], LIMITS, now)
            flap = flaps[name_of(DRIFT)]
            assert flap.trips >= trips
            trips, until = flap.trips, flap.until
    assert trips <= LIMITS.stop_after


def test_the_memory_survives_its_document() -> None:
    flaps, _ = fight({}, NOW, 4)
    whole = RootRecord(flaps=flaps, reserved={"/rules/one": (1, 2)}, judgement=record.Judgement("v", "healed", ("a",)))
    assert record.from_json(record.to_json(whole)) == whole


def test_who_was_once_known_to_bring_it_about_is_named_when_nobody_is_known_the_next_time() -> None:
    flaps, now = fight({}, NOW, 2)
    thrice = healed(named(flaps, {"nsg_rules": "terraform"}), [DRIFT], LIMITS, now)
    assert (held(thrice, now) or {})["by"] == "terraform"
    assert (held(named(thrice, {"dns_links": "Ben"}), now) or {})["by"] == "terraform"
    assert (held(thrice, now, nsg_rules="Anna") or {})["by"] == "Anna"
