"""Checks answers against Microsoft's API descriptions (OpenAPI 2) with a JSON Schema validator.

The descriptions are third-party material that lies beside the checkout; tests are skipped where it is absent.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

OPENAPI = Path(__file__).parents[3] / "shared" / "arm" / "openapi"


@dataclass(frozen=True, slots=True)
class Description:
    """One operation: a compiled path and the file's own pointer to each status' schema."""

    pattern: re.Pattern[str]
    method: str
    file: Path
    responses: dict[str, Any]

    def schema(self, status: int) -> Any | None:
        """The schema of a status, None when that status has no body. KeyError for an undescribed success."""
        if status >= 400:
            return self.responses["default"].get("schema") if "default" in self.responses else None
        return self.responses[str(status)].get("schema")


@cache
def _load(uri: str) -> Any:
    return json.loads(Path(uri.removeprefix("file://")).read_text(encoding="utf-8"))


def _retrieve(uri: str) -> Resource[Any]:
    return Resource(contents=_load(uri), specification=DRAFT4)


_REGISTRY: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]  # attrs' init is not seen


class Descriptions:
    """The operations of some files below the folder of descriptions; their versions are the callers' to match."""

    def __init__(self, *files: str) -> None:
        missing = [name for name in files if not (OPENAPI / name).exists()]
        if missing:
            pytest.skip(f"API descriptions are not available: {OPENAPI / missing[0]} is absent")
        self._operations = [each for name in files for each in _operations(OPENAPI / name)]

    def problems(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer; an operation or a status that is not described is a problem, too."""
        for operation in self._operations:
            if operation.method == method and operation.pattern.match(path):
                return _problems(operation, status, body)
        return [f"{method} {path} is not described"]


def _operations(file: Path) -> Iterator[Description]:
    for template, methods in _load(f"file://{file}")["paths"].items():
        pattern = re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)) + "$", re.IGNORECASE)
        for method, operation in methods.items():
            if method != "parameters":
                yield Description(pattern, method.upper(), file, operation["responses"])


def _problems(operation: Description, status: int, body: Any) -> list[str]:
    try:
        schema = operation.schema(status)
    except KeyError:
        return [f"status {status} is not among {', '.join(operation.responses)}"]
    if schema is None:
        return [] if body in (None, {}) or status >= 400 else [f"a body where none is described: {body!r:.200}"]
    absolute = (
        {"$ref": f"file://{operation.file}{schema['$ref']}"} if schema.get("$ref", "").startswith("#") else schema
    )
    if absolute is schema and "$ref" in schema:
        absolute = {"$ref": f"file://{(operation.file.parent / schema['$ref'].partition('#')[0]).resolve()}"}
        absolute["$ref"] += f"#{schema['$ref'].partition('#')[2]}"
    validator = Draft4Validator(absolute, registry=_REGISTRY)
    return [f"{each.json_path}: {each.message:.300}" for each in validator.iter_errors(body)]
