"""Queries of Azure Resource Graph's table `resources`, as data, and the pages of their answers.

A row shows the resource as a GET does, nested bodies included, but is minutes old: it is never the base of a write.
https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from homeostat.core.json import JsonObject

MAX_TOP: Final = 1000
"""The most rows of a page."""

MAX_SCOPES: Final = 1000
"""The most subscriptions that one request may name."""

MAX_GROUPS: Final = 10
"""The most management groups in one query: if a scope has more than 10,000 subscriptions, the rest is left out.

https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language#query-scope
"""

TOPMOST_NAME: Final = "tostring(split(id, '/')[8])"
"""NAME in `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME`, for it and all resources below it."""


@dataclass(frozen=True, slots=True)
class TagCondition:
    """name: its case is ignored, as Azure does. values: exact; if empty, any value will do."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows, and which of their columns; `id` must be among these, since pages are told apart by it.

    subscriptions, management_groups: where to look, one or the other; with neither, wherever the caller may read.
    resource_groups: names; if empty, all.
    names: of the resources or of the topmost resources above them; if empty, all. It does not limit the types in
    `any_name`.
    """

    types: tuple[str, ...]
    columns: tuple[str, ...]
    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    resource_groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    any_name: tuple[str, ...] = ()
    tag: TagCondition | None = None

    @property
    def text(self) -> str:
        """The query in the Kusto Query Language, on one line."""
        steps = ["resources", f"where type in~ ({_listed(self.types)})"]
        if self.resource_groups:
            steps.append(f"where resourceGroup in~ ({_listed(self.resource_groups)})")
        if self.names:
            any_type = f"type in~ ({_listed(self.any_name)}) or " if self.any_name else ""
            steps.append(f"where {any_type}{TOPMOST_NAME} in~ ({_listed(self.names)})")
        if self.tag:
            steps.extend(("mv-expand bagexpansion=array tag = tags", _tag_step(self.tag)))
        return " | ".join((*steps, f"project {', '.join(self.columns)}", "order by id asc"))


@dataclass(frozen=True, slots=True)
class Page:
    """token: asks for the next page; empty on the last one. total: rows of all pages.

    quota_left: how many queries may follow within the next `quota_resets` seconds; None if unknown.
    """

    rows: tuple[JsonObject, ...]
    total: int
    token: str = ""
    quota_left: int | None = None
    quota_resets: float = 0.0


def quoted(text: str) -> str:
    """As the inside of a string literal."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(f"'{quoted(text)}'" for text in texts)


def _tag_step(tag: TagCondition) -> str:
    """Filters by name and value. Indexing, `tags['name']`, would be case-sensitive."""
    step = f"where tag[0] =~ '{quoted(tag.name)}'"
    return f"{step} and tostring(tag[1]) in ({_listed(tag.values)})" if tag.values else step
