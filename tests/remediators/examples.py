"""One broken world of every kind, for comparisons between processes."""

from collections.abc import Mapping
from typing import Any

from homeostat.core.backends import BACKENDS
from homeostat.core.model import Unmanaged, Want
from remediators.app_settings import Setting
from remediators.dns_links import LinkWant
from remediators.flow_log import Log
from remediators.flow_logs import LogWant
from remediators.subnet_body import SubnetWant
from remediators.zones import RecordWant
from tests.remediators import nsgs, subnets
from tests.remediators import test_app_settings as app_settings
from tests.remediators import test_backend_access as backend_access
from tests.remediators import test_dns_links as dns_links
from tests.remediators import test_flow_logs as flow_logs
from tests.remediators import test_identity as identity
from tests.remediators import test_nsg as nsg
from tests.remediators import test_private_endpoints as private_endpoints
from tests.remediators import test_route_all as route_all
from tests.remediators import test_route_table as route_table
from tests.remediators import test_vnet_integration as vnet_integration
from tests.remediators import test_zones as zones
from tests.remediators.contract import want_of
from tests.remediators.world import World

_RULES = {
    "allow-sql": nsgs.SQL,
    "allow-redis": {**nsgs.SQL, "priority": 110, "destinationPortRanges": ["6380", "6379", "443"]},
    "deny": nsgs.DENY,
}
_CHANGED = {
    "allow-sql": {**nsgs.SQL, "destinationPortRange": "", "destinationPortRanges": ["1", "2", "3"]},
    "b": {**nsgs.SQL, "priority": 300},
    "a": {**nsgs.SQL, "priority": 301},
}

EXAMPLES: Mapping[str, tuple[Want[Any], World]] = {
    "vnet_integration": (vnet_integration.wanted(), {vnet_integration.APP: vnet_integration.site(None)}),
    "app_settings": (
        want_of(app_settings.APP, {name: Setting("1") for name in ("C", "A", "B")}, Unmanaged.REMOVE),
        app_settings.settings({"X": "1", "a": "2", "Y": "3"}),
    ),
    "nsg": (nsg.wanted(), {}),
    "route_table": (
        route_table.wanted({"b": route_table.TO_HUB, "a": route_table.TO_VNET}, unmanaged=Unmanaged.REMOVE),
        route_table.table({"theirs": route_table.TO_SQL, "a": route_table.TO_SQL, "others": route_table.TO_HUB}),
    ),
    "subnet": (
        want_of(subnets.VNET, {"snet-app": subnets.FULL, "other": SubnetWant("10.10.3.0/24")}),
        {
            **subnets.network(),
            **subnets.subnet(
                networkSecurityGroup=None, delegations=[subnets.delegation("x/b"), subnets.delegation("x/a")]
            ),
        },
    ),
    "flow_logs": (
        want_of(
            flow_logs.WATCHER,
            {name: LogWant(Log(flow_logs.HUB.text, name, enabled=True), "westeurope") for name in ("b", "a")},
        ),
        {**flow_logs.log("b", enabled=False), **flow_logs.log("theirs", targetResourceId=flow_logs.HUB.text)},
    ),
    "nsg_rules": (nsgs.wanted(_RULES, Unmanaged.REMOVE), nsgs.world_of(_CHANGED)),
    "dns_links": (
        want_of(dns_links.ZONE, {name: LinkWant(dns_links.HUB, registration=False) for name in ("b", "a")}),
        dns_links.link("theirs", dns_links.OTHER.text),
    ),
    "zones": (zones.wanted(b=RecordWant(zones.IPS), a=RecordWant(zones.IPS)), zones.zone()),
    "private_endpoints": (
        private_endpoints.wanted(),
        {
            **private_endpoints.endpoint(status="Pending", subnet=private_endpoints.ELSEWHERE.text),
            **private_endpoints.zone_group(private_endpoints.NAMESAKE.text, private_endpoints.BLOBS.text),
        },
    ),
    "identity": (
        identity.wanted(identity.SECOND, identity.MINE, system=True),
        identity.site(identity.THEIRS.text),
    ),
    "route_all": (
        route_all.wanted(application_traffic=True, image_pull_traffic=True, all_traffic=False),
        route_all.site({"allTraffic": True, "managedIdentityTraffic": True}, legacy="0"),
    ),
    "backend_access": (
        backend_access.wanted(BACKENDS["sql"], "Disabled", backend_access.PE, backend_access.THEIRS),
        backend_access.backend(BACKENDS["sql"], "Enabled"),
    ),
}
