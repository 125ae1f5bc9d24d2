"""How a policy document writes shares and lengths of time: `25%` and `15m`."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

SHARE: Final = r"^(100|[0-9]{1,2}(\.[0-9]{1,2})?)%$"
DURATION: Final = r"^[1-9][0-9]{0,3}[mhd]$"

_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


def _share(value: Any) -> Any:
    if not isinstance(value, str):
        return value  # a default is a number already
    if re.fullmatch(SHARE, value) is None:
        raise PydanticCustomError("share", "must be a share from 0% to 100%, such as 25%")
    return float(value.removesuffix("%")) / 100


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if re.fullmatch(DURATION, value) is None:
        raise PydanticCustomError("duration", "must be a length of time in minutes, hours or days: 15m, 2h, 1d")
    return int(value[:-1]) * _UNITS[value[-1]]


def share_text(share: float) -> str:
    return f"{share * 100:g}%"


def duration_text(length: timedelta) -> str:
    """In the largest unit that gives a whole number; less than a minute is rounded up to one."""
    unit = next((unit for unit, size in _UNITS.items() if length and not length % size), "m")
    return f"{-(-length // _UNITS[unit])}{unit}"


Share = Annotated[
    float,
    BeforeValidator(_share),
    PlainSerializer(share_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": SHARE, "examples": ["25%"]}),
]
"""Between 0 and 1, written in per cent."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DURATION, "examples": ["15m"]}),
]
"""Minutes, hours or days."""


def _stage(value: Any) -> Any:
    if isinstance(value, str) and value.isdecimal() and 1 <= int(value) <= 100_000:
        return int(value)
    if isinstance(value, str) and not value.isdecimal():
        return _share(value)
    if isinstance(value, str):
        raise PydanticCustomError("stage", "must be a number of targets from 1 on, or a share of them such as 1%")
    return value


Stage = Annotated[
    int | float,
    BeforeValidator(_stage),
    PlainSerializer(
        lambda stage: share_text(stage) if isinstance(stage, float) else stage, return_type=int | str, when_used="json"
    ),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": SHARE}]}),
]
"""How many targets: a whole number of them, or (a float) a share of those that changed."""
