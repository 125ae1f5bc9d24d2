"""Azure CLI commands that operators use on the guide's world, beside the guide's own."""

import pytest

from tests.support.azure_cli import AzureCli, AzureCliError
from tests.support.shown import APP, GROUP, NSG, SUBNET, VNET, ZONE

pytestmark = pytest.mark.cli

IN_GROUP = ("--resource-group", GROUP)


def test_the_az_program_itself_answers(logged_in: AzureCli) -> None:
    account = logged_in.program("account", "show")
    assert account["environmentName"] == "local"
    assert account["state"] == "Enabled"


def test_the_integration_is_listed_with_its_subnet(az: AzureCli) -> None:
    (integration,) = az("webapp", "vnet-integration", "list", *IN_GROUP, "--name", APP)
    assert integration["name"] == SUBNET
    assert integration["vnetResourceId"].endswith(f"/virtualNetworks/{VNET}/subnets/{SUBNET}")


def test_private_endpoints_are_listed_approved(az: AzureCli) -> None:
    endpoints = az("network", "private-endpoint", "list", *IN_GROUP)
    states = {
        each["name"]: each["privateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"]
        for each in endpoints
    }
    assert states == {"pe-sql": "Approved", "pe-keyvault": "Approved", "pe-redis": "Approved"}


def test_links_and_rules_and_flow_logs_are_listed(az: AzureCli) -> None:
    (link,) = az("network", "private-dns", "link", "vnet", "list", *IN_GROUP, "--zone-name", ZONE)
    assert link["virtualNetworkLinkState"] == "Completed"
    rules = az("network", "nsg", "rule", "list", *IN_GROUP, "--nsg-name", NSG)
    assert [each["priority"] for each in rules] == [100, 110, 120, 4096]
    (flow_log,) = az("network", "watcher", "flow-log", "list", "--location", "westeurope")
    assert flow_log["enabled"] is True


def test_settings_keep_their_order_and_sticky_ones_are_marked(az: AzureCli) -> None:
    settings = ("webapp", "config", "appsettings")
    az(*settings, "set", *IN_GROUP, "--name", APP, "--slot-settings", "STAYS=here")
    listed = az(*settings, "list", *IN_GROUP, "--name", APP)
    assert [each["name"] for each in listed][:2] == ["EXTRA_SETTING", "DB_PASSWORD"]
    assert listed[-1] == {"name": "STAYS", "value": "here", "slotSetting": True}


def test_a_generic_update_reaches_the_resource(az: AzureCli) -> None:
    app = ("--resource-type", "Microsoft.Web/sites", "--name", APP, *IN_GROUP)
    assert az("resource", "show", *app)["properties"]["httpsOnly"] is True
    az("resource", "update", *app, "--set", "properties.httpsOnly=false")
    assert az("resource", "show", *app)["properties"]["httpsOnly"] is False


def test_a_read_only_lock_blocks_even_the_reading_of_settings(az: AzureCli) -> None:
    lock = ("--name", "frozen", *IN_GROUP)
    az("lock", "create", *lock, "--lock-type", "ReadOnly")
    with pytest.raises(AzureCliError, match="ScopeLocked"):
        az("webapp", "config", "appsettings", "list", *IN_GROUP, "--name", APP)
    az("lock", "delete", *lock)
    assert az("webapp", "config", "appsettings", "list", *IN_GROUP, "--name", APP)


def test_a_removed_integration_can_be_added_again(az: AzureCli) -> None:
    app = (*IN_GROUP, "--name", APP)
    az("webapp", "vnet-integration", "remove", *app)
    assert az("webapp", "vnet-integration", "list", *app) == []
    az("webapp", "vnet-integration", "add", *app, "--vnet", VNET, "--subnet", SUBNET)
    assert len(az("webapp", "vnet-integration", "list", *app)) == 1


def test_a_backend_rejects_an_endpoint_and_the_endpoint_says_so(az: AzureCli) -> None:
    server = ("--resource-type", "Microsoft.Sql/servers", "--name", "sql-flask", *IN_GROUP)
    (connection,) = az("resource", "show", *server)["properties"]["privateEndpointConnections"]
    az("network", "private-endpoint-connection", "reject", "--id", connection["id"], "--description", "no longer")
    endpoint = az("network", "private-endpoint", "show", *IN_GROUP, "--name", "pe-sql")
    state = endpoint["privateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]
    assert (state["status"], state["description"]) == ("Rejected", "no longer")


def test_a_command_that_arm_refuses_fails_with_its_reason(az: AzureCli) -> None:
    with pytest.raises(AzureCliError, match="SecurityRuleConflict"):
        az("network", "nsg", "rule", "update", *IN_GROUP, "--nsg-name", NSG, "--name", "allow-sql", "--priority", "110")


@pytest.mark.parametrize(
    ("update", "show"),
    [
        (
            ("sql", "server", "update", "--name", "sql-flask", "--enable-public-network", "true"),
            ("sql", "server", "show", "--name", "sql-flask"),
        ),
        (
            ("keyvault", "update", "--name", "kv-flask", "--public-network-access", "Enabled"),
            ("keyvault", "show", "--name", "kv-flask"),
        ),
        (
            ("redis", "update", "--name", "redis-flask", "--set", "publicNetworkAccess=Enabled"),
            ("redis", "show", "--name", "redis-flask"),
        ),
        (
            ("storage", "account", "update", "--name", "stflask", "--public-network-access", "Enabled"),
            ("storage", "account", "show", "--name", "stflask"),
        ),
    ],
    ids=("sql", "keyvault", "redis", "storage"),
)
def test_a_backend_is_opened_by_its_own_command(az: AzureCli, update: tuple[str, ...], show: tuple[str, ...]) -> None:
    az(*update, *IN_GROUP)
    shown = az(*show, *IN_GROUP)
    assert shown.get("properties", shown)["publicNetworkAccess"] == "Enabled"


def test_an_app_is_created_given_a_slot_and_swapped(az: AzureCli) -> None:
    app = (*IN_GROUP, "--name", "app-two")
    settings = ("webapp", "config", "appsettings")
    az("webapp", "create", *app, "--plan", "plan-flask", "--runtime", "PYTHON:3.12")
    az("webapp", "deployment", "slot", "create", *app, "--slot", "stage")
    az(*settings, "set", *app, "--slot", "stage", "--settings", "MOVES=from-stage")
    az("webapp", "deployment", "slot", "swap", *app, "--slot", "stage")
    assert {"name": "MOVES", "value": "from-stage", "slotSetting": False} in az(*settings, "list", *app)


def test_an_identity_is_assigned(az: AzureCli) -> None:
    assigned = az("webapp", "identity", "assign", *IN_GROUP, "--name", APP)
    assert assigned["type"] == "SystemAssigned"
    assert az("webapp", "identity", "show", *IN_GROUP, "--name", APP)["principalId"] == assigned["principalId"]
