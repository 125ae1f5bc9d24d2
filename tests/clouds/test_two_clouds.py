"""One deployment in two clouds: each heals as if it were alone, and neither hears of the other."""

from datetime import timedelta

import pytest

from homeostat.core.graph import RowQuery
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Trigger
from homeostat.paging import every_row
from simulator.cloud import HOMEOSTAT
from simulator.places import GOVERNMENT
from tests.clouds.two import ENVIRONMENT, TwoClouds, two_clouds
from tests.loop.stand import SPEC, WEB_VERSION, Stand

pytestmark = pytest.mark.wire

WRITE_OF_RULE = "Microsoft.Network/networkSecurityGroups/securityRules/write"
GOVERNMENT_ZONE = "privatelink.database.usgovcloudapi.net"
PORT = "destinationPortRange"
NAMED = "name: ${web_app}-${subscription}\n"
PROFILE = "profile: web\napp_settings: {settings: {NAME: '${web_app}'}}\n"
SELECTED = "select: {{subscriptions: [{home}, {government}], tags: {{homeostat: prod}}}}\nextends: web\n{name}"


def port(of: Stand) -> str:
    found: str = of.rule("allow-sql")["properties"][PORT]
    return found


def tag(of: Stand, app: str = "app-flask") -> None:
    group = f"/subscriptions/{of.cloud.subscription}/resourceGroups/rg-flask"
    plan = f"{group}/providers/Microsoft.Web/serverfarms/plan-flask"
    body = {"location": "westeurope", "tags": {"homeostat": "prod"}, "properties": {"serverFarmId": plan}}
    of.operator("PUT", f"{group}/providers/Microsoft.Web/sites/{app}", body, WEB_VERSION)


def selecting() -> TwoClouds:
    clouds = two_clouds()
    clouds.home.specs.by_name["homeostat.yaml"] = SELECTED.format(
        home=clouds.home.cloud.subscription, government=GOVERNMENT.subscription, name=NAMED
    )
    clouds.home.specs.by_name["profile.yaml"] = PROFILE
    tag(clouds.home)
    tag(clouds.government)
    return clouds


async def subscriptions(clouds: TwoClouds) -> list[str]:
    """Of the targets, in order."""
    fleet = await clouds.home.service.desired.fleet()
    return sorted(target.web_app.subscription for target in fleet.targets.values())


async def test_drift_is_healed_in_each_cloud() -> None:
    clouds = two_clouds()
    for each in (clouds.home, clouds.government):
        each.change_rule("allow-sql", **{PORT: "1434"})
        each.change_settings(REDIS_PORT="1")
        each.leave_network()
    await clouds.sweep()
    for each in (clouds.home, clouds.government):
        assert (port(each), each.settings()["REDIS_PORT"]) == ("1433", "6380")
        assert each.subnet_of_site() is not None
    assert clouds.home.failures == []


async def test_where_nothing_has_drifted_nothing_is_written_in_either_cloud() -> None:
    clouds = two_clouds()
    await clouds.sweep()
    assert (clouds.home.writes(), clouds.government.writes()) == ([], [])
    assert clouds.home.inbox.told() == []


async def test_the_token_of_one_cloud_is_never_sent_to_the_other() -> None:
    clouds = two_clouds()
    clouds.government.change_rule("allow-sql", **{PORT: "1434"})
    await clouds.sweep()
    assert clouds.transport.sent == {
        ("management.azure.com", clouds.home.cloud.tenant),
        ("management.usgovcloudapi.net", GOVERNMENT.tenant),
    }


async def test_a_link_into_the_other_cloud_is_not_followed() -> None:
    clouds = two_clouds()
    page = {"value": [], "nextLink": f"https://management.azure.com/subscriptions/{clouds.home.cloud.subscription}"}
    clouds.government.strike(path="virtualNetworkLinks$", status=200, body=page)
    outcome = await clouds.home.engine.reconcile(await clouds.government.root(GOVERNMENT_ZONE), Trigger("manual"))
    assert "the token is not sent there" in outcome.error
    assert ("management.azure.com", GOVERNMENT.tenant) not in clouds.transport.sent


