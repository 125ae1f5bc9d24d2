"""Subnets and their networks, as ARM gives them and as a spec declares them."""

from typing import Any

from homeostat.core import json
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, ROUTE_TABLE, VIRTUAL_NETWORK
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import Want
from remediators.subnet_body import SubnetWant
from tests.remediators.contract import want_of
from tests.remediators.world import World, body_of, resource

APP = resource("Microsoft.Web/sites", "app-flask")
VNET = resource(VIRTUAL_NETWORK.name, "vnet-app")
SNET = VNET.child("subnets", "snet-app")
NSG, OTHER_NSG = (resource(NETWORK_SECURITY_GROUP.name, name) for name in ("nsg-app", "nsg-other"))
RT, OTHER_RT = (resource(ROUTE_TABLE.name, name) for name in ("rt-app", "rt-other"))

WEB = "Microsoft.Web/serverFarms"
FULL = SubnetWant("10.10.1.0/24", WEB, NSG, RT, ("Microsoft.Sql", "Microsoft.Storage"))
LINK: Json = {"name": "AppServiceLink", "properties": {"linkedResourceType": "Microsoft.Web/serverfarms"}}
INTERFACES: Json = [{"id": "/subscriptions/s/…/ipConfigurations/x"}]
POLICIES: dict[str, Json] = {"privateEndpointNetworkPolicies": "Disabled", "natGateway": {"id": "/nat"}}


def delegation(service: str = WEB, name: str = "0") -> Json:
    actions: Json = ["Microsoft.Network/virtualNetworks/subnets/action"]
    properties: Json = {"provisioningState": "Succeeded", "serviceName": service, "actions": actions}
    return {"name": name, "id": f"{SNET}/delegations/{name}", "etag": 'W/"1"', "properties": properties}


def endpoint(service: str, *locations: str) -> Json:
    return {"provisioningState": "Succeeded", "service": service, "locations": locations or ["*"]}


def subnet(name: str = "snet-app", /, **properties: json.Value) -> World:
    members: dict[str, json.Value] = {
        "provisioningState": "Succeeded",
        "addressPrefix": "10.10.1.0/24",
        "delegations": [delegation()],
        "networkSecurityGroup": {"id": NSG.text},
        "routeTable": {"id": RT.text},
        "serviceEndpoints": [endpoint("Microsoft.Storage", "westeurope", "northeurope"), endpoint("Microsoft.Sql")],
        "privateLinkServiceNetworkPolicies": "Enabled",
        **POLICIES,
        **properties,
    }
    id_ = VNET.child("subnets", name)
    return {id_: body_of(id_, {key: value for key, value in members.items() if value is not ABSENT}, etag='W/"1"')}


def network(*spaces: str, **subnets: str) -> World:
    listed: Json = [{"name": name, "properties": {"addressPrefix": prefix}} for name, prefix in subnets.items()]
    space: Json = {"addressPrefixes": spaces or ["10.10.0.0/16"]}
    return {VNET: body_of(VNET, {"addressSpace": space, "subnets": listed}, location="westeurope")}


def wanted(value: SubnetWant = FULL) -> Want[Any]:
    return want_of(VNET, {"snet-app": value})
