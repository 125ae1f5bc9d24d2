"""The host's access keys and what each of them opens.

Levels and precedence are the Functions host's ("Work with access keys in Azure Functions"): anonymous needs none,
function takes the function's own key, a host key or the master key, admin takes the master key alone; the header
`x-functions-key` wins over the query's `code`; an extension's webhook takes its system key or the master key.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class AuthLevel(StrEnum):
    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Keys:
    """`function` holds each function's own default key by lower-case name; `host` opens all of them."""

    master: str
    host: str
    eventgrid: str
    function: Mapping[str, str]

    @classmethod
    def from_settings(cls, settings: Mapping[str, str], functions: Iterable[str]) -> Self:
        """Keys named by DEVHOST_MASTER_KEY, DEVHOST_FUNCTION_KEY and DEVHOST_EVENTGRID_KEY, the others made here."""

        def key(setting: str) -> str:
            return settings.get(setting) or secrets.token_urlsafe(24)

        return cls(
            key("DEVHOST_MASTER_KEY"),
            key("DEVHOST_FUNCTION_KEY"),
            key("DEVHOST_EVENTGRID_KEY"),
            {name.casefold(): secrets.token_urlsafe(24) for name in functions},
        )

    def open_function(self, name: str, level: AuthLevel, presented: str | None) -> bool:
        match level:
            case AuthLevel.ANONYMOUS:
                return True
            case AuthLevel.FUNCTION:
                return _equals_one(presented, self.function[name.casefold()], self.host, self.master)
            case AuthLevel.ADMIN:
                return self.open_admin(presented)

    def open_admin(self, presented: str | None) -> bool:
        return _equals_one(presented, self.master)

    def open_eventgrid(self, presented: str | None) -> bool:
        return _equals_one(presented, self.eventgrid, self.master)


def presented_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The key that a request carries; `headers` must be case-insensitive."""
    return headers.get("x-functions-key") or query.get("code")


def _equals_one(presented: str | None, *keys: str) -> bool:
    return presented is not None and any(hmac.compare_digest(presented.encode(), key.encode()) for key in keys)