async def test_nothing_that_is_in_one_cloud_is_asked_of_the_other() -> None:
    clouds = two_clouds()
    for each in (clouds.home, clouds.government):
        each.change_rule("allow-sql", **{PORT: "1434"})
    await clouds.sweep()
    for each, other in ((clouds.home, clouds.government), (clouds.government, clouds.home)):
        assert any("deployments" in exchange.path for exchange in each.cloud.exchanges)
        assert not [exchange for exchange in each.cloud.exchanges if other.cloud.subscription in exchange.path]


@pytest.mark.parametrize("failure", [{"status": 503}, {"drop": True}])
async def test_when_one_cloud_is_down_the_other_is_healed_and_nothing_is_taken_for_gone(
    failure: dict[str, object],
) -> None:
    clouds = two_clouds()
    for each in (clouds.home, clouds.government):
        each.change_rule("allow-sql", **{PORT: "1434"})
    fault = clouds.government.strike(path="/", **failure)
    await clouds.sweep()
    assert port(clouds.home) == "1433"
    assert (await clouds.government.record("nsg")).failing is not None
    assert not any(kind in {"ended", "gone"} for kind, _ in clouds.home.inbox.told())
    clouds.government.exchanger.faults.remove(fault)
    await clouds.sweep()
    assert port(clouds.government) == "1433"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        pytest.param("CLIENT_SECRET", "expired", "no token for Azure", id="refused"),
        pytest.param("AUTHORITY_HOST", "login.nowhere.example", "Cannot connect to host login.nowhere", id="silent"),
    ],
)
async def test_without_a_token_for_one_cloud_its_roots_fail_alone(variable: str, value: str, said: str) -> None:
    clouds = two_clouds(environment={**ENVIRONMENT, f"AZUREUSGOVERNMENT_{variable}": value})
    for each in (clouds.home, clouds.government):
        each.change_rule("allow-sql", **{PORT: "1434"})
    await clouds.sweep()
    assert port(clouds.home) == "1433"
    failed = await clouds.home.engine.reconcile(await clouds.government.root("nsg"), Trigger("manual"))
    assert said in str(failed.error)


async def test_an_event_is_compared_with_who_we_are_in_its_cloud() -> None:
    clouds = two_clouds()
    government = clouds.government
    government.change_rule("allow-sql", **{PORT: "1434"})
    await clouds.sweep()
    ((correlation_id, *_),) = [(each.correlation_id,) for each in (await government.record("nsg")).own_writes]
    rule = government.id("nsg").child("securityRules", "allow-sql")

    async def marked(object_id: str, app_id: str) -> int:
        claims = {"http://schemas.microsoft.com/identity/claims/objectidentifier": object_id, "appid": app_id}
        event = government.event(rule, WRITE_OF_RULE, claims=claims, correlationId=correlation_id)
        return len(await government.service.on_event(event))

    assert await marked(GOVERNMENT.application.object_id, GOVERNMENT.application.app_id) == 0
    assert await marked(HOMEOSTAT.object_id, HOMEOSTAT.app_id) == 1


async def test_a_drift_is_put_down_to_whom_the_cloud_s_own_memory_names() -> None:
    clouds = two_clouds()
    clouds.government.pass_time(minutes=1)
    clouds.government.change_rule("allow-sql", **{PORT: "1434"})
    await clouds.sweep()
    since = clouds.home.ambient.now() - timedelta(hours=1)
    (*_, change) = await clouds.arm.changes.changes(clouds.government.id("nsg"), since)
    assert GOVERNMENT.subscription in change.resource
    assert await clouds.arm.changes.changes(clouds.home.id("nsg"), since) == ()


async def test_a_selector_asks_each_cloud_for_its_own_subscriptions() -> None:
    clouds = selecting()
    assert await subscriptions(clouds) == sorted((clouds.home.cloud.subscription, GOVERNMENT.subscription))
    asked = [each for each in clouds.government.cloud.exchanges if "ResourceGraph" in each.path]
    assert len(asked) == 1


