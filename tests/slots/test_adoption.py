"""The spec that is written of a live slot declares what is there, beside that of its app."""

import pytest

from homeostat.adopt.adoption import adopt
from homeostat.core.outcome import Status, Trigger
from homeostat.core.spec import load
from homeostat.operations import runs
from remediators import REGISTRY
from tests.loop.stand import Stand
from tests.slots.staging import APP, STAGING, act, reconcile, slot, slotted, whole_example

pytestmark = pytest.mark.wire


async def settled() -> Stand:
    world = slotted(whole_example(), STAGE="staging")
    assert (await reconcile(world, slot(world), create=True)).status is Status.HEALED
    return world


async def test_what_is_adopted_of_an_app_and_its_slot_agrees_and_has_an_empty_plan() -> None:
    world = await settled()
    sites = world.id("site"), slot(world)
    specs = {site.key: (await adopt(site, world.engine, world.arm.reader)).text for site in sites}
    fleet = load(specs, REGISTRY)
    assert set(fleet.targets) == {APP, STAGING}
    assert set(fleet.targets[STAGING].kinds) == set(fleet.targets[APP].kinds)
    assert "# stays with its slot on a swap\n    STAGE: staging" in specs[slot(world).key]
    outcomes = await runs.examine(world.engine, runs.roots_of(fleet, [APP, STAGING]), Trigger("manual"))
    assert {outcome.status for outcome in outcomes} == {Status.IN_SYNC}


async def test_settings_are_not_adopted_while_a_slot_holds_those_of_the_other_side() -> None:
    world = await settled()
    act(world, "applySlotConfig")
    adoption = await adopt(slot(world), world.engine, world.arm.reader)
    assert "app_settings" not in load({"adopted.yaml": adoption.text}, REGISTRY).targets[STAGING].kinds
    assert [line for line in adoption.left_out if "a swap with production is under way" in line]
