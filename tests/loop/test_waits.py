"""What a repair waits for: ARM calls that depend on one another, and storage a fixed number of times beside them."""

from typing import Final

import pytest

from bench.breakages import Breakage, all_kinds
from bench.repair_waits import measured

pytestmark = pytest.mark.wire

STORES: Final = 3
"""To take the work up: its record. Before the write: the intent. At the end: the
batch with the ledger entry. All else goes on beside these or a call to ARM."""

READ_AHEAD: Final = {"app_settings", "route_all", "private_endpoints"}
"""Their first write has no ETag: its intent is stored beside the read that it is based on."""

CALLS: Final = {
    "app_settings": 5,  # look, what goes on around it, the settings once more, the write, look
    "vnet_integration": 5,  # its look takes two steps
    "route_all": 7,  # two writes; before each, what it sends along for others is read once more
    "subnet": 5,  # a write that is polled once
    "nsg_rules": 6,  # the rule itself is asked whether it is gone
    "nsg_rules, changed": 5,
    "route_table": 6,
    "flow_logs": 5,
    "dns_links": 6,
    "private_endpoints": 8,  # asked once more whether it is gone; and its zone's record, there only after the write
}


@pytest.mark.parametrize("breakage", all_kinds(), ids=lambda breakage: breakage.kind)
def test_a_repair_waits_for_what_depends_on_something_else_alone(breakage: Breakage) -> None:
    waits = measured(breakage)
    stores = STORES - (breakage.kind in READ_AHEAD)
    assert (len(waits.chain), waits.stores) == (CALLS[breakage.kind], stores)
