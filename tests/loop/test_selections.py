"""Selectors over a simulated Azure: new apps are covered, failures change nothing, and what is lost is told."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.outcome import Trigger
from homeostat.core.selectors import SelectedApp
from homeostat.fleet.selections import BLOB, CONTAINER, FORGOTTEN_AFTER, RETRY_EVERY, Selections
from homeostat.fleet.specs import CHECK_EVERY, DesiredState
from homeostat.ports.storage import StorageUnavailable
from remediators import REGISTRY
from tests.loop.stand import WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire

PROFILE = """
profile: web
app_settings:
  settings:
    NAME: ${web_app}
    TEAM: ${tag:team}
"""
SELECTOR = "select: {tags: {homeostat: prod}}\nextends: web\n"
EVERY = timedelta(minutes=15)


def tag(world: Stand, app: str = "app-flask", **tags: str) -> None:
    group = f"/subscriptions/{world.cloud.subscription}/resourceGroups/rg-flask"
    site = f"{group}/providers/Microsoft.Web/sites/{app}"
    body = {
        "location": "westeurope",
        "tags": tags,
        "properties": {"serverFarmId": f"{group}/providers/Microsoft.Web/serverfarms/plan-flask"},
    }
    world.operator("PUT", site, body, WEB_VERSION)


def world(**tags: str) -> Stand:
    made = stand(spec=SELECTOR)
    made.specs.by_name["profile.yaml"] = PROFILE
    tag(made, **(tags or {"homeostat": "prod", "team": "shop"}))
    return made


def queries(of: Stand) -> int:
    return sum("ResourceGraph" in each.path for each in of.cloud.exchanges)


def refuse_queries(of: Stand) -> None:
    body = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    of.strike(path="Microsoft.ResourceGraph", status=403, body=body)


async def targets(of: Stand) -> list[str]:
    return list((await of.fleet()).targets)


async def settings_wanted(of: Stand) -> Mapping[str, Any]:
    items = (await of.root("site")).wants["app_settings"].items
    return {name: item.value.value for name, item in items.items()}


def another_instance(of: Stand) -> DesiredState:
    """A process that starts now, on the same storage."""
    selections = Selections(of.arm.changes, of.arm.reader, of.memory.blobs, of.ambient)
    return DesiredState(of.specs, REGISTRY, of.ambient, of.cloud.subscription, selections=selections)


async def test_an_app_with_the_tag_is_a_target_and_is_repaired() -> None:
    made = world()
    assert await settings_wanted(made) == {"NAME": "app-flask", "TEAM": "shop"}
    await made.sweep()
    await made.work_for(timedelta(minutes=5))
    assert made.settings()["TEAM"] == "shop"


async def test_a_new_app_with_the_tag_is_covered_from_the_next_sweep() -> None:
    made = world()
    assert await targets(made) == ["app-flask"]
    tag(made, "app-new", homeostat="prod", team="new")
    made.pass_time(minutes=1)
    assert await targets(made) == ["app-flask"]
    await made.sweep()
    assert await targets(made) == ["app-flask", "app-new"]


async def test_and_without_a_sweep_after_a_while() -> None:
    made = world()
    await made.fleet()
    tag(made, "app-new", homeostat="prod", team="new")
    asked = queries(made)
    made.ambient.time += EVERY - CHECK_EVERY
    assert (await targets(made), queries(made)) == (["app-flask"], asked)
    made.ambient.time += CHECK_EVERY
    assert await targets(made) == ["app-flask", "app-new"]


async def test_and_though_the_clock_was_set_back_meanwhile() -> None:
    made = world()
    made.ambient.offset = timedelta(hours=1)
    await made.fleet()
    made.ambient.offset = timedelta()
    tag(made, "app-new", homeostat="prod", team="new")
    made.ambient.time += RETRY_EVERY
    assert await targets(made) == ["app-flask", "app-new"]


async def test_an_event_of_a_selected_app_asks_nobody_what_is_selected() -> None:
    made = world()
    await made.fleet()
    asked = queries(made)
    made.pass_time(minutes=5)
    event = made.event(made.id("site"), "Microsoft.Web/sites/write")
    assert len(await made.service.on_event(event)) == 1
    assert queries(made) == asked


async def test_an_instance_that_starts_reads_what_was_selected_and_asks_nobody() -> None:
    made = world()
    first = await made.fleet()
    asked = queries(made)
    second = await another_instance(made).fleet()
    assert (second.targets, queries(made)) == (first.targets, asked)


async def test_an_app_that_stays_as_it_is_is_held_once_whoever_asked() -> None:
    made = world()
    await made.fleet()
    app = held(made.service.desired)
    made.pass_time(minutes=16)
    await made.fleet()
    assert queries(made) == 2
    assert held(made.service.desired) is app, "asked anew"
    await another_instance(made).renewed()
    made.pass_time(minutes=1)
    await made.fleet()
    assert queries(made) == 3
    assert held(made.service.desired) is app, "and read, once another instance had asked"


def held(by: DesiredState) -> SelectedApp:
    assert by.selections is not None
    ((app,),) = by.selections.held.selection.values()
    return app


async def test_a_query_that_fails_changes_nothing_and_is_told() -> None:
    made = world()
    before = await made.fleet()
    refuse_queries(made)
    made.ambient.time += EVERY
    assert (await made.fleet()).targets == before.targets
    health = await made.service.health()
    assert health["status"] == "degraded"
    assert "a selector could not be resolved, and what was selected at 2026-03-01 02:00 UTC stays" in str(
        health["problem"]
    )


async def test_a_query_that_fails_is_not_asked_again_at_every_event() -> None:
    made = world()
    await made.fleet()
    refuse_queries(made)
    made.ambient.time += EVERY
    await made.fleet()
    asked = queries(made)
    made.ambient.time += RETRY_EVERY - CHECK_EVERY
    await made.fleet()
    assert queries(made) == asked
    made.exchanger.faults.clear()
    made.ambient.time += CHECK_EVERY
    await made.fleet()
    assert queries(made) == asked + 1
    assert (await made.service.health())["status"] == "ok"


async def test_without_any_answer_the_documents_of_their_own_are_in_force_and_it_is_told() -> None:
    made = world()
    made.specs.by_name["own.yaml"] = "target: own\nweb_app: app-own\nresource_group: rg-flask\n"
    refuse_queries(made)
    assert await targets(made) == ["own"]
    assert "nothing is selected" in made.service.desired.problem


async def test_an_app_that_is_no_longer_selected_is_told_as_no_longer_managed_and_not_as_gone() -> None:
    made = world()
    await made.sweep()
    tag(made, homeostat="test")
    made.pass_time(minutes=1)
    await made.sweep()
    assert await targets(made) == []
    assert made.inbox.told() == [("NoLongerManaged", "app-flask")]
    (entry, *_) = await made.history("site")
    assert (entry["status"], entry["targets"]) == ("no-longer-managed", ["app-flask"])
    made.pass_time(hours=24)
    await made.sweep()
    assert made.inbox.told() == [("NoLongerManaged", "app-flask")]


async def test_a_crash_between_the_telling_and_the_writing_tells_it_again_under_one_id() -> None:
    made = world()
    await made.sweep()
    tag(made, homeostat="test")
    real = made.memory.blobs.write

    async def crash(container: str, name: str, *rest: Any, **more: Any) -> str:
        if name == "targets.json":
            raise StorageUnavailable("died")
        return await real(container, name, *rest, **more)

    made.memory.blobs.write = crash  # type: ignore[method-assign]  # the store dies at this very write
    await made.sweep()
    made.memory.blobs.write = real  # type: ignore[method-assign]  # and is back
    made.pass_time(minutes=5)
    await made.sweep()
    assert [type_ for type_, _ in made.inbox.told()] == ["NoLongerManaged"] * 2
    assert len(set(made.inbox.ids())) == 1


async def test_a_target_that_is_only_renamed_is_still_managed() -> None:
    made = world()
    await made.sweep()
    made.specs.by_name["homeostat.yaml"] = SELECTOR + "name: prod-${web_app}\n"
    made.pass_time(minutes=1)
    await made.sweep()
    assert await targets(made) == ["prod-app-flask"]
    assert made.inbox.told() == []


async def test_a_subscription_that_can_no_longer_be_read_takes_nothing_out_of_force() -> None:
    """Resource Graph leaves out silently what the caller may not see."""
    made = world()
    subscription = made.cloud.subscription
    made.specs.by_name["homeostat.yaml"] = f"select: {{subscriptions: [{subscription}]}}\nextends: web\n"
    assert await targets(made) == ["app-flask"]
    made.cloud.subscriptions = ("00000000-0000-4000-8000-100000000002",)
    made.ambient.time += EVERY
    assert await targets(made) == ["app-flask"]
    assert f"subscription {subscription} had selected apps and can no longer be read" in made.service.desired.problem


@pytest.mark.parametrize(
    ("named", "code", "believed"),
    [
        (True, "SubscriptionNotFound", False),
        (True, "AuthorizationFailed", False),
        (True, "ResourceGroupNotFound", True),
        (False, "SubscriptionNotFound", True),
        (False, "AuthorizationFailed", False),
    ],
)
async def test_that_the_last_app_of_a_subscription_is_gone_is_believed_only_where_that_can_be_seen(
    *, named: bool, code: str, believed: bool
) -> None:
    made = world()
    where = f"subscriptions: [{made.cloud.subscription}]" if named else f"management_groups: [{made.cloud.tenant}]"
    made.specs.by_name["homeostat.yaml"] = f"select: {{{where}, tags: {{homeostat: prod}}}}\nextends: web\n"
    assert await targets(made) == ["app-flask"]
    tag(made, homeostat="test")
    body = {"error": {"code": code, "message": "no"}}
    made.strike(path="/sites/app-flask", status=403 if code == "AuthorizationFailed" else 404, body=body)
    made.ambient.time += EVERY
    assert await targets(made) == ([] if believed else ["app-flask"])


async def test_apps_of_which_no_fleet_can_be_made_leave_the_last_good_ones_in_force() -> None:
    """Two apps declare one rule of a shared NSG otherwise: the second brings the conflict."""
    made = world(homeostat="prod", team="4000")
    rule = "{priority: '${tag:team}', direction: Outbound, access: Allow, protocol: Tcp, ports: 443}"
    made.specs.by_name["profile.yaml"] = f"profile: web\nnsg_rules: {{nsg-shared: {{rules: {{r: {rule}}}}}}}\n"
    assert await targets(made) == ["app-flask"]
    tag(made, "app-new", homeostat="prod", team="4001")
    made.ambient.time += EVERY
    assert await targets(made) == ["app-flask"]
    assert "is declared otherwise" in made.service.desired.problem
    assert list((await another_instance(made).fleet()).targets) == ["app-flask"]
    tag(made, "app-new", homeostat="prod", team="4000")
    made.ambient.time += RETRY_EVERY
    assert await targets(made) == ["app-flask", "app-new"]
    assert made.service.desired.problem == ""


async def test_an_app_that_does_not_fit_is_told_in_the_health_and_stops_nobody() -> None:
    made = world()
    tag(made, "app-new", homeostat="prod")
    assert await targets(made) == ["app-flask"]
    assert "sites/app-new in rg-flask is left out: the app has no tag for ${tag:team}" in made.service.desired.problem
    assert (await made.service.health())["status"] == "degraded"


async def test_a_new_selector_is_resolved_at_once() -> None:
    made = world()
    made.specs.by_name = {}
    assert await targets(made) == []
    made.specs.by_name = {"a.yaml": SELECTOR.replace("extends: web\n", "")}
    made.ambient.time += CHECK_EVERY
    assert await targets(made) == ["app-flask"]


async def test_two_instances_that_resolve_at_once_agree_in_the_end() -> None:
    made = world()
    one, other = another_instance(made), another_instance(made)
    await one.fleet()
    tag(made, "app-new", homeostat="prod", team="x")
    await other.renewed()
    made.ambient.time += CHECK_EVERY
    assert list((await one.fleet()).targets) == list((await other.fleet()).targets) == ["app-flask", "app-new"]


@pytest.mark.parametrize(
    "stored",
    [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "answers": {"x": 7}}', b'{"format": 1, "answers": {"x": {}}}'],
)
async def test_a_blob_that_makes_no_sense_is_asked_for_anew(stored: bytes) -> None:
    made = world()
    await made.memory.blobs.write(CONTAINER, BLOB, stored)
    assert await targets(made) == ["app-flask"]
    blob = await made.memory.blobs.read(CONTAINER, BLOB)
    assert blob is not None
    assert len(json.loads(blob.data)["answers"]) == 1


async def test_a_blob_that_was_deleted_is_written_again_once_its_answer_is_old() -> None:
    made = world()
    await made.fleet()
    await made.memory.blobs.delete(CONTAINER, BLOB)
    made.ambient.time += CHECK_EVERY
    assert await targets(made) == ["app-flask"]
    made.ambient.time += EVERY
    assert await targets(made) == ["app-flask"]
    assert await made.memory.blobs.read(CONTAINER, BLOB) is not None


async def test_without_a_store_an_answer_that_is_lacking_is_no_answer() -> None:
    made = world()
    away = StorageUnavailable("away")

    async def read(*_: Any) -> None:
        raise away

    made.memory.blobs.read = read  # type: ignore[assignment, method-assign]  # the store is away
    with pytest.raises(StorageUnavailable):
        await made.fleet()


async def test_the_blob_holds_no_tag_that_no_document_uses() -> None:
    made = world(homeostat="prod", team="shop", secret="hunter2")
    await made.fleet()
    blob = await made.memory.blobs.read(CONTAINER, BLOB)
    assert blob is not None
    assert b"shop" in blob.data
    assert b"hunter2" not in blob.data


async def test_an_answer_that_nobody_asks_for_any_more_is_forgotten_in_the_end() -> None:
    made = world()
    await made.fleet()
    made.specs.by_name["homeostat.yaml"] = "select: {tags: {homeostat: [prod]}, slots: true}\nextends: web\n"
    made.ambient.time += FORGOTTEN_AFTER
    await made.fleet()
    blob = await made.memory.blobs.read(CONTAINER, BLOB)
    assert blob is not None
    assert len(json.loads(blob.data)["answers"]) == 1


async def test_several_subscriptions_are_selected_and_repaired_each_in_its_own() -> None:
    made = stand(
        "fleet:60", subscriptions=2, spec=SELECTOR.replace("extends: web\n", "app_settings: {settings: {A: b}}\n")
    )
    subscriptions = ", ".join(made.cloud.subscriptions)
    text = made.specs.by_name["homeostat.yaml"].replace("select: {", f"select: {{subscriptions: [{subscriptions}], ")
    made.specs.by_name["homeostat.yaml"] = text
    fleet = await made.fleet()
    assert len(fleet.targets) == 60
    assert {root.subscription for root in fleet.roots} == set(made.cloud.subscriptions)
    second = fleet.targets["app-00026"].web_app
    await made.engine.reconcile(fleet.roots[second], Trigger("manual"))
    assert made.writes() == ["PUT config/appsettings 200"]
