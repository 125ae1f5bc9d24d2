"""What changed under an instance's eyes is as old as its own clock says; else the clock on the wall counts."""

from datetime import timedelta

import pytest

from homeostat.fleet.ages import Ages
from tests.azure.scripted import VirtualAmbient

pytestmark = pytest.mark.unit

SPAN = timedelta(minutes=15)
HOUR = timedelta(hours=1)
STEP = timedelta(minutes=1)


def test_what_was_never_seen_is_not_young() -> None:
    assert not Ages(VirtualAmbient()).is_younger("it", SPAN)


@pytest.mark.parametrize(
    ("age", "young"), [(timedelta(), True), (SPAN - STEP, True), (SPAN, False), (STEP - SPAN, True), (-SPAN, False)]
)
def test_what_is_seen_for_the_first_time_is_as_old_as_the_clock_on_the_wall_says(
    age: timedelta, *, young: bool
) -> None:
    ambient = VirtualAmbient()
    ages = Ages(ambient)
    ages.see("it", ambient.now() - age)
    assert ages.is_younger("it", SPAN) is young


def test_and_old_once_it_was_seen_for_long_though_that_clock_is_set_back() -> None:
    ambient = VirtualAmbient()
    ages = Ages(ambient)
    ages.see("it", ambient.now())
    ambient.time += SPAN
    ambient.offset = -SPAN
    ages.see("it", ambient.now())
    assert not ages.is_younger("it", SPAN)


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_what_changed_a_moment_ago_is_young_though_clocks_differ_by_hours(wrong: timedelta) -> None:
    ambient = VirtualAmbient()
    ages = Ages(ambient)
    ages.see("it", ambient.now() + wrong)
    ambient.time += STEP
    ages.see("it", ambient.now() + wrong)
    assert ages.is_younger("it", SPAN)
    ambient.time += SPAN - STEP
    ages.see("it", ambient.now() + wrong - SPAN)
    assert ages.is_younger("it", SPAN)


def test_what_changed_while_nobody_looked_for_long_may_be_old() -> None:
    ambient = VirtualAmbient()
    ages = Ages(ambient)
    ages.see("it", ambient.now())
    changed = ambient.now() + STEP
    ambient.time += HOUR
    ages.see("it", changed)
    assert not ages.is_younger("it", SPAN)
    ages.see("it", ambient.now() - STEP)
    assert ages.is_younger("it", SPAN)
