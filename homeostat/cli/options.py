"""Parsers for the values of options; what they refuse is answered with what to write instead."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from homeostat.core.durations import NoDuration, duration


def path(text: str) -> Path:
    """Refuses an empty path, as from an unset variable: it would mean the current folder."""
    if not text:
        raise ArgumentTypeError("name a file or a folder; what is given is empty")
    return Path(text)


def length_of_time(text: str) -> timedelta:
    try:
        return duration(text)
    except NoDuration as error:
        raise ArgumentTypeError(str(error)) from error


def number_to(most: int) -> Callable[[str], int]:
    """For whole numbers from 1."""

    def number(text: str) -> int:
        if text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
            return int(text)
        raise ArgumentTypeError(f"give a number from 1 to {most}")

    return number
