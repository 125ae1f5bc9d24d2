"""One broken world of every kind, for comparisons between processes."""

from collections.abc import Mapping
from typing import Any

from homeostat.core.model import Unmanaged, Want
from remediators.app_settings import Setting
from remediators.dns_links import LinkWant
from tests.remediators import test_app_settings as app_settings
from tests.remediators import test_dns_links as dns_links
from tests.remediators import test_nsg_rules as nsg_rules
from tests.remediators import test_vnet_integration as vnet_integration
from tests.remediators.contract import want_of
from tests.remediators.world import World

_RULES = {
    "allow-sql": nsg_rules.SQL,
    "allow-redis": {**nsg_rules.SQL, "priority": 110, "destinationPortRanges": ["6380", "6379", "443"]},
    "deny": nsg_rules.DENY,
}
_CHANGED = {
    "allow-sql": {**nsg_rules.SQL, "destinationPortRange": "", "destinationPortRanges": ["1", "2", "3"]},
    "b": {**nsg_rules.SQL, "priority": 300},
    "a": {**nsg_rules.SQL, "priority": 301},
}

EXAMPLES: Mapping[str, tuple[Want[Any], World]] = {
    "vnet_integration": (vnet_integration.wanted(), {vnet_integration.APP: vnet_integration.site(None)}),
    "app_settings": (
        want_of(app_settings.APP, {name: Setting("1") for name in ("C", "A", "B")}, Unmanaged.REMOVE),
        app_settings.settings({"X": "1", "a": "2", "Y": "3"}),
    ),
    "nsg_rules": (nsg_rules.wanted(_RULES, Unmanaged.REMOVE), nsg_rules.world_of(_CHANGED)),
    "dns_links": (
        want_of(dns_links.ZONE, {name: LinkWant(dns_links.HUB, registration=False) for name in ("b", "a")}),
        dns_links.link("theirs", dns_links.OTHER.text),
    ),
}
