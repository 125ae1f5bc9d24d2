"""The damage of the story: who does what to which resource, and how ARM shows whether it is whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from demo.operator import Operator

NSG: Final = "Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
SITE: Final = "Microsoft.Web/sites/app-flask"
SETTINGS: Final = f"{SITE}/config/appsettings"
INTEGRATION: Final = f"{SITE}/networkConfig/virtualNetwork"
LINK: Final = (
    "Microsoft.Network/privateDnsZones/privatelink.database.windows.net/virtualNetworkLinks/link-vnet-appservice"
)

type Seen = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that goes wrong. kind: the remediator that repairs it. root: the end of its id. look: reads it."""

    title: str
    kind: str
    root: str
    do: Callable[[Operator], None]
    look: Callable[[Operator], Seen]


def rule_deleted() -> Damage:
    return Damage(
        "Somebody deletes the rule allow-sql: the app loses its database.",
        "nsg_rules",
        NSG,
        lambda operator: operator.delete(f"{NSG}/securityRules/allow-sql"),
        _rules,
    )


def setting_changed() -> Damage:
    def change(operator: Operator) -> None:
        settings = dict(_settings(operator))
        operator.put(SETTINGS, {"properties": {**settings, "REDIS_PORT": "6379", "EXTRA_SETTING": "theirs"}})

    return Damage(
        "Somebody sets REDIS_PORT to 6379, and EXTRA_SETTING, which is theirs to set, to a value of their own.",
        "app_settings",
        SITE,
        change,
        lambda operator: {name: value for name, value in _settings(operator).items() if name != "EXTRA_SETTING"},
    )


def integration_removed() -> Damage:
    return Damage(
        "Somebody disconnects the app from its virtual network.",
        "vnet_integration",
        SITE,
        lambda operator: operator.delete(INTEGRATION),
        _integration,
    )


def link_deleted() -> Damage:
    return Damage(
        "Somebody deletes the link of the SQL zone: sql-flask.database.windows.net resolves to a public address.",
        "dns_links",
        "Microsoft.Network/privateDnsZones/privatelink.database.windows.net",
        lambda operator: operator.delete(LINK),
        _link,
    )


def priorities_swapped() -> Damage:
    def swap(operator: Operator) -> None:
        sql, redis = f"{NSG}/securityRules/allow-sql", f"{NSG}/securityRules/allow-redis"
        operator.change(sql, priority=4000)  # two rules cannot hold one priority, not for a moment
        operator.change(redis, priority=100)
        operator.change(sql, priority=110)

    return Damage(
        "Somebody swaps the priorities of allow-sql and allow-redis. Either alone could not be put back first.",
        "nsg_rules",
        NSG,
        swap,
        _rules,
    )


def extra_setting(operator: Operator) -> str:
    return str(_settings(operator).get("EXTRA_SETTING"))


def _settings(operator: Operator) -> Seen:
    settings: Seen = operator.post(f"{SETTINGS}/list")["properties"]
    return settings


def _rules(operator: Operator) -> Seen:
    shown = ("priority", "access", "direction", "protocol", "destinationPortRange", "destinationAddressPrefix")
    rules = operator.get(NSG)["properties"]["securityRules"]
    return {rule["name"]: {name: rule["properties"].get(name) for name in shown} for rule in rules}


def _integration(operator: Operator) -> Seen:
    subnet = operator.get(SITE)["properties"].get("virtualNetworkSubnetId")
    return {"subnet": subnet and subnet.rpartition("/")[2]}


def _link(operator: Operator) -> Seen:
    link = operator.get(LINK)
    properties = link["properties"] if link else {}
    network = properties.get("virtualNetwork", {}).get("id", "")
    return {"network": network.rpartition("/")[2], "registration": properties.get("registrationEnabled")}
