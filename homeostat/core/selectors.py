"""Selectors: which web apps a document declares, by what Azure Resource Graph says of them.

A selector becomes `Criteria`, these become queries, and the rows become `SelectedApp`s. A query narrows down as far as
its language allows; `Criteria.takes` decides.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import batched
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from homeostat.core import json
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.graph import MAX_GROUPS, MAX_SCOPES, RowQuery, TagCondition
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.model import Section
from homeostat.core.scalars import MAX_NAME_OF_GROUP, NAME_OF_GROUP, OneOrMany

NAME_OF_ALL: Final = "${web_app}"
ANY: Final = "*"
NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
COLUMNS: Final = ("id", "tags")

_WILD = re.compile(r"[*?\[]")

type _Subscription = Annotated[
    str, Field(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
]
type _ManagementGroup = Annotated[str, Field(pattern=NAME_OF_GROUP, max_length=MAX_NAME_OF_GROUP)]
type _Group = Annotated[str, Field(pattern=r"^[-\w.()*?\[\]!]+$", max_length=MAX_NAME_OF_GROUP)]


class Select(Section):
    """Web apps that fulfil every given condition."""

    subscriptions: list[_Subscription] = Field(
        default_factory=list,
        description="Ids of the subscriptions to look in; with neither these nor management groups, the environment's.",
    )
    management_groups: list[_ManagementGroup] = Field(
        default_factory=list, description="Names of management groups: all subscriptions below them are looked in."
    )
    resource_groups: list[_Group] = Field(
        default_factory=list, description="Names of resource groups, in any case; * and ? stand for any characters."
    )
    tags: dict[str, OneOrMany] = Field(
        default_factory=dict,
        description='Tags by name, in any case, each with its value, several of which one must fit, or "*" for any.',
        examples=[{"homeostat": "prod"}],
    )
    slots: bool = Field(default=False, description="Whether deployment slots are targets too, by their own tags.")

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if not (self.subscriptions or self.management_groups or self.resource_groups or self.tags):
            raise PydanticCustomError("empty_key", "must not be empty")
        return self


@dataclass(frozen=True, slots=True)
class SelectedApp:
    """A web app or slot. tags: those that documents use, by their names in lower case."""

    id: ResourceId
    tags: Mapping[str, str] = NO_TAGS

    @property
    def spelled(self) -> tuple[object, ...]:
        """Differs if anything differs that a document can refer to."""
        return (self.id.subscription, self.id.resource_group, self.id.type, self.id.names, *sorted(self.tags.items()))

    def with_tags(self, names: AbstractSet[str]) -> "SelectedApp":
        """The same app with only those tags whose names, in lower case, are given."""
        return SelectedApp(self.id, {name: value for name, value in self.tags.items() if name in names} or NO_TAGS)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a selector asks for. All is in lower case and sorted, except the tags' values; tags are sorted by name."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    resource_groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()
    slots: bool = False

    @classmethod
    def of(cls, select: Select, subscription: str) -> Self:
        """subscription: where to look if the selector does not say."""
        named = select.subscriptions or ([] if select.management_groups or not subscription else [subscription])
        return cls(
            _lowered(named),
            _lowered(select.management_groups),
            _lowered(select.resource_groups),
            tuple(sorted((name.lower(), tuple(sorted(values))) for name, values in select.tags.items())),
            select.slots,
        )

    @property
    def key(self) -> str:
        """Equal for equal criteria."""
        return json.render(
            {
                "subscriptions": self.subscriptions,
                "managementGroups": self.management_groups,
                "resourceGroups": self.resource_groups,
                "tags": {name: list(values) for name, values in self.tags},
                "slots": self.slots,
            }
        )

    def queries(self) -> tuple[RowQuery, ...]:
        """One query for each scope that a request can name; their rows have yet to pass `takes`."""
        types = tuple(row.name.lower() for row in ((SITE, SLOT) if self.slots else (SITE,)))
        groups = () if any(_WILD.search(name) for name in self.resource_groups) else self.resource_groups
        name, values = self.tags[0] if self.tags else ("", ())
        tag = TagCondition(name, () if ANY in values else values) if name else None
        whole = RowQuery(types, COLUMNS, resource_groups=groups, tag=tag)
        subscriptions = batched(self.subscriptions, MAX_SCOPES, strict=False)
        groups_above = batched(self.management_groups, MAX_GROUPS, strict=False)
        return (
            *(replace(whole, subscriptions=some) for some in subscriptions),
            *(replace(whole, management_groups=some) for some in groups_above),
        )

    def takes(self, app: ResourceId, tags: Mapping[str, str]) -> bool:
        """Whether an app with these tags, by names in lower case, fulfils every condition except the scope's."""
        group = app.resource_group.lower()
        return (
            (self.slots or app.is_type(SITE.name))
            and (not self.resource_groups or any(fnmatchcase(group, wanted) for wanted in self.resource_groups))
            and all(name in tags and (ANY in values or tags[name] in values) for name, values in self.tags)
        )

    def selected(self, row: JsonObject) -> SelectedApp | None:
        """The app of a row with all its tags, if it fulfils the conditions."""
        try:
            app = ResourceId.parse(json.text_at(row, "id"))
        except InvalidResourceId:
            return None
        found = row.get("tags")
        tags = {name.lower(): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}
        is_app = any(app.is_type(row.name) for row in (SITE, SLOT))
        return SelectedApp(app, tags) if is_app and self.takes(app, tags) else None


type Selection = Mapping[str, tuple[SelectedApp, ...]]
"""What was found last, by the key of the criteria. Criteria that are missing here were never queried."""


def _lowered(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted({name.lower() for name in names}))
