"""The keys that a model knows at a place in its document, to suggest one for a mistyped key. Pure."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from pydantic import BaseModel

from homeostat.core import json
from homeostat.core.json import Json, JsonObject

_REFERENCE: Final = "#/$defs/"


def near(model: type[BaseModel], keys: Sequence[str | int], beside: Collection[str] = ()) -> str:
    """The known key most similar to the last of `keys`, at the place where the others lead; "" if there is none.

    beside: keys at the top that the model does not know.
    """
    *way, last = keys
    found = _schemas_at(model, tuple(way))
    known = sorted({name for schema in found for name in _names(schema)} | (set() if way else set(beside)))
    return next(iter(difflib.get_close_matches(str(last), known, n=1)), "")


def _schemas_at(model: type[BaseModel], way: tuple[str | int, ...]) -> Sequence[JsonObject]:
    whole = _schema(model)
    found = [*_branches(whole, whole)]
    for key in way:
        found = [branch for schema in found for below in _below(schema, key) for branch in _branches(below, whole)]
    return found


@cache
def _schema(model: type[BaseModel]) -> JsonObject:
    schema: JsonObject = model.model_json_schema()
    return schema


def _branches(schema: Json, whole: JsonObject) -> Iterator[JsonObject]:
    """The schemas behind a schema: what it refers to, and each of its alternatives."""
    if not isinstance(schema, Mapping):
        return
    if reference := json.text_at(schema, "$ref"):
        definitions = whole.get("$defs")
        assert isinstance(definitions, Mapping), "what is referred to is defined"
        yield from _branches(definitions[reference.removeprefix(_REFERENCE)], whole)
    for each in json.objects_at(schema, "anyOf"):
        yield from _branches(each, whole)
    yield schema


def _below(schema: JsonObject, key: str | int) -> Iterator[Json]:
    names = _names(schema)
    yield names[str(key)] if str(key) in names else schema.get("additionalProperties")
    yield schema.get("items")


def _names(schema: JsonObject) -> JsonObject:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}
