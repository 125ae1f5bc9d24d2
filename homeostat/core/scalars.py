"""How single values stand in a spec's schema: as text in Python, and as editors see what was written."""

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str | int) else value


type Scalar = Annotated[str, WithJsonSchema(SCALAR_SCHEMA)]
"""Text in Python; in an editor also a number or a boolean, since YAML's guesses are undone before validation."""

type OneOrMany = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    WithJsonSchema({"anyOf": [SCALAR_SCHEMA, {"type": "array", "items": SCALAR_SCHEMA, "minItems": 1}]}),
]
"""One scalar, or a list of them."""
