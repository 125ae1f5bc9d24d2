"""Lengths of time as people write them, `45s`, `30m`, `4h`, `2d`: the same in specs and on the command line."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from homeostat.core.errors import HomeostatError

UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
PATTERN: Final = r"^[0-9]{1,4}[smhd]$"
NOT_A_DURATION: Final = "duration_form"
"""Pydantic's error type, by which `homeostat.core.validation` finds the message."""


class NoDuration(HomeostatError):
    """The text is no length of time."""


def duration(text: str) -> timedelta:
    """Raises NoDuration, which says how to write one."""
    if re.fullmatch(PATTERN, text) is None:
        raise NoDuration(f"{text!r} is no length of time. Write 45s, 30m, 4h or 2d")
    return int(text[:-1]) * UNITS[text[-1]]


def in_words(length: timedelta) -> str:
    """The shortest spelling that is exact to the second: 90 minutes are `90m`."""
    for letter, unit in UNITS.items():
        if length % unit == timedelta():
            return f"{length // unit}{letter}"
    return f"{length // UNITS['s']}s"


def _validated(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return duration(value)
    except NoDuration as error:
        raise PydanticCustomError(NOT_A_DURATION, "must be a length of time") from error


type Duration = Annotated[
    timedelta,
    BeforeValidator(_validated),
    PlainSerializer(in_words, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
"""A spec's field that holds a length of time."""
