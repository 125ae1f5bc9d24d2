"""How single values stand in a spec's schema: as text in Python, and as editors see what was written."""

from typing import Annotated, Final

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

NAME_OF_GROUP: Final = r"^[-\w.()]+$"
MAX_NAME_OF_GROUP: Final = 90
"""Resource and management groups. The length stands beside the pattern, since pydantic's engine makes a copy of all
letters of Unicode for each repetition that is counted: 90 of them took 9 MiB and 50 ms of every instance.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""
