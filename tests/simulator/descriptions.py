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
from urllib.parse import quote

import pytest
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

# Microsoft.Sql's own copy of the common types lies not beside it; these are the same.
_MOVED = ("/sql/resource-manager/common/", "/common-types/resource-management/")
OPENAPI = Path(__file__).parents[3] / "shared" / "arm" / "openapi"


@dataclass(frozen=True, slots=True)
class Description:
    """One operation: a compiled path and the file's own pointer to each status' schema."""

    pattern: re.Pattern[str]
    method: str
    file: Path
    pointer: str  # to the operation, as a URI fragment
    responses: dict[str, Any]

    def schema(self, status: int) -> Any | None:
        """A reference to the schema of a status, None when that has no body. KeyError for an undescribed success."""
        key = "default" if status >= 400 else str(status)
        if status >= 400 and key not in self.responses:
            return None
        described = "schema" in self.responses[key]
        return {"$ref": f"file://{self.file}#{self.pointer}/responses/{key}/schema"} if described else None


@cache
def _load(uri: str) -> Any:
    return json.loads(Path(uri.removeprefix("file://").replace(*_MOVED)).read_text(encoding="utf-8"))


def _retrieve(uri: str) -> Resource[Any]:
    return DRAFT4.create_resource(_load(uri))


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
                pointer = f"/paths/{quote(template.replace('~', '~0').replace('/', '~1'))}/{method}"
                yield Description(pattern, method.upper(), file, pointer, operation["responses"])


def _problems(operation: Description, status: int, body: Any) -> list[str]:
    try:
        schema = operation.schema(status)
    except KeyError:
        return [f"status {status} is not among {', '.join(operation.responses)}"]
    if schema is None:
        return [] if body in (None, {}) or status >= 400 else [f"a body where none is described: {body!r:.200}"]
    validator = Draft4Validator(schema, registry=_REGISTRY)
    return [f"{each.json_path}: {each.message:.300}" for each in validator.iter_errors(body)]
