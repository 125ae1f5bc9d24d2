"""What Homeostat runs on is nobody's target, and no write touches it."""

import pytest

from homeostat.core.arm_types import SITE, STORAGE_ACCOUNT, SUBNET
from homeostat.core.ids import ResourceId
from homeostat.core.own import OwnResources
from homeostat.core.source import SpecError
from homeostat.core.spec import load
from homeostat.own import own_resources, own_site
from remediators import REGISTRY

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


def resource(type_: str, *names: str, group: str = "rg") -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, group, type_, *names)


SUBNET_OWN = resource(SUBNET.name, "vnet", "snet-homeostat")
APP = resource(SITE.name, "func-homeostat")
ZONE = resource("Microsoft.Network/privateDnsZones", "privatelink.blob.core.windows.net")
OWN = OwnResources(frozenset({SUBNET_OWN, APP, ZONE}), "sthomeostat")


@pytest.mark.parametrize(
    ("other", "touched"),
    [
        (SUBNET_OWN, True),
        (ResourceId.parse(SUBNET_OWN.text.upper().replace("/SUBSCRIPTIONS/", "/subscriptions/")), True),
        (resource("Microsoft.Network/virtualNetworks", "vnet"), True),  # it holds the subnet
        (resource(SUBNET.name, "vnet", "snet-app"), False),
        (APP.child("config", "appsettings"), True),
        (resource(SITE.name, "func-homeostat-2"), False),
        (ZONE.child("virtualNetworkLinks", "link"), True),
        (resource(STORAGE_ACCOUNT.name, "stHomeostat", group="elsewhere"), True),
        (resource(STORAGE_ACCOUNT.name, "st"), False),
        (resource("Microsoft.KeyVault/vaults", "sthomeostat"), False),
    ],
)
def test_what_is_is_in_or_holds_an_own_resource_is_touched(other: ResourceId, *, touched: bool) -> None:
    assert (OWN.touched_by(other) is not None) is touched


# --- what the environment tells ---


def test_azure_s_own_variables_tell_site_and_storage() -> None:
    environment = {
        "WEBSITE_OWNER_NAME": f"{SUBSCRIPTION}+rg-plan-WestEuropewebspace-Linux",
        "WEBSITE_RESOURCE_GROUP": "rg",
        "WEBSITE_SITE_NAME": "func-homeostat",
        "AzureWebJobsStorage__accountName": "sthomeostat",
        "HOMEOSTAT_OWN_RESOURCES": f" {SUBNET_OWN} ,{ZONE},",
    }
    problems: list[str] = []
    assert own_resources(environment, problems) == OWN
    assert own_site(environment) == APP
    assert problems == []


FLEX = {  # as told of at https://github.com/Azure/azure-functions-host/issues/10441
    "WEBSITE_OWNER_NAME": f"{SUBSCRIPTION}+flex-99ddf98f18fee2c3d86cb4d0f37573099297d5124520437bf-webspace",
    "WEBSITE_SITE_NAME": "func-homeostat",
}


def test_where_azure_does_not_tell_the_resource_group_the_listed_site_is_the_own_one() -> None:
    other = resource(SITE.name, "func-homeostat-2")
    spelled = APP.text.replace("func-homeostat", "Func-Homeostat")
    problems: list[str] = []
    environment = {**FLEX, "HOMEOSTAT_OWN_RESOURCES": f"{other},{ZONE},{spelled}"}
    assert own_site(environment) == APP
    assert own_resources(environment, problems).ids == {other, ZONE, APP}
    assert problems == []


@pytest.mark.parametrize("listed", ["", f"{ZONE}", APP.text.replace(SUBSCRIPTION, SUBSCRIPTION.replace("1", "2"))])
def test_where_neither_azure_nor_the_list_tells_the_own_site_nothing_is_done(listed: str) -> None:
    problems: list[str] = []
    environment = {**FLEX, "HOMEOSTAT_OWN_RESOURCES": listed}
    own_resources(environment, problems)
    assert own_site(environment) is None
    (problem,) = problems
    assert problem.startswith("HOMEOSTAT_OWN_RESOURCES does not name this function app")
    assert problem.endswith(f"add {APP.text.replace('/rg/', '/GROUP/')}")


def test_the_storage_account_is_known_from_a_connection_string_and_an_address_too() -> None:
    environment = {"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=stflask;AccountKey=AccountName=x"}
    assert own_resources(environment, []).storage_account == "stflask"
    address = {"AzureWebJobsStorage__blobServiceUri": "https://stflask.blob.core.usgovcloudapi.net"}
    assert own_resources(address, []).storage_account == "stflask"
    assert own_resources({}, []) == OwnResources()
    assert own_site({"WEBSITE_OWNER_NAME": "odd", "WEBSITE_RESOURCE_GROUP": "rg", "WEBSITE_SITE_NAME": "app"}) is None


def test_what_is_no_resource_id_is_a_problem_that_names_the_variable() -> None:
    problems: list[str] = []
    own_resources({"HOMEOSTAT_OWN_RESOURCES": f"sthomeostat,{ZONE}"}, problems)
    assert [(problem.startswith("HOMEOSTAT_OWN_RESOURCES: 'sthomeostat'")) for problem in problems] == [True]


# --- specs ---

HEAD = "target: app\nweb_app: app\nresource_group: rg\n"


def refused(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load({"s.yaml": text}, REGISTRY, subscription=SUBSCRIPTION, own=OWN)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (HEAD.replace("web_app: app", "web_app: func-homeostat"), 1, "the web app"),
        (HEAD.replace("web_app: app", "web_app: func-homeostat/staging"), 1, "the web app"),
        (HEAD + "zones:\n  privatelink.blob.core.windows.net: {}\n", 5, "zones"),
        (HEAD + "subnet:\n  vnet/snet-homeostat:\n    address_prefix: 10.0.0.0/24\n", 5, "subnet"),
        (HEAD + "dns_links:\n  privatelink.blob.core.windows.net:\n    links: {l: {vnet: v}}\n", 6, "dns_links"),
    ],
)
def test_a_spec_that_declares_one_is_refused_at_its_line(text: str, line: int, what: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith(f"s.yaml:{line}: {what}")
    assert "Homeostat's own" in problem


def test_a_neighbour_in_the_same_network_may_be_declared() -> None:
    text = HEAD + "subnet:\n  vnet/snet-app:\n    address_prefix: 10.0.1.0/24\n"
    assert load({"s.yaml": text}, REGISTRY, subscription=SUBSCRIPTION, own=OWN).targets