@pytest.mark.parametrize("down", ["home", "government"])
async def test_while_one_cloud_does_not_answer_its_apps_stay_and_the_other_s_are_still_found(down: str) -> None:
    clouds = selecting()
    await subscriptions(clouds)
    failing, well = getattr(clouds, down), clouds.home if down == "government" else clouds.government
    fault = failing.strike(path="Microsoft.ResourceGraph", status=503)
    tag(well, "app-new")
    clouds.home.pass_time(minutes=16)
    fleet = await clouds.home.service.sweeps.renewed()
    assert len(fleet.targets) == 3
    assert "could not be resolved" in (await clouds.home.service.health())["problem"]  # type: ignore[operator]  # a text
    failing.exchanger.faults.remove(fault)
    tag(failing, "app-later")
    clouds.home.pass_time(minutes=3)  # as old as it was, the answer is due at the next look, without a sweep
    assert len((await clouds.home.service.desired.fleet()).targets) == 4


async def test_a_cloud_that_is_down_for_weeks_loses_none_of_its_apps() -> None:
    clouds = selecting()
    await clouds.home.service.sweeps.renewed()
    clouds.government.strike(path="Microsoft.ResourceGraph", status=503)
    for _ in range(10):
        clouds.home.pass_time(days=1)
        assert len((await clouds.home.service.sweeps.renewed()).targets) == 2


async def test_a_management_group_is_asked_for_in_its_cloud() -> None:
    clouds = selecting()
    clouds.home.specs.by_name["homeostat.yaml"] = (
        f"select: {{management_groups: [{GOVERNMENT.tenant}], tags: {{homeostat: prod}}}}\nextends: web\n"
    )
    assert await subscriptions(clouds) == [GOVERNMENT.subscription]


async def test_a_subscription_that_a_management_group_brings_and_nobody_placed_is_told() -> None:
    clouds = selecting()
    clouds.government.cloud.subscriptions = (GOVERNMENT.subscription, other := "00000000-0000-4000-8000-3000000000ff")
    clouds.government.cloud.management_groups = {GOVERNMENT.tenant: clouds.government.cloud.subscriptions}
    group = f"/subscriptions/{other}/resourceGroups/rg-flask"
    clouds.government.operator("PUT", group, {"location": "westeurope"}, "2024-03-01")
    plan = f"{group}/providers/Microsoft.Web/serverfarms/plan-flask"
    sku = {"name": "P1v3", "tier": "PremiumV3", "size": "P1v3", "family": "Pv3", "capacity": 1}
    clouds.government.operator("PUT", plan, {"location": "westeurope", "sku": sku, "properties": {}}, WEB_VERSION)
    body = {"location": "westeurope", "tags": {"homeostat": "prod"}, "properties": {"serverFarmId": plan}}
    clouds.government.operator("PUT", f"{group}/providers/Microsoft.Web/sites/app-x", body, WEB_VERSION)
    clouds.home.specs.by_name["homeostat.yaml"] = (
        f"select: {{management_groups: [{GOVERNMENT.tenant}], tags: {{homeostat: prod}}}}\nextends: web\n"
    )
    await clouds.home.service.desired.fleet()
    problem = clouds.home.service.desired.problem
    assert f"subscription {other} is in AzureUSGovernment: HOMEOSTAT_CLOUD_OF_SUBSCRIPTIONS has to say so" in problem


async def test_pages_of_rows_go_through_the_clouds_one_after_the_other() -> None:
    clouds = selecting()
    tag(clouds.home, "app-new")
    tag(clouds.government, "app-new")
    query = RowQuery(("microsoft.web/sites",), ("id",))
    rows: list[JsonObject] = []
    totals: list[int] = []
    token = ""
    while True:
        page = await clouds.arm.changes.page(query, top=1, token=token)
        rows.extend(page.rows)
        totals.append(page.total)
        if not (token := page.token):
            break
    assert len({str(row["id"]) for row in rows}) == 4
    assert totals == [2, 2, 4, 4]
    assert await every_row(clouds.arm.changes, query, clouds.home.ambient.sleep) == tuple(rows)


async def test_a_document_of_one_cloud_alone_asks_nothing_of_the_other() -> None:
    clouds = two_clouds(SPEC)
    await clouds.sweep()
    assert not clouds.government.cloud.exchanges
