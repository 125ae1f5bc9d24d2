"""The world that is swept: the layout of the simulator's `fleet:N`, without its resources.

Twenty-five web apps share a resource group with their network, as `simulator/worlds.py` has it and as
`tests/loop/swept.py` declares it: one security group, one network and one zone of each group are roots of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from homeostat.core.arm_types import (
    NETWORK_SECURITY_GROUP,
    PRIVATE_DNS_ZONE,
    SITE,
    SITE_CONFIG,
    VIRTUAL_NETWORK,
    VIRTUAL_NETWORK_LINK,
)
from homeostat.core.graph import RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.model import Read
from simulator.cloud import PUBLIC, subscription_ids
from simulator.worlds import APPS_PER_NETWORK

_SHARED: Final = (
    (NETWORK_SECURITY_GROUP.name, "nsg-appservice-integration"),
    (VIRTUAL_NETWORK.name, "vnet-appservice"),
    (PRIVATE_DNS_ZONE.name, "privatelink.database.windows.net"),
)
_ZONES: Final = (
    "privatelink.database.windows.net",
    "privatelink.redis.cache.windows.net",
    "privatelink.vaultcore.azure.net",
)
ROWS: Final[Mapping[str, Sequence[str]]] = {
    **{type_.lower(): (name,) for type_, name in _SHARED},
    PRIVATE_DNS_ZONE.name.lower(): _ZONES,
    VIRTUAL_NETWORK_LINK.name.lower(): _ZONES,  # one of each
}
"""By type, the names of the top-level resources with rows in each group besides its web apps, declared or not."""


@dataclass(frozen=True, slots=True)
class World:
    """The layout of a fleet. roots: sorted by key. groups: the web apps of each resource group, by its name."""

    apps: int
    subscriptions: tuple[str, ...]
    roots: tuple[ResourceId, ...]
    groups: Mapping[str, int]

    def rows(self, query: RowQuery) -> int:
        """How many rows a query returns. It is about some groups, or about the web apps of some subscriptions."""
        apps = SITE.name.lower() in query.types
        if not query.resource_groups:
            return self.apps * len(query.subscriptions) // len(self.subscriptions)
        each = sum(_is_asked_for(query, type_, name) for type_ in query.types for name in ROWS.get(type_, ()))
        return sum(each + (self.groups[name] if apps else 0) for name in query.resource_groups)


def _is_asked_for(query: RowQuery, type_: str, name: str) -> bool:
    return not query.names or name in query.names or type_ in query.any_name


def world_of(apps: int, subscriptions: int) -> World:
    names = subscription_ids(subscriptions, PUBLIC)
    starts = range(0, apps, APPS_PER_NETWORK)
    groups = {_group(number): min(APPS_PER_NETWORK, apps - start) for number, start in enumerate(starts)}
    roots = sorted(_roots(names, groups), key=lambda root: root.key)
    return World(apps, names, tuple(roots), groups)


def _group(number: int) -> str:
    return f"rg-fleet-{number + 1:04}"


def _roots(subscriptions: Sequence[str], groups: Mapping[str, int]) -> Iterator[ResourceId]:
    for number, (group, apps) in enumerate(groups.items()):
        subscription = subscriptions[number % len(subscriptions)]
        for type_, name in _SHARED:
            yield ResourceId.of(subscription, group, type_, name)
        for app in range(apps):
            name = f"app-{number * APPS_PER_NETWORK + app + 1:05}"
            yield ResourceId.of(subscription, group, SITE.name, name)


def reads(root: ResourceId, *, in_full: bool) -> tuple[Read, ...]:
    """What is read of a root through Resource Manager: always app settings, the rest if its row does not suffice."""
    if root.is_type(SITE.name):
        settings = Read(SITE_CONFIG, root.child("config", "appsettings"))
        return (Read(SITE, root), settings) if in_full else (settings,)
    if not in_full:
        return ()
    if root.is_type(PRIVATE_DNS_ZONE.name):
        return (Read(VIRTUAL_NETWORK_LINK, root, every=True),)
    return (Read(NETWORK_SECURITY_GROUP if root.is_type(NETWORK_SECURITY_GROUP.name) else VIRTUAL_NETWORK, root),)
