"""Checks one document against its schema: finds every problem in it, and keeps as much as can still be checked.

What the schema refuses is removed and the rest validated again, so that a wrong line does not hide what the
remediators have to say about the others.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from homeostat.core import json
from homeostat.core.json import ABSENT, Json
from homeostat.core.known_keys import near
from homeostat.core.model import Problem, Section
from homeostat.core.source import Keys

ROUNDS: Final = 24
"""How often something is removed before the document is given up: each round climbs at least one level."""

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "extra_forbidden": ("is not a known key", "Check its spelling and indentation."),
    "missing": ("is missing", "Add it."),
    "model_type": ("must be a mapping", "Indent `key: value` lines below it, or remove it."),
    "dict_type": ("must be a mapping", "Indent `key: value` lines below it, or remove it."),
    "string_type": ("must be one text", "Write a single value behind the colon."),
    "int_type": ("must be a whole number", "Write digits only."),
    "int_parsing": ("must be a whole number", "Write digits only."),
    "bool_type": ("must be true or false", "Write one of the two."),
    "bool_parsing": ("must be true or false", "Write one of the two."),
    "empty_key": ("must not be empty", "Write what belongs to it, or remove the key."),
    "duration_form": ("must be a length of time", "Write 45s, 30m, 4h or 2d."),
    "cron_form": (
        "must be a cron expression of five fields that happens at all",
        "For example `0 22 * * 1-5`: minute, hour, day of the month, month, day of the week.",
    ),
    "zone_form": ("must be a time zone of the IANA database", "For example `Europe/Berlin`, or `UTC`."),
    "window_length": ("must be from one minute to 31 days", "For example `6h`."),
    "tuple_type": ("must be a value or a list of values", "Write `[a, b]` for several."),
}
"""By pydantic's error type. No message repeats what was written, which may be a secret."""


@dataclass(frozen=True, slots=True)
class Checked[D: Section]:
    """document: what is left of it; None if nothing is.

    stood_in: the required top-level keys that were missing or wrong, and got a stand-in.
    """

    document: D | None
    problems: tuple[Problem, ...] = ()
    stood_in: frozenset[str] = frozenset()


def check[D: Section](
    data: Json,
    model: type[D],
    stand_ins: Mapping[str, Json] = MappingProxyType({}),
    *,
    in_part: bool = False,
    beside: Collection[str] = (),
) -> Checked[D]:
    """Validates a document. stand_ins: valid values of the required keys.

    in_part: whether it may be incomplete, to be completed by another, with variables that are not known yet.
    beside: other keys that it may have at its top, which are checked elsewhere: one that is mistyped may mean them.
    """
    stood_in = frozenset[str]()
    problems: tuple[Problem, ...] = ()
    for _ in range(ROUNDS):
        try:
            return Checked(model.model_validate(data), problems, stood_in)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False, include_context=False)
        told = (detail for detail in details if not (in_part and _is_open(detail, data)))
        problems = problems or tuple(_problem(detail, model, beside) for detail in told)
        if not isinstance(data, Mapping):
            break
        data = _without(data, details)
        stood_in |= stand_ins.keys() - _keys(data)
        data = {**stand_ins, **data} if isinstance(data, Mapping) else data
    return Checked(None, problems, stood_in)


def _is_open(detail: Mapping[str, Any], data: Json) -> bool:
    """Whether what is refused may yet be completed, by inheritance or by a variable."""
    refused = json.at(data, _path(data, detail["loc"]))
    return detail["type"] == "missing" or refused is None or (refused is not ABSENT and "${" in json.render(refused))


def _problem(detail: Mapping[str, Any], model: type[Section], beside: Collection[str]) -> Problem:
    keys: Keys = detail["loc"]
    name = ".".join(str(key) for key in keys) or "the document"
    ours = _WORDS.get(detail["type"])
    message = ours[0] if ours else str(detail["msg"])
    message = message.replace("Input should be", "must be").replace("String should match", "must match")
    message = message.removeprefix("Value error, ")
    remedy = ours[1] if ours else "See `python -m homeostat schema` for what is allowed."
    if len(keys) == 1 and (examples := _examples(model.model_fields.get(str(keys[0])))):
        remedy = f"For example: `{keys[0]}: {examples}`."
    if detail["type"] == "extra_forbidden" and (meant := near(model, keys, beside)):
        remedy = f"Did you mean `{meant}`?"
    return Problem(keys, f"{name}: {message}", remedy)


def _examples(field: FieldInfo | None) -> str:
    return str(field.examples[0]) if field and field.examples else ""


def _without(data: Json, details: Iterable[Mapping[str, Any]]) -> Json:
    """The data without what was refused."""
    for detail in details:
        keys: Keys = detail["loc"]
        if path := _path(data, keys[:-1] if _takes_its_owner(detail["type"], keys) else keys):
            data = json.with_value(data, path, ABSENT)
    return data


def _takes_its_owner(error_type: str, keys: Keys) -> bool:
    """Whether what holds a refused key is refused with it: half a setting, rule or link would be judged wrongly."""
    in_an_item = len(keys) >= 4 and error_type not in {"model_type", "dict_type"}
    return error_type == "missing" or in_an_item


def _path(data: Json, keys: Keys) -> json.Path:
    """As many of the keys as lead from mapping to mapping: an error inside a list removes the whole list."""
    path: json.Path = ()
    for key in keys:
        if not isinstance(key, str) or json.at(data, (*path, key)) is ABSENT:
            break
        path = (*path, key)
    return path


def _keys(data: Json) -> frozenset[str]:
    return frozenset(data) if isinstance(data, Mapping) else frozenset()
