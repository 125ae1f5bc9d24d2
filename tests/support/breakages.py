"""Ways to break the guide's world with the Azure CLI, as a person would.

A breakage knows what it does and which part of the state shows it, so that a test can see through the CLI that the
state is broken, and later that it is whole again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.azure_cli import AzureCli

type Kind = Literal["app_settings", "nsg_rules", "vnet_integration", "dns_links"]
type Shown = Mapping[str, Any]

GROUP = "rg-flask"
APP = "app-flask"
VNET = "vnet-appservice"
SUBNET = "snet-appservice-integration"
NSG = "nsg-appservice-integration"
ZONE = "privatelink.database.windows.net"
LINK = "link-vnet-appservice"

_IN_GROUP = ("--resource-group", GROUP)
_RULE = (*_IN_GROUP, "--nsg-name", NSG)
_LINK = (*_IN_GROUP, "--zone-name", ZONE)


@dataclass(frozen=True, slots=True)
class Breakage:
    """`root` is the type of the ARM root resource that is broken, `kind` the remediator whose field it is.

    `show` reads the part of the state that breaks, `broken` is what it then holds of it.
    """

    name: str
    root: str
    kind: Kind
    apply: Callable[[AzureCli], None]
    show: Callable[[AzureCli], Shown]
    broken: Shown

    def is_visible(self, az: AzureCli) -> bool:
        """Whether the CLI sees the state as this breakage leaves it."""
        shown = self.show(az)
        return all(shown.get(name) == value for name, value in self.broken.items())


def app_settings(az: AzureCli) -> Shown:
    """Every app setting's value by its name, None for a missing one that the guide sets."""
    found = az("webapp", "config", "appsettings", "list", *_IN_GROUP, "--name", APP)
    return {"REDIS_PORT": None, "SQL_SERVER_FQDN": None} | {each["name"]: each["value"] for each in found}


def rules(az: AzureCli) -> Shown:
    """`RULE.property` of every outbound rule; `RULE` itself is None when it is gone."""
    shown: dict[str, Any] = {"allow-sql": None, "deny-all-outbound": None}
    for rule in az("network", "nsg", "rule", "list", *_RULE):
        shown[rule["name"]] = rule["priority"]
        for name in ("access", "priority", "destinationPortRange", "destinationAddressPrefix"):
            shown[f"{rule['name']}.{name}"] = rule.get(name)
    return shown


def integration(az: AzureCli) -> Shown:
    found = az("webapp", "vnet-integration", "list", *_IN_GROUP, "--name", APP)
    return {"subnet": found[0]["vnetResourceId"].rpartition("/")[2] if found else None}


def links(az: AzureCli) -> Shown:
    """Whether each link of the SQL zone registers names; None for the guide's link when it is gone."""
    found = az("network", "private-dns", "link", "vnet", "list", *_LINK)
    return {LINK: None} | {each["name"]: each["registrationEnabled"] for each in found}


def change_setting(az: AzureCli) -> None:
    az("webapp", "config", "appsettings", "set", *_IN_GROUP, "--name", APP, "--settings", "REDIS_PORT=6379")


def delete_setting(az: AzureCli) -> None:
    az("webapp", "config", "appsettings", "delete", *_IN_GROUP, "--name", APP, "--setting-names", "SQL_SERVER_FQDN")


def weaken_rule_access(az: AzureCli) -> None:
    _update_rule(az, "deny-all-outbound", "--access", "Allow")


def weaken_rule_port(az: AzureCli) -> None:
    _update_rule(az, "allow-https", "--destination-port-ranges", "0-65535")


def narrow_rule_prefix(az: AzureCli) -> None:
    _update_rule(az, "allow-sql", "--destination-address-prefixes", "203.0.113.0/24")


def delete_rule(az: AzureCli) -> None:
    az("network", "nsg", "rule", "delete", *_RULE, "--name", "allow-sql")


def reprioritise_rule(az: AzureCli) -> None:
    _update_rule(az, "deny-all-outbound", "--priority", "4000")


def swap_priorities(az: AzureCli) -> None:
    """Through a third priority, since two rules cannot hold the same one for a moment."""
    _update_rule(az, "allow-sql", "--priority", "4000")
    _update_rule(az, "allow-redis", "--priority", "100")
    _update_rule(az, "allow-sql", "--priority", "110")


def remove_integration(az: AzureCli) -> None:
    az("webapp", "vnet-integration", "remove", *_IN_GROUP, "--name", APP)


def delete_link(az: AzureCli) -> None:
    az("network", "private-dns", "link", "vnet", "delete", *_LINK, "--name", LINK, "--yes")


def switch_registration_on(az: AzureCli) -> None:
    az("network", "private-dns", "link", "vnet", "update", *_LINK, "--name", LINK, "--registration-enabled", "true")


def _update_rule(az: AzureCli, name: str, *change: str) -> None:
    az("network", "nsg", "rule", "update", *_RULE, "--name", name, *change)


_SITE = "Microsoft.Web/sites"
_NSG = "Microsoft.Network/networkSecurityGroups"
_ZONE = "Microsoft.Network/privateDnsZones"

BREAKAGES = (
    Breakage("setting changed", _SITE, "app_settings", change_setting, app_settings, {"REDIS_PORT": "6379"}),
    Breakage("setting deleted", _SITE, "app_settings", delete_setting, app_settings, {"SQL_SERVER_FQDN": None}),
    Breakage(
        "rule's access weakened", _NSG, "nsg_rules", weaken_rule_access, rules, {"deny-all-outbound.access": "Allow"}
    ),
    Breakage(
        "rule's ports widened",
        _NSG,
        "nsg_rules",
        weaken_rule_port,
        rules,
        {"allow-https.destinationPortRange": "0-65535"},
    ),
    Breakage(
        "rule's prefix narrowed",
        _NSG,
        "nsg_rules",
        narrow_rule_prefix,
        rules,
        {"allow-sql.destinationAddressPrefix": "203.0.113.0/24"},
    ),
    Breakage("rule deleted", _NSG, "nsg_rules", delete_rule, rules, {"allow-sql": None}),
    Breakage("rule reprioritised", _NSG, "nsg_rules", reprioritise_rule, rules, {"deny-all-outbound": 4000}),
    Breakage("priorities swapped", _NSG, "nsg_rules", swap_priorities, rules, {"allow-sql": 110, "allow-redis": 100}),
    Breakage("integration removed", _SITE, "vnet_integration", remove_integration, integration, {"subnet": None}),
    Breakage("link deleted", _ZONE, "dns_links", delete_link, links, {LINK: None}),
    Breakage("link registers names", _ZONE, "dns_links", switch_registration_on, links, {LINK: True}),
)
