"""The ports over several clouds: each call goes to its subscription's cloud, and to no other.

With all subscriptions in one cloud, none of this is used.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from homeostat.azure.placement import VARIABLE, Placement
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.arm_types import ArmType
from homeostat.core.attribution import ForeignWrite, Principal
from homeostat.core.budget import Lane
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import JsonObject, text_at
from homeostat.core.model import Fact, Read
from homeostat.core.plan import Action
from homeostat.core.quotas import Quota
from homeostat.ports.azure import (
    Allowance,
    ArmReader,
    ArmWriter,
    ChangeHistory,
    DeploymentReader,
    Identity,
    ResourceTable,
    SubscriptionReader,
    Written,
)


class Reader(ArmReader, SubscriptionReader, DeploymentReader, Protocol):
    """All reads of ARM."""

    async def subscriptions(self, scope: str) -> Fact:
        """The subscriptions that the credential of the scope's cloud has a role in, as ARM lists them."""
        ...


class Graph(ChangeHistory, ResourceTable, Protocol):
    """All queries of Resource Graph."""


@dataclass(frozen=True, slots=True)
class Routes[T]:
    """by_cloud: the same part for each cloud, by the cloud's name; that of `placement.home` first."""

    placement: Placement
    by_cloud: Mapping[str, T]

    def to(self, scope: str) -> T:
        """The part for the cloud of a subscription or a management group."""
        return self.by_cloud[self.placement.cloud_of(scope)]

    def of[U](self, part: Callable[[T], U]) -> "Routes[U]":
        return Routes(self.placement, {name: part(each) for name, each in self.by_cloud.items()})


@dataclass(frozen=True, slots=True)
class RoutedReader:
    """The ArmReader, SubscriptionReader and DeploymentReader ports."""

    routes: Routes[Reader]

    async def read(self, read: Read) -> Fact:
        return await self.routes.to(read.id.subscription).read(read)

    async def read_all(self, type_: ArmType, subscription: str) -> Fact:
        return await self.routes.to(subscription).read_all(type_, subscription)

    async def subscriptions(self, scope: str) -> Fact:
        return await self.routes.to(scope).subscriptions(scope)

    async def running_deployments(self, subscription: str, resource_group: str) -> Fact:
        return await self.routes.to(subscription).running_deployments(subscription, resource_group)


@dataclass(frozen=True, slots=True)
class RoutedWriter:
    """The ArmWriter port."""

    routes: Routes[ArmWriter]

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        writer = self.routes.to(action.resource.subscription)
        return await writer.write(action, correlation_id=correlation_id, send_by=send_by)


@dataclass(frozen=True, slots=True)
class RoutedIdentity:
    """The Identity port: our principal differs from cloud to cloud."""

    routes: Routes[Identity]

    async def principal(self, subscription: str) -> Principal | None:
        return await self.routes.to(subscription).principal(subscription)


@dataclass(frozen=True, slots=True)
class RoutedGraph:
    """The ChangeHistory and ResourceTable ports.

    A query that covers several clouds is sent to each, and fails if one of them fails: its missing rows would look like
    resources that are gone.
    """

    routes: Routes[Graph]

    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:
        return await self.routes.to(root.subscription).changes(root, since)

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return tuple(part for _, part in self._parts(query))

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        """The clouds' pages, one after the other. `total` counts the rows of the clouds that were reached so far."""
        parts = tuple(self._parts(query))
        number, before, inner = json.loads(token) if token else (0, 0, "")
        cloud, part = parts[number]
        page = await self.routes.by_cloud[cloud].page(part, top=top, token=inner)
        self._placed(page.rows, cloud)
        total = before + page.total
        if page.token:
            following = json.dumps([number, before, page.token])
        else:
            following = json.dumps([number + 1, total, ""]) if number + 1 < len(parts) else ""
        return replace(page, total=total, token=following)

    def _parts(self, query: RowQuery) -> Iterator[tuple[str, RowQuery]]:
        """The part of the query for each cloud, with the cloud's name. A query without a scope goes to all."""
        if query.subscriptions:
            for cloud, some in self._by_cloud(query.subscriptions):
                yield cloud, replace(query, subscriptions=some)
        elif query.management_groups:
            for cloud, some in self._by_cloud(query.management_groups):
                yield cloud, replace(query, management_groups=some)
        else:
            yield from ((cloud, query) for cloud in self.routes.by_cloud)

    def _by_cloud(self, scopes: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        found: dict[str, list[str]] = defaultdict(list)
        for scope in scopes:
            found[self.routes.placement.cloud_of(scope)].append(scope)
        return ((cloud, tuple(found[cloud])) for cloud in self.routes.by_cloud if cloud in found)

    def _placed(self, rows: tuple[JsonObject, ...], cloud: str) -> tuple[JsonObject, ...]:
        """The rows. Raises ArmError for a row from another cloud than its subscription is placed in."""
        for row in rows:
            try:
                subscription = ResourceId.parse(text_at(row, "id")).subscription
            except InvalidResourceId:
                continue  # the caller ignores such a row
            if self.routes.placement.cloud_of(subscription) != cloud:
                raise _misplaced(subscription, cloud)
        return rows


@dataclass(frozen=True, slots=True)
class OneTenant:
    """The Allowance port of one cloud: a quota of the tenant is counted separately in each cloud."""

    allowance: Allowance
    cloud: str

    async def take(self, scope: str, quota: Quota, tokens: int, within: float, lane: Lane) -> float:
        return await self.allowance.take(scope or self.cloud, quota, tokens, within, lane)


def _misplaced(subscription: str, cloud: str) -> ArmError:
    return ArmError(
        status=200,
        code="SubscriptionNotPlaced",
        message=f"subscription {subscription} is in {cloud}: {VARIABLE} has to say so, name it there",
        error_class=ErrorClass.INVALID,
        request="POST /providers/Microsoft.ResourceGraph/resources",
    )
