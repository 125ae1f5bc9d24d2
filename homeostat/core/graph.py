"""Queries of Azure Resource Graph's table `resources`, as data, and what a page of their answer is.

A row is the resource as a GET shows it, nested bodies included, though minutes old: never the base of a write.
https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from homeostat.core.json import JsonObject

MAX_TOP: Final = 1000
"""Rows of a page at most."""

MAX_SCOPES: Final = 1000
"""Subscriptions that one request may name."""

MAX_GROUPS: Final = 10
"""Management groups that are asked for at once: of more than 10,000 subscriptions in a scope the rest is left out.

https://learn.microsoft.com/azure/governance/resource-graph/concepts/query-language#query-scope
"""

TOPMOST_NAME: Final = "tostring(split(id, '/')[8])"
"""Of `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME`, whatever is below it."""


@dataclass(frozen=True, slots=True)
class TagCondition:
    """name: compared without regard to case, as Azure does. values: exact; any will do where there are none."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows, and which columns of them; `id` must be one, since pages are told apart by it.

    subscriptions, management_groups: where to look, one or the other; with neither, wherever the caller can read.
    resource_groups: names; all when there are none.
    names: of the resources, or of those that they are below; all when there are none, and of some types all the same:
    those of `any_name`.
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
        """In the Kusto Query Language, on one line."""
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
    """token: asks for the next page; empty on the last. total: rows of all pages.

    quota_left: how many queries may follow before `quota_resets`, in seconds from now; None where it was not told.
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
    """Of a pair of name and value. A name as an index, `tags['name']`, would mind its case."""
    step = f"where tag[0] =~ '{quoted(tag.name)}'"
    return f"{step} and tostring(tag[1]) in ({_listed(tag.values)})" if tag.values else step
