"""What is gone counts as gone only after a second look, and is told of once."""

from datetime import timedelta

import pytest

from homeostat.core.arm_types import VIRTUAL_NETWORK
from homeostat.core.gate.situation import Pause
from homeostat.core.ids import ResourceId
from homeostat.core.model import Read
from homeostat.core.outcome import Status
from homeostat.core.plan import Action
from tests.loop.meddling import meddled, once
from tests.loop.stand import DNS_VERSION, NSG_VERSION, SPEC, WEB_VERSION, ZONES, Stand, error, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "version", "kind"), [("nsg", NSG_VERSION, "nsg_rules"), (ZONES[0], DNS_VERSION, "dns_links")]
)
async def test_a_container_that_is_gone_is_missing_then_held_and_told_once(name: str, version: str, kind: str) -> None:
    world = stand()
    remove(world, name, version)
    first = await world.reconcile(name)
    assert (first.status, first.retry_at) == (Status.MISSING, world.ambient.now() + timedelta(seconds=30))
    assert world.inbox.events == []
    await world.work_for(HOUR)
    for _ in range(3):
        outcome = await world.reconcile(name)
        assert outcome.status is Status.HELD
        assert [held.hold.code for held in outcome.plan.held] == ["container-gone"]
        world.pass_time(hours=1)
    assert world.inbox.told() == [("DriftDetected", kind), ("Held", kind)]
    assert world.writes() == []


async def test_a_web_app_that_is_gone_retires_its_target_with_one_alert() -> None:
    world = stand()
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    await world.service.on_event(world.event(world.id("site"), "Microsoft.Web/sites/delete"))
    await world.work_for(HOUR)
    for _ in range(3):
        assert (await world.reconcile("site")).status is Status.RETIRED
        world.pass_time(hours=1)
    assert world.inbox.told() == [("TargetRetired", "app-flask")]
    assert (await world.record("site")).retired
    assert world.writes() == []


async def test_no_word_of_a_persons_makes_a_moments_404_the_end_of_a_web_app() -> None:
    world = stand()
    world.strike(path="/sites/", status=404, body=error("ResourceNotFound", "not found"))
    assert (await world.reconcile("site", create=True)).status is Status.MISSING
    assert world.inbox.told() == []


async def test_a_resource_group_that_is_gone_retires_its_web_app() -> None:
    world = stand()
    world.strike(status=404, body=error("ResourceGroupNotFound", "Resource group 'rg-flask' could not be found."))
    assert (await world.reconcile("site")).status is Status.MISSING
    await world.work_for(HOUR)
    assert world.inbox.told() == [("TargetRetired", "app-flask")]


async def test_a_root_that_was_only_missed_for_a_moment_is_no_news() -> None:
    world = stand()
    fault = world.strike(path="/networkSecurityGroups/", status=404, body=error("ResourceNotFound", "not found"))
    assert (await world.reconcile("nsg")).status is Status.MISSING
    world.exchanger.faults.remove(fault)
    await world.work_for(HOUR)
    assert (await world.record("nsg")).missing_since is None
    assert world.inbox.events == []


WITH_SUBNET = (
    SPEC
    + """
nsg:
  nsg-appservice-integration: {location: westeurope}
subnet:
  vnet-appservice/snet-appservice-integration: {address_prefix: 10.10.1.0/24, nsg: nsg-appservice-integration}
"""
)


async def test_what_could_not_be_repaired_while_a_container_was_gone_is_repaired_once_a_person_let_it_be_made() -> None:
    """Azure refuses a subnet its group while that is gone, and no event tells that it is back: the write is our own."""
    world = stand(spec=WITH_SUBNET)
    network = ResourceId.of(world.cloud.subscription, "rg-flask", VIRTUAL_NETWORK.name, "vnet-appservice")
    remove(world, "nsg", NSG_VERSION)
    for root, operation in ((world.id("nsg"), "networkSecurityGroups/delete"), (network, "virtualNetworks/write")):
        await world.service.on_event(world.event(root, f"Microsoft.Network/{operation}"))
    await world.work_for(8 * HOUR)
    assert (await world.engine.store.load(network)).record.failing is not None
    assert all(due > world.ambient.now() + 12 * HOUR for due in world.waiting()), "only the request's end is waited for"
    for asked in await world.service.open_approvals():
        await world.service.decide_approval(str(asked["id"]), yes=True, by="Anna")
    await world.work_for(timedelta(minutes=1))
    subnet = world.operator("GET", network.child("subnets", "snet-appservice-integration")).body
    assert subnet["properties"]["networkSecurityGroup"]["id"].lower() == world.id("nsg").text.lower()
    assert (await world.engine.store.load(network)).record.failing is None


DELEGATED = """
subnet:
  vnet-appservice/snet-appservice-integration: {address_prefix: 10.10.1.0/24, delegation: Microsoft.Web/serverFarms}
"""


