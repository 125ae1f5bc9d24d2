"""Single values in a spec's schema: text in Python, and for editors the types that people write."""

from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str | int) else value


type Scalar = Annotated[str, WithJsonSchema(SCALAR_SCHEMA)]
"""Text in Python; for editors also a number or a boolean, since YAML's guesses are undone before validation."""

type OneOrMany = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple),
    WithJsonSchema({"anyOf": [SCALAR_SCHEMA, {"type": "array", "items": SCALAR_SCHEMA, "minItems": 1}]}),
]
"""One scalar, or a list of them."""

NAME_OF_GROUP: Final = r"^[-\w.()]+$"
MAX_NAME_OF_GROUP: Final = 90
"""Names of resource and management groups. The length is checked separately: as a counted repetition in the pattern,
pydantic's engine would copy all letters of Unicode 90 times, which took 9 MiB and 50 ms in every instance.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""
