"""The recorded bodies of ARM, and the one check that every kind passes on those of its types."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from homeostat.core import json
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Verdict, Want
from remediators import REGISTRY
from tests.remediators.world import World, look

CORPUS = Path(os.environ.get("HOMEOSTAT_ARM_CORPUS") or Path(__file__).parents[3] / "shared" / "arm" / "recorded")

type Body = Mapping[str, Json]
type Change = tuple[World, tuple[str, ...]]
"""The world after a change, and the last parts of the paths of the drifts that it must make."""
type Made = tuple[Want[Any], World, list[Change]]
type Check = Callable[[ResourceId, Body], Iterator[Made]]


def bodies() -> Iterator[Json]:
    for path in sorted(CORPUS.rglob("*.json")):
        yield json.at(json.parse(path.read_bytes()), ("body",)) or None  # type: ignore[misc] # never ABSENT in a recording
    for path in sorted(CORPUS.rglob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            yield json.at(json.parse(line), ("body",)) or None  # type: ignore[misc] # likewise


def resources(body: Json) -> Iterator[Mapping[str, Json]]:
    """Every resource in a body: the body itself, those that it lists and those that it embeds."""
    if isinstance(body, Mapping):
        if json.text_at(body, "id") and json.text_at(body, "type") and isinstance(body.get("properties"), Mapping):
            yield body
        for value in body.values():
            yield from resources(value)
    elif isinstance(body, list):
        for value in body:
            yield from resources(value)


def of_type(*types: str) -> Iterator[tuple[ResourceId, Mapping[str, Json]]]:
    """The recorded resources of these types, each different one once."""
    seen: set[str] = set()
    for body in bodies():
        for found in resources(body):
            if json.text_at(found, "type").lower() in types and (text := json.render(found)) not in seen:
                seen.add(text)
                try:
                    yield ResourceId.parse(json.text_at(found, "id")), found
                except InvalidResourceId:
                    continue  # a recording whose ids were cut when it was made public


def show_each_change(
    name: str, kind: str, check: Check, types: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each body agrees with what is derived from it, and shows each change as just that. Prints the figures."""
    found = changed = 0
    for id_, body in of_type(*types):
        for want, world, changes in check(id_, body):
            found += 1
            assert look(REGISTRY[kind], want, world).drifts == (), id_
            for altered, ends in changes:
                drifts = look(REGISTRY[kind], want, altered).drifts
                assert tuple(drift.path[-1] if drift.path else "" for drift in drifts) == ends, (id_, drifts)
                assert {drift.verdict for drift in drifts} <= {Verdict.DRIFTED, Verdict.SETTLING}
                changed += 1
    assert found, f"the corpus holds no {name}"
    with capsys.disabled():
        print(f"\n{name}: {found} recorded bodies without false drift; {changed} changes found")
