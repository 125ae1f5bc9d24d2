"""What the patterns of a spec's schema cost every instance: none makes copies of a whole class of Unicode's letters."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from homeostat.core.documents import json_schema
from remediators import REGISTRY

pytestmark = pytest.mark.unit

COUNTED_CLASS = re.compile(r"(\\[wdsWDS]|\[[^]]*\\[wdsWDS][^]]*\])\{")


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    for member in schema if isinstance(schema, list) else ():
        yield from patterns(member)


def test_no_pattern_counts_how_often_a_class_of_unicode_comes() -> None:
    """A length stands beside the pattern, as maxLength: ninety copies of all letters took 9 MiB for each such field."""
    found = set(patterns(json_schema(REGISTRY)))
    assert len(found) > 5
    assert not [pattern for pattern in found if COUNTED_CLASS.search(pattern)]
    assert COUNTED_CLASS.search(r"^[-\w.()]{1,90}$")
