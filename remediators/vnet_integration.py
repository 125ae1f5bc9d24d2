"""Regional VNet integration: the web app, or the slot, is joined to the declared subnet.

The state is in two places. The site's `virtualNetworkSubnetId` shows it, and may be null or absent if there is none;
`networkConfig/virtualNetwork` sets it. ARM refuses a subnet that is not delegated to App Service.
https://learn.microsoft.com/azure/app-service/overview-vnet-integration
"""

from dataclasses import dataclass

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import (
    SITE,
    SITE_NETWORK_CONFIG,
    SITE_NETWORK_CONNECTION,
    SLOT,
    SLOT_NETWORK_CONFIG,
    SLOT_NETWORK_CONNECTION,
    ArmType,
)
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    Disruption,
    Drift,
    Edit,
    Fact,
    Facts,
    Found,
    Item,
    KindSection,
    Milestone,
    Obstacle,
    Problem,
    Read,
    Scope,
    Verdict,
    Want,
)
from remediators.common import in_operation, keep_the_rest, reference_problems, site_of, unknown, verdict_of, why_unread

SUBNET = "Microsoft.Network/virtualNetworks/subnets"
ITEM = "integration"
PATH = ("properties", "subnetResourceId")


class VnetIntegrationSection(KindSection):
    """The subnet that the web app is joined to."""

    subnet: str = Field(
        description="VNET/SUBNET, RESOURCE-GROUP:VNET/SUBNET, or a full resource id.",
        examples=["vnet-appservice/snet-appservice-integration"],
    )


@dataclass(frozen=True, slots=True)
class Have:
    """subnet: "" if the app is in none. classic: there is a gateway integration; None if that is unknown.

    unread: why the site could not be read, or "".
    """

    subnet: str = ""
    classic: bool | None = False
    in_operation: bool = False
    unread: str = ""


@dataclass(frozen=True, slots=True)
class VnetIntegration:
    """Its root is the site or the slot; the root's only item is the subnet that it is joined to."""

    kind: str = "vnet_integration"
    section: type[VnetIntegrationSection] = VnetIntegrationSection
    touches: frozenset[ArmType] = frozenset(
        {SITE, SITE_NETWORK_CONFIG, SITE_NETWORK_CONNECTION, SLOT, SLOT_NETWORK_CONFIG, SLOT_NETWORK_CONNECTION}
    )

    def items(self, section: VnetIntegrationSection, scope: Scope) -> tuple[Item[ResourceId], ...]:
        return (Item(scope.web_app, ITEM, scope.resource(section.subnet, SUBNET), ("subnet",)),)

    unmanaged = keep_the_rest

    def problems(self, section: VnetIntegrationSection, scope: Scope) -> tuple[Problem, ...]:
        return reference_problems(scope, section.subnet, SUBNET, ("subnet",))

    def reads(self, want: Want[ResourceId], facts: Facts) -> frozenset[Read]:
        site = site_of(want.root)
        body = facts.get(site)
        if isinstance(body, Found) and not _subnet(body):
            return frozenset({site, _connections(want.root)})
        return frozenset({site})

    def observe(self, want: Want[ResourceId], facts: Facts) -> Have:
        site = facts.get(site_of(want.root))
        if not isinstance(site, Found):
            return Have(unread=why_unread(site))
        return Have(
            subnet=_subnet(site),
            classic=False if _subnet(site) else _has_classic(facts.get(_connections(want.root))),
            in_operation=in_operation(site),
        )

    def diff(self, want: Want[ResourceId], have: Have) -> tuple[Drift, ...]:
        config = want.root.child("networkConfig", "virtualNetwork")
        return tuple(
            drift
            for name, declared in want.items.items()
            for drift in self._differences(config, name, declared.value, have)
        )

    def _differences(self, config: ResourceId, item: str, subnet: ResourceId, have: Have) -> tuple[Drift, ...]:
        if have.unread:
            return (unknown(self.kind, config, PATH, item, subnet.text, have.unread),)
        if same_id(have.subnet, subnet.text):
            return ()
        verdict = verdict_of(under_way=have.in_operation)
        return (Drift(self.kind, config, PATH, item, subnet.text, have.subnet or ABSENT, verdict),)

    def edits(self, want: Want[ResourceId], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(
            _repair(drift, want.items[drift.item].value, have)
            for drift in self.diff(want, have)
            if drift.verdict is Verdict.DRIFTED
        )


REMEDIATOR = VnetIntegration()


def _connections(root: ResourceId) -> Read:
    return Read(SLOT_NETWORK_CONNECTION if root.is_type(SLOT.name) else SITE_NETWORK_CONNECTION, root, every=True)


def _subnet(site: Found) -> str:
    return json.text_at(site.body, "properties", "virtualNetworkSubnetId")


def _has_classic(connections: Fact | None) -> bool | None:
    """Whether there is a gateway-required integration: a connection that is not `isSwift`."""
    if not isinstance(connections, Found):
        return None
    listed = json.objects_at(connections.body) or json.objects_at(connections.body, "value")
    return any(json.at(entry, ("properties", "isSwift")) is not True for entry in listed)


def _repair(drift: Drift, subnet: ResourceId, have: Have) -> Edit | Obstacle:
    reaches = frozenset({Milestone.INTEGRATED})
    if have.classic is None:
        message = "whether a gateway-required integration is in place could not be read"
        return Obstacle(drift, "unreadable", message, reaches)
    if have.classic:
        message = "a gateway-required integration is in place and would be lost: disconnect it first"
        return Obstacle(drift, "classic-integration", message, reaches)
    return Edit(
        drift,
        path=(),
        value=_network_config(subnet),
        disruption=Disruption.RESTART,  # the join can recycle the plan's workers
        after=frozenset({Milestone.SUBNET_READY, Milestone.EGRESS_ALLOWED, Milestone.NAMES_RESOLVE}),
        reaches=reaches,
    )


def _network_config(subnet: ResourceId) -> Json:
    return {"properties": {"subnetResourceId": subnet.text, "swiftSupported": True}}
