"""What Homeostat does in Azure, in a few scenes that together need every permission it has.

Each scene is played by the real loop on a stand of its own, under a role, and tells how every root ended. Played with a
role that lacks an action, a scene that needs it is refused.
"""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from homeostat.adopt.adoption import adopt
from homeostat.adopt.survey import NoWebApp
from homeostat.core.arm_types import ROUTE_TABLE, SUBNET
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Status, Trigger
from homeostat.operations import runs
from simulator.access import Role
from simulator.cloud import HOMEOSTAT, SUBSCRIPTION
from tests.loop.stand import DNS_VERSION, NSG_VERSION, REMOVALS_UNASKED, WEB_VERSION, ZONES, Stand, stand
from tests.slots.staging import both, slot, slotted, whole_example
from tests.support.function_app import PROJECT

EXAMPLE: Final = (PROJECT / "examples" / "flask-app" / "homeostat.yaml").read_text(encoding="utf-8")
HEAD: Final = "target: app-flask\nweb_app: app-flask\nresource_group: rg-flask\n"
REFERENCE: Final = "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/api-key)"


@dataclass(frozen=True, slots=True)
class Played:
    """`told` are the statuses of every look at every root, `ended` of the last; `unread` is of an adoption.

    lacking: the actions that the looks name as refused, in lower case.
    """

    asked: frozenset[str]
    refusals: int
    told: frozenset[Status] = frozenset()
    ended: frozenset[Status] = frozenset()
    unread: tuple[str, ...] = ()
    lacking: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        return not self.refusals and not self.unread and self.ended <= {Status.IN_SYNC}


type Scene = Callable[[Role], Coroutine[Any, Any, Played]]


def _played(
    world: Stand, *looks: frozenset[Status], unread: tuple[str, ...] = (), lacking: Iterable[str] = ()
) -> Played:
    refused = [each for each in world.cloud.exchanges if each.caller == HOMEOSTAT.name and each.status == 403]
    told = frozenset[Status]().union(*looks)
    return Played(
        frozenset(world.cloud.asked), len(refused), told, looks[-1] if looks else told, unread, frozenset(lacking)
    )


async def _reconciled(world: Stand) -> Played:
    """Everything that is declared, by force; a container counts as gone only after its second 404."""
    fleet = await world.fleet()
    roots = runs.roots_of(fleet, list(fleet.targets))
    looks: list[frozenset[Status]] = []
    lacking: set[str] = set()
    for _ in range(3):
        outcomes = await runs.reconcile(world.engine, roots, Trigger("manual", create=True))
        looks.append(frozenset(outcome.status for outcome in outcomes))
        lacking.update(action.lower() for outcome in outcomes for action in outcome.refused)
        world.pass_time(minutes=1)
    return _played(world, *looks, lacking=lacking)


def _without_probes(document: str) -> str:
    sections: dict[str, Any] = yaml.safe_load(document)
    return yaml.safe_dump({name: value for name, value in sections.items() if name not in _PROBES})


_PROBES = {"dns_resolution", "tcp_reachability"}
_GROUPS = "applicationSecurityGroups"


# --- the scenes ---


async def from_nothing(role: Role) -> Played:
    """All that the guide builds, and an endpoint for the storage account beside it."""
    spec = yaml.safe_load(_without_probes(EXAMPLE))
    spec["private_endpoints"]["pe-storage"] = {
        "kind": "storage",
        "backend": "stflask",
        "subnet": "vnet-appservice/snet-private-endpoints",
        "location": "westeurope",
    }
    spec["backend_access"]["stflask"] = {"kind": "storage", "public_network_access": "Enabled"}
    return await _reconciled(stand("prerequisites", spec=yaml.safe_dump(spec), role=role))


async def a_slot(role: Role) -> Played:
    world = slotted(whole_example(), EXTRA="keep")
    world.cloud.role = role
    return await _reconciled(world)


async def what_nobody_declared_is_removed(role: Role) -> Played:
    spec = f"""{HEAD}
nsg_rules:
  nsg-appservice-integration:
    unmanaged: remove
    rules:
      allow-sql: {{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}}
      allow-redis: {{priority: 110, direction: Outbound, access: Allow, protocol: Tcp, ports: 6380}}
      allow-https: {{priority: 120, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}}
      deny-all-outbound: {{priority: 4096, direction: Outbound, access: Deny, protocol: "*", ports: "*"}}
route_table:
  rt-appservice-integration:
    location: westeurope
    unmanaged: remove
    routes:
      to-vnet: {{address_prefix: 10.10.0.0/16, next_hop_type: VnetLocal}}
dns_links:
  {ZONES[0]}:
    unmanaged: remove
    links: {{link-vnet-appservice: {{vnet: vnet-appservice}}}}
{REMOVALS_UNASKED}"""
    world = stand("guide", spec=spec, role=role)
    base = f"/subscriptions/{world.cloud.subscription}/resourceGroups/rg-flask/providers/Microsoft.Network"
    rule = {**world.rule("allow-sql")["properties"], "priority": 200}
    world.operator("PUT", world.id("nsg").child("securityRules", "theirs"), {"properties": rule}, NSG_VERSION)
    table = ResourceId.of(world.cloud.subscription, "rg-flask", ROUTE_TABLE.name, "rt-appservice-integration")
    route = {"properties": {"addressPrefix": "10.99.0.0/16", "nextHopType": "None"}}
    world.operator("PUT", table.child("routes", "theirs"), route, NSG_VERSION)
    space = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}}}
    world.operator("PUT", f"{base}/virtualNetworks/theirs", space, NSG_VERSION)
    link = {"location": "global", "properties": {"virtualNetwork": {"id": f"{base}/virtualNetworks/theirs"}}}
    world.operator("PUT", world.id(ZONES[0]).child("virtualNetworkLinks", "theirs"), link, DNS_VERSION)
    world.pass_time(minutes=1)
    return await _reconciled(world)