async def test_an_app_that_was_refused_by_an_undelegated_subnet_is_joined_once_that_is_delegated() -> None:
    """Azure's refusal is final, and that the subnet is delegated is a write of our own."""
    world = stand(spec=SPEC + DELEGATED)
    network = ResourceId.of(world.cloud.subscription, "rg-flask", VIRTUAL_NETWORK.name, "vnet-appservice")
    subnet = network.child("subnets", "snet-appservice-integration")
    world.leave_network()
    world.operator("DELETE", subnet)
    world.cloud.advance(world.ambient.now() + HOUR)
    world.operator("PUT", subnet, {"properties": {"addressPrefix": "10.10.1.0/24"}})
    assert (await world.reconcile("site")).status is Status.FAILED
    await world.work_for(8 * HOUR)
    assert world.subnet_of_site() is None
    await world.service.on_event(world.event(subnet, "Microsoft.Network/virtualNetworks/subnets/write"))
    await world.work_for(timedelta(minutes=1))
    assert str(world.subnet_of_site()).lower() == subnet.text.lower()


# --- a group that is made again by itself ---


async def test_what_is_gone_while_its_target_is_paused_is_made_again_when_the_pause_ends() -> None:
    world = await without_group()
    await world.service.pause(Pause("app-flask", world.ambient.now() + HOUR, "a freeze", "Ben"))
    await world.sweep()
    await world.work_for(HOUR - timedelta(minutes=5))
    assert world.writes() == []
    await world.work_for(timedelta(minutes=10))
    assert names_of_rules(world) >= {"allow-sql", "allow-redis"}


async def test_a_group_that_somebody_makes_before_it_is_looked_for_again_is_not_replaced() -> None:
    world = await without_group()
    world.pass_time(minutes=1)
    reads: list[Read] = []

    async def makes(read: object) -> None:
        if isinstance(read, Read) and read.id == world.id("nsg"):
            reads.append(read)
            if len(reads) == 2:  # the first decided that it is gone, the second is right before the write
                their_group(world)

    outcome = await meddled(world, before=makes).reconcile("nsg")
    assert outcome.status is Status.HEALED, outcome.error
    assert "theirs" in names_of_rules(world)


async def test_a_group_that_somebody_makes_at_the_very_moment_is_told_as_overwritten() -> None:
    world = await without_group()
    world.pass_time(minutes=1)
    event = world.event(
        world.id("nsg"),
        "Microsoft.Network/networkSecurityGroups/write",
        correlationId="theirs",
        claims={"name": "Eve"},
    )
    await meddled(world, before=once(lambda: their_group(world), Action)).reconcile("nsg")
    await world.service.on_event(event)
    await world.work_for(HOUR)
    assert [each.data["actor"] for each in world.inbox.events if "PossibleOverwrite" in each.type] == ["Eve"]


async def test_a_group_that_reads_hide_for_longer_than_it_takes_to_believe_them_is_told_as_overwritten() -> None:
    """Azure knows no precondition for it, but says of a write whether it has created or replaced."""
    world = await without_group()
    their_group(world)
    world.pass_time(seconds=1)
    await world.service.on_event(
        world.event(
            world.id("nsg"),
            "Microsoft.Network/networkSecurityGroups/write",
            correlationId="theirs",
            claims={"name": "Eve"},
        )
    )
    behind = world.strike(method="GET", path="/networkSecurityGroups/", status=404, body=error("ResourceNotFound", ""))
    world.pass_time(minutes=1)
    catches_up = once(lambda: world.exchanger.faults.remove(behind), Action)
    assert (await meddled(world, before=catches_up).reconcile("nsg")).status is Status.HEALED
    assert "theirs" not in names_of_rules(world)
    await world.work_for(HOUR)
    assert [each.data["actor"] for each in world.inbox.events if "PossibleOverwrite" in each.type] == ["Eve"]


async def without_group() -> Stand:
    """The group, which is to be made again by itself, is gone, and was missed once."""
    world = stand(spec=f"{SPEC}\nnsg:\n  nsg-appservice-integration: {{location: westeurope, recreate: true}}\n")
    remove(world, "nsg", NSG_VERSION)
    assert (await world.reconcile("nsg")).status is Status.MISSING
    return world


def their_group(world: Stand) -> None:
    rule = {
        "priority": 2000, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*",
        "sourceAddressPrefix": "10.10.1.0/24", "destinationAddressPrefix": "*", "destinationPortRange": "22",
    }  # fmt: skip
    rules = [{"name": "theirs", "properties": rule}]
    world.operator("PUT", world.id("nsg"), {"location": "westeurope", "properties": {"securityRules": rules}})


def names_of_rules(world: Stand) -> set[str]:
    return {each["name"] for each in world.operator("GET", world.id("nsg")).body["properties"]["securityRules"]}


def remove(world: Stand, name: str, version: str) -> None:
    """As an operator would: what uses the container goes first."""
    if name == "nsg":
        path = "/resourceGroups/rg-flask/providers/Microsoft.Network/virtualNetworks/vnet-appservice/subnets/"
        subnet = world.operator("GET", f"{path}snet-appservice-integration").body
        subnet["properties"].pop("networkSecurityGroup")
        world.operator("PUT", f"{path}snet-appservice-integration", subnet)
    else:
        world.operator("DELETE", world.link(name), version=version)
    world.operator("DELETE", world.id(name), version=version)
