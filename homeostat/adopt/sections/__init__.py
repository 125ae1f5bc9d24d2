"""How each kind declares what was surveyed: one function for each kind, from the survey to the section's data. Pure.

A section says no more than what is there. What a kind cannot express is left out, and the reason is reported.
"""

from collections.abc import Callable, Mapping
from typing import Final

from homeostat.adopt.sections.app import app_settings, identity, route_all, vnet_integration
from homeostat.adopt.sections.part import Part
from homeostat.adopt.sections.private_paths import (
    backend_access,
    dns_links,
    dns_resolution,
    private_endpoints,
    tcp_reachability,
    zones,
)
from homeostat.adopt.sections.subnet import flow_logs, nsg, nsg_rules, route_table, subnet
from homeostat.adopt.survey import Survey

ADOPTERS: Final[Mapping[str, Callable[[Survey], Part]]] = {
    adopter.__name__: adopter
    for adopter in (
        vnet_integration,
        app_settings,
        route_all,
        identity,
        subnet,
        nsg,
        nsg_rules,
        route_table,
        flow_logs,
        zones,
        dns_links,
        private_endpoints,
        backend_access,
        dns_resolution,
        tcp_reachability,
    )
}
"""By kind, in the order in which the file is best read."""
