"""One breakage for each kind of drift whose repair is measured: what is done to the world, and what shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from demo.damage import NSG, SETTINGS, SITE, integration_removed, link_deleted, rule_deleted, setting_changed
from demo.operator import Operator

NETWORK: Final = "Microsoft.Network/virtualNetworks/vnet-appservice"
SUBNET: Final = f"{NETWORK}/subnets/snet-appservice-integration"
ROUTES: Final = "Microsoft.Network/routeTables/rt-appservice-integration"
WATCHER: Final = "NetworkWatcherRG:Microsoft.Network/networkWatchers/NetworkWatcher_westeurope"
FLOW_LOG: Final = f"{WATCHER}/flowLogs/flow-vnet-appservice"
ENDPOINT: Final = "Microsoft.Network/privateEndpoints/pe-sql"


@dataclass(frozen=True, slots=True)
class Breakage:
    """A way to break one kind.

    root: the end of the id of the root whose event is delivered, with its group where that is not the usual one.
    look: what to read; its value differs from before for as long as it is broken.
    """

    kind: str
    root: str
    do: Callable[[Operator], None]
    look: Callable[[Operator], Any]


def all_kinds() -> tuple[Breakage, ...]:
    """One for each kind that is repaired unattended, in the order of the chain from the app to its backends.

    Containers and endpoints are not here, since they wait for a person, nor are backends, which are only reported.
    """
    told = (setting_changed(), integration_removed(), rule_deleted(), link_deleted())
    setting, integration, rule, link = (Breakage(each.kind, each.root, each.do, each.look) for each in told)
    return (
        setting,
        integration,
        Breakage("route_all", SITE, _stop_routing, _routing),
        Breakage("subnet", NETWORK, _strip_subnet, _subnet),
        rule,
        Breakage("nsg_rules, changed", NSG, _change_rule, _rule),
        Breakage("route_table", ROUTES, lambda operator: operator.delete(f"{ROUTES}/routes/to-vnet"), _routes),
        Breakage("flow_logs", FLOW_LOG, lambda operator: operator.change(FLOW_LOG, enabled=False), _flow_log),
        link,
        Breakage("private_endpoints", ENDPOINT, _delete_group, _groups),
    )


def _stop_routing(operator: Operator) -> None:
    """Turns routing off in both places that the guide's world sets. Either alone would go on routing."""
    settings = operator.post(f"{SETTINGS}/list")["properties"]
    operator.put(SETTINGS, {"properties": {**settings, "WEBSITE_VNET_ROUTE_ALL": "0"}})
    body = operator.get(SITE)
    properties = {**body["properties"], "outboundVnetRouting": {"applicationTraffic": False}}
    operator.put(SITE, {**body, "properties": properties})


def _routing(operator: Operator) -> Any:
    return operator.get(SITE)["properties"]["outboundVnetRouting"]["applicationTraffic"]


def _strip_subnet(operator: Operator) -> None:
    operator.change(SUBNET, networkSecurityGroup=None)


def _subnet(operator: Operator) -> Any:
    return (operator.get(SUBNET)["properties"].get("networkSecurityGroup") or {}).get("id")


def _change_rule(operator: Operator) -> None:
    operator.change(f"{NSG}/securityRules/allow-sql", destinationAddressPrefix="203.0.113.0/24")


def _rule(operator: Operator) -> Any:
    return operator.get(f"{NSG}/securityRules/allow-sql")["properties"]["destinationAddressPrefix"]


def _routes(operator: Operator) -> Any:
    return sorted(route["name"] for route in operator.get(ROUTES)["properties"]["routes"])


def _flow_log(operator: Operator) -> Any:
    return operator.get(FLOW_LOG)["properties"]["enabled"]


def _delete_group(operator: Operator) -> None:
    operator.delete(f"{ENDPOINT}/privateDnsZoneGroups/default")


def _groups(operator: Operator) -> Any:
    group = operator.get(f"{ENDPOINT}/privateDnsZoneGroups/default")
    return group and group["properties"]["provisioningState"]