async def one_rule_one_route_one_record(role: Role) -> Played:
    """A single write has its own operation where several are one of their parent."""
    spec = f"""{HEAD}
nsg_rules:
  nsg-appservice-integration:
    rules:
      allow-sql: {{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1433}}
route_table:
  rt-appservice-integration:
    location: westeurope
    routes:
      to-vnet: {{address_prefix: 10.10.0.0/16, next_hop_type: VnetLocal}}
zones:
  {ZONES[0]}: {{records: {{api: [10.10.2.50]}}}}
"""
    world = stand("guide", spec=spec, role=role)
    world.change_rule("allow-sql", access="Deny")
    table = ResourceId.of(world.cloud.subscription, "rg-flask", ROUTE_TABLE.name, "rt-appservice-integration")
    world.operator("DELETE", table.child("routes", "to-vnet"), version=NSG_VERSION)
    return await _reconciled(world)


async def a_route_that_is_there_and_differs(role: Role) -> Played:
    """It is written itself, where one that is missing is made through its table."""
    spec = f"""{HEAD}
route_table:
  rt-appservice-integration:
    location: westeurope
    routes:
      to-vnet: {{address_prefix: 10.10.0.0/16, next_hop_type: VnetLocal}}
"""
    world = stand("guide", spec=spec, role=role)
    table = ResourceId.of(world.cloud.subscription, "rg-flask", ROUTE_TABLE.name, "rt-appservice-integration")
    route = {"properties": {"addressPrefix": "10.10.0.0/16", "nextHopType": "None"}}
    world.operator("PUT", table.child("routes", "to-vnet"), route, NSG_VERSION)
    return await _reconciled(world)


async def somebody_s_change_without_an_event(role: Role) -> Played:
    """Who it was is asked of Resource Graph."""
    world = stand("guide", role=role)
    await _reconciled(world)
    world.change_rule("allow-sql", access="Deny")
    return await _reconciled(world)


async def rules_for_application_security_groups(role: Role) -> Played:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-flask/providers/Microsoft.Network/{_GROUPS}/asg-workers"
    spec = f"""{HEAD}
nsg_rules:
  nsg-appservice-integration:
    rules:
      to-workers: {{priority: 300, direction: Outbound, access: Allow, protocol: Tcp, ports: 443, destination: {group}}}
"""
    world = stand("guide", spec=spec, role=role)
    return await _reconciled(world)


async def a_subnet_that_others_gave_a_way_out(role: Role) -> Played:
    """Its write names the NAT gateway and the policies that it has, which takes the permission to join them."""
    spec = f"""{HEAD}
subnet:
  vnet-appservice/snet-appservice-integration: {{address_prefix: 10.10.1.0/24, nsg: nsg-appservice-integration}}
"""
    world = stand("guide", spec=spec, role=role)
    subnet = ResourceId.of(
        world.cloud.subscription, "rg-flask", SUBNET.name, "vnet-appservice", "snet-appservice-integration"
    )
    base = subnet.text.partition("/virtualNetworks/")[0]
    properties = world.operator("GET", subnet, version=NSG_VERSION).body["properties"]
    del properties["networkSecurityGroup"]
    properties["natGateway"] = {"id": f"{base}/natGateways/nat-workers"}
    properties["serviceEndpointPolicies"] = [{"id": f"{base}/serviceEndpointPolicies/sep-workers"}]
    world.operator("PUT", subnet, {"properties": properties}, NSG_VERSION)
    return await _reconciled(world)


async def signing_in_and_keeping_secrets(role: Role) -> Played:
    """An identity of the user's, and settings that Key Vault holds, of an app and of its slot."""
    sections = f"""
identity: {{user_assigned: [id-app]}}
vnet_integration: {{subnet: vnet-appservice/snet-appservice-integration}}
app_settings: {{settings: {{API_KEY: '{REFERENCE}'}}}}
"""
    world = slotted(both(sections, sections))
    world.cloud.role = role
    base = f"/subscriptions/{world.cloud.subscription}/resourceGroups/rg-flask/providers"
    vault = f"{base}/Microsoft.KeyVault/vaults/kv-flask/secrets/api-key"
    world.operator("PUT", vault, {"properties": {"value": "x"}}, "2023-07-01")
    for site in (world.id("site"), slot(world)):
        world.operator("PATCH", site, {"identity": {"type": "SystemAssigned"}}, WEB_VERSION)
    return await _reconciled(world)


async def adoption(role: Role) -> Played:
    world = stand("guide", role=role)
    return await _adopted(world, world.id("site"))


async def adoption_of_a_slot(role: Role) -> Played:
    world = slotted(whole_example())
    world.cloud.role = role
    return await _adopted(world, slot(world))


async def _adopted(world: Stand, web_app: ResourceId) -> Played:
    try:
        found = await adopt(web_app, world.engine, world.arm.reader)
    except NoWebApp as error:
        return _played(world, unread=(str(error),))
    return _played(world, unread=found.unread)


SCENES: Final[tuple[Scene, ...]] = (
    from_nothing,
    a_slot,
    what_nobody_declared_is_removed,
    one_rule_one_route_one_record,
    a_route_that_is_there_and_differs,
    somebody_s_change_without_an_event,
    rules_for_application_security_groups,
    a_subnet_that_others_gave_a_way_out,
    signing_in_and_keeping_secrets,
    adoption,
    adoption_of_a_slot,
)
