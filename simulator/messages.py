"""The two values that cross the simulator's only seam, so that a TLS server and an in-process transport share it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

type Json = dict[str, Any]

_JSON_HEADERS = {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache"}


class Headers(dict[str, str]):
    """HTTP headers: one value a name, names case-insensitive (kept in lower case)."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        super().__init__({name.lower(): value for name, value in (values or {}).items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)

    def copy(self) -> "Headers":
        return Headers(self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the claims of an Entra access token that ARM copies into its activity log."""

    name: str
    object_id: str
    app_id: str
    tenant_id: str
    upn: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` is percent-decoded and without the query; query names are lower case.

    `caller` is set only by a shell that has established who calls (a test, a world being built); otherwise the bearer
    token in `headers` says it, or the call is refused.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    caller: Principal | None = None

    @classmethod
    def of(cls, method: str, path: str, body: Any = None, *, api_version: str | None = None, **rest: Any) -> Self:
        """A request with a JSON body, for tests and for worlds."""
        query = {"api-version": api_version} if api_version else {}
        return cls(method, path, query, body=b"" if body is None else json.dumps(body).encode(), **rest)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @classmethod
    def json(cls, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Self:
        return cls(
            status,
            Headers({**_JSON_HEADERS, **(headers or {})}),
            json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
        )

    @classmethod
    def empty(cls, status: int, headers: Mapping[str, str] | None = None) -> Self:
        return cls(status, Headers({"cache-control": "no-cache", **(headers or {})}))

    def parsed(self) -> Any:
        """The body as JSON; None when there is none."""
        return json.loads(self.body) if self.body else None
