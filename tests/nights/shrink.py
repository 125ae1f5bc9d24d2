"""Reduces a night that breaks a promise, for as long as it still breaks it."""

from collections.abc import Callable
from typing import Final

from tests.nights.instance import Make, as_it_is
from tests.nights.night import play
from tests.nights.promises import breaches
from tests.nights.schedule import Schedule

MAX_NIGHTS: Final = 300
"""How many nights one search may run: half a minute."""


def broken_by(night: Schedule, make: Make = as_it_is) -> frozenset[str]:
    """The names of the promises that the night breaks."""
    return frozenset(breach.promise for breach in breaches(play(night, make)))


def smallest(night: Schedule, make: Make = as_it_is) -> Schedule:
    """The night with the fewest entries that still break one of its promises: none of them can be left out.

    This is delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input"): it leaves out
    ever smaller parts, and what is not needed stays out.
    """
    wanted = broken_by(night, make)
    tries = 0

    def still_breaks(numbers: tuple[int, ...]) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MAX_NIGHTS and bool(wanted & broken_by(night.only(numbers), make))

    return night.only(_minimised(night.numbers, still_breaks)) if wanted else night


def _minimised(numbers: tuple[int, ...], still_breaks: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    if not numbers or still_breaks(()):
        return ()
    parts = 2
    while len(numbers) > 1:
        size = -(-len(numbers) // parts)
        chunks = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        smaller = next((rest for chunk in chunks if still_breaks(rest := _without(numbers, chunk))), None)
        if smaller is not None:
            numbers, parts = smaller, max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(parts * 2, len(numbers))
    return numbers


def _without(numbers: tuple[int, ...], left_out: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number not in left_out)
