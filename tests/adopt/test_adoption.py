"""The spec of a live app declares what is there: its plan is empty, and no secret has got into it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.adopt.adoption import Adoption, adopt
from homeostat.adopt.sections import ADOPTERS
from homeostat.adopt.survey import NoWebApp
from homeostat.core.ids import ResourceId
from homeostat.core.outcome import Status, Trigger
from homeostat.core.source import parse_documents
from homeostat.core.spec import Fleet, load
from remediators import REGISTRY, WITHOUT_PROBES
from remediators.app_settings import PLATFORM_NAMES
from tests.loop.stand import DNS_VERSION, NSG_VERSION, WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire

SECRETS = {
    "DB_PASSWORD": "hunter2-in-the-clear",
    "PLAIN_NAME": "DefaultEndpointsProtocol=https;AccountName=st;AccountKey=c2VjcmV0LWluLXRoZS1jbGVhcg==",
    "SESSION": "kR7x2Lw9QpZt4Vb8Ns3Yd6Hf",
}
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/api-key)"


@dataclass
class Adopted:
    stand: Stand
    adoption: Adoption

    @property
    def text(self) -> str:
        return self.adoption.text

    @property
    def data(self) -> Any:
        (source,) = parse_documents(self.text, "adopted.yaml")
        return source.data

    @property
    def fleet(self) -> Fleet:
        """It names its subscription, and so loads anywhere."""
        return load({"adopted.yaml": self.text}, REGISTRY)

    async def drifts(self) -> list[tuple[str, str, str]]:
        """What a plan of it finds, made afresh from ARM."""
        found: list[tuple[str, str, str]] = []
        engine = replace(self.stand.engine, registry=WITHOUT_PROBES)
        for root in self.fleet.roots.values():
            outcome = await engine.reconcile(root, Trigger("manual", dry_run=True))
            assert outcome.status is Status.IN_SYNC or outcome.plan.drifts
            found.extend((drift.kind, "/".join(drift.path), drift.note) for drift in outcome.plan.drifts)
        return found


async def adopted(stand: Stand, web_app: ResourceId | None = None) -> Adopted:
    found = await adopt(web_app or stand.id("site"), stand.engine, stand.arm.reader)
    assert stand.writes() == []
    return Adopted(stand, found)


async def test_the_guide_s_app_is_declared_with_every_kind_and_has_no_drift() -> None:
    found = await adopted(stand("guide"))
    assert await found.drifts() == []
    assert found.data.keys() & REGISTRY.keys() == ADOPTERS.keys() & REGISTRY.keys()
    assert found.adoption.left_out == ()
    assert found.adoption.unread == ()


async def test_what_was_found_is_told_in_the_file() -> None:
    text = (await adopted(stand("guide"))).text
    assert "# - private endpoint pe-sql to sql-flask, approved" in text
    assert "# - network security group nsg-appservice-integration with 4 rules" in text


async def test_a_change_after_adoption_is_drift_of_what_was_adopted() -> None:
    found = await adopted(stand("guide"))
    found.stand.change_rule("allow-sql", access="Deny")
    found.stand.change_settings(REDIS_PORT="6379", EXTRA_SETTING=None)
    assert {kind for kind, _, _ in await found.drifts()} == {"nsg_rules", "app_settings"}


async def test_an_app_without_a_network_is_declared_without_one() -> None:
    found = await adopted(stand("prerequisites"))
    assert found.data["app_settings"] == {"settings": {"DB_PASSWORD": {"secret": "true"}, "EXTRA_SETTING": "keep"}}
    assert "vnet_integration" not in found.data
    assert "# - the app is in no virtual network: nothing of a network is declared" in found.text
    assert await found.drifts() == []


async def test_no_secret_is_written_and_a_key_vault_reference_is() -> None:
    here = stand("guide")
    vault = ResourceId.of(here.cloud.subscription, "rg-flask", "Microsoft.KeyVault/vaults", "kv-flask")
    here.operator("PUT", vault.child("secrets", "api-key"), {"properties": {"value": "v"}}, "2023-07-01")
    here.change_settings(**SECRETS, API_KEY=REFERENCE)
    found = await adopted(here)
    assert not [value for value in SECRETS.values() if value in found.text or value in repr(found.adoption)]
    written = found.data["app_settings"]["settings"]
    assert {name: written[name] for name in SECRETS} == {name: {"secret": "true"} for name in SECRETS}
    assert written["API_KEY"] == REFERENCE
    assert await found.drifts() == []


async def test_a_reference_that_leads_to_no_secret_would_drift_and_is_left_out_with_the_reason() -> None:
    here = stand("guide")
    here.change_settings(API_KEY=REFERENCE)
    found = await adopted(here)
    assert "API_KEY" not in found.data["app_settings"]["settings"]
    (reason,) = found.adoption.left_out
    assert reason.startswith("app_settings/settings/API_KEY: properties/API_KEY")
    assert "no such secret" in reason
    assert await found.drifts() == []


async def test_a_value_that_looks_like_a_variable_stands_for_itself() -> None:
    here = stand("guide")
    here.change_settings(TEMPLATE="${name} and $${name}")
    found = await adopted(here)
    assert "$${name} and $$${name}" in found.text
    assert await found.drifts() == []


async def test_what_the_platform_writes_by_itself_is_left_to_it() -> None:
    here = stand("guide")
    here.change_settings(WEBSITE_RUN_FROM_PACKAGE="https://example.com/app.zip", WEBSITE_DNS_SERVER="10.10.0.4")
    found = await adopted(here)
    assert "WEBSITE_RUN_FROM_PACKAGE" not in found.data["app_settings"]["settings"]
    assert found.data["app_settings"]["settings"]["WEBSITE_DNS_SERVER"] == "10.10.0.4"
    assert found.adoption.left_out == ("settings that Azure and its tools write: WEBSITE_RUN_FROM_PACKAGE",)


async def test_a_setting_that_no_spec_may_declare_is_left_out_with_the_reason() -> None:
    here = stand("guide")
    here.change_settings(SQL_HOST="sql-flask.privatelink.database.windows.net")
    found = await adopted(here)
    assert "SQL_HOST" not in found.data["app_settings"]["settings"]
    (reason,) = found.adoption.left_out
    assert reason.startswith("app_settings/settings/SQL_HOST: SQL_HOST names the private-link host")
    assert await found.drifts() == []


async def test_a_slot_is_a_target_of_its_own_with_its_sticky_settings_told() -> None:
    here = stand("guide")
    site = here.id("site")
    plan = here.operator("GET", site, version=WEB_VERSION).body["properties"]["serverFarmId"]
    slot = site.child("slots", "staging")
    body = {"location": "westeurope", "properties": {"serverFarmId": plan}}
    here.operator("PUT", slot, body, WEB_VERSION)
    here.operator("PUT", slot.child("config", "appsettings"), {"properties": {"STAGE": "staging"}}, WEB_VERSION)
    sticky = {"properties": {"appSettingNames": ["STAGE"]}}
    here.operator("PUT", site.child("config", "slotConfigNames"), sticky, WEB_VERSION)
    found = await adopted(here, slot)
    assert (found.data["target"], found.data["web_app"]) == ("app-flask--staging", "app-flask/staging")
    assert "    # stays with its slot on a swap\n    STAGE: staging\n" in found.text
    assert await found.drifts() == []


async def test_what_may_not_be_read_is_told_and_the_rest_is_declared() -> None:
    here = stand("guide")
    denied = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    locked = {"error": {"code": "ScopeLocked", "message": "locked"}}
    here.strike(path="/networkSecurityGroups/", status=403, body=denied)
    here.strike(path="/config/appsettings", status=409, body=locked)
    found = await adopted(here)
    assert "nsg_rules" not in found.data
    assert "app_settings" not in found.data
    assert found.adoption.unread == (
        "networkSecurityGroups/nsg-appservice-integration: denied",
        "sites/app-flask/config/appsettings: locked",
    )
    assert "vnet_integration" in found.data


async def test_resources_of_another_group_are_named_with_it() -> None:
    here = stand("guide")
    hub = ResourceId.of(here.cloud.subscription, "rg-hub", "Microsoft.Network/privateDnsZones", "corp.example.com")
    here.operator("PUT", f"/subscriptions/{hub.subscription}/resourceGroups/rg-hub", {"location": "westeurope"})
    here.operator("PUT", hub, {"location": "global"}, DNS_VERSION)
    vnet = ResourceId.of(here.cloud.subscription, "rg-flask", "Microsoft.Network/virtualNetworks", "vnet-appservice")
    other = ResourceId.of(here.cloud.subscription, "rg-hub", "Microsoft.Network/virtualNetworks", "vnet-other")
    space = {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}
    here.operator("PUT", other, {"location": "westeurope", "properties": space}, NSG_VERSION)
    for name, network in (("ours", vnet), ("theirs", other)):
        link = {"virtualNetwork": {"id": network.text}, "registrationEnabled": False}
        body = {"location": "global", "properties": link}
        here.operator("PUT", hub.child("virtualNetworkLinks", name), body, DNS_VERSION)
    found = await adopted(here)
    declared = {"links": {"ours": {"vnet": "vnet-appservice", "registration": "false"}}}
    assert found.data["dns_links"]["rg-hub:corp.example.com"] == declared
    assert "1 links of rg-hub:corp.example.com to other networks" in found.adoption.left_out
    assert await found.drifts() == []


async def test_an_app_that_is_not_there_is_refused_with_what_to_check() -> None:
    here = stand("guide")
    with pytest.raises(NoWebApp, match=r"there is no sites/app-nobody in rg-flask .* Check --web-app"):
        await adopt(
            ResourceId.of(here.cloud.subscription, "rg-flask", "Microsoft.Web/sites", "app-nobody"),
            here.engine,
            here.arm.reader,
        )


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SETTINGS = st.dictionaries(NAMES, VALUES, max_size=6).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)
PREFIXES = st.sampled_from(["*", "10.0.0.0/8", "192.168.1.4", "Internet", "VirtualNetwork", "Sql.WestEurope"])
PORTS = st.sampled_from(["*", "443", "1000-2000"])
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "access": st.sampled_from(["Allow", "Deny"]),
            "direction": st.sampled_from(["Inbound", "Outbound"]),
            "protocol": st.sampled_from(["Tcp", "TCP", "udp", "*", "Icmp"]),
            "priority": st.integers(200, 4000),
            "sourceAddressPrefix": PREFIXES,
            "sourcePortRange": PORTS,
            "destinationAddressPrefix": PREFIXES,
            "destinationPortRange": PORTS,
            "description": st.sampled_from(["", "on", "who: knows # why", "ünïcode"]),
        }
    ),
    max_size=4,
    unique_by=lambda rule: (rule["direction"], rule["priority"]),
)


@settings(max_examples=25, deadline=None)
@given(SETTINGS, RULES)
def test_whatever_else_is_there_adoption_declares_what_was_read(
    extra: dict[str, str], rules: list[dict[str, Any]]
) -> None:
    asyncio.run(_declares_what_was_read(extra, rules))


async def _declares_what_was_read(extra: dict[str, str], rules: list[dict[str, Any]]) -> None:
    here = stand("guide")
    here.change_settings(
        **{name: value for name, value in extra.items() if name.upper() not in {s.upper() for s in here.settings()}}
    )
    for number, rule in enumerate(rules):
        here.operator("PUT", here.id("nsg").child("securityRules", f"extra-{number}"), {"properties": rule})
    found = await adopted(here)
    assert await found.drifts() == []
    wants = found.fleet.roots[here.id("site")].wants["app_settings"].items
    for name, value in here.settings().items():
        left_out = any(line.startswith(f"app_settings/settings/{name}:") for line in found.adoption.left_out)
        if not left_out and (not PLATFORM_NAMES.fullmatch(name) or name in wants):
            assert wants[name].value.value in {value, None}
    assert found.fleet.roots[here.id("nsg")].wants["nsg_rules"].items.keys() >= {
        f"extra-{n}" for n in range(len(rules))
    }
