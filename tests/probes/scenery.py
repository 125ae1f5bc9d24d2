"""The app, its network and its endpoint, as bodies that the probes' tests share."""

from homeostat.core.arm_types import (
    NETWORK_SECURITY_GROUP,
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    SITE,
    SUBNET,
    VIRTUAL_NETWORK,
)
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from tests.remediators.world import World, body_of, resource

APP = resource(SITE.name, "app-flask")
VNET = resource(VIRTUAL_NETWORK.name, "vnet-appservice")
SUBNET_ID = resource(SUBNET.name, "vnet-appservice", "snet-appservice-integration")
NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-appservice-integration")
SQL_ENDPOINT = resource(PRIVATE_ENDPOINT.name, "pe-sql")
SQL_ADDRESS = "10.10.2.4"
SQL = "sql-flask.database.windows.net"
ELSEWHERE = "20.50.60.70"


def site(subnet: ResourceId | None = SUBNET_ID) -> World:
    return {APP: body_of(APP, {"virtualNetworkSubnetId": subnet.text if subnet else None})}


def vnet(*servers: str) -> World:
    options: Json = {"dnsServers": list(servers)} if servers else None
    return {VNET: body_of(VNET, {"addressSpace": {"addressPrefixes": ["10.10.0.0/16"]}, "dhcpOptions": options})}


def subnet(*, nsg: bool = True) -> World:
    group: Json = {"id": NSG.text} if nsg else None
    return {SUBNET_ID: body_of(SUBNET_ID, {"addressPrefix": "10.10.1.0/24", "networkSecurityGroup": group})}


def rule(name: str, access: str, port: str, priority: int) -> Json:
    properties: Json = {
        "access": access,
        "direction": "Outbound",
        "priority": priority,
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": port,
    }
    return {"name": name, "properties": properties}


def nsg(*rules: Json) -> World:
    return {NSG: body_of(NSG, {"securityRules": list(rules)})}


def endpoint(*addresses: str, grouped: bool = True) -> World:
    """With a zone group it tells its addresses there, without one itself."""
    group = SQL_ENDPOINT.child(PRIVATE_DNS_ZONE_GROUP.collection, "default")
    record: Json = {"recordSetName": "sql-flask", "ipAddresses": list(addresses)}
    configs: Json = [{"properties": {"recordSets": [record]}}]
    own: Json = [] if grouped else [{"fqdn": SQL, "ipAddresses": list(addresses)}]
    found = {SQL_ENDPOINT: body_of(SQL_ENDPOINT, {"customDnsConfigs": own})}
    return {**found, group: body_of(group, {"privateDnsZoneConfigs": configs})} if grouped else found
