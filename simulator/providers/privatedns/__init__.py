"""Private DNS: zones, virtual network links, record sets.

Azure accepts a write of a zone or link with 202 and `{}`, and shows nothing of it until the operation has ended. Even a
failed precondition shows only then. Record sets are written at once.
"""

from simulator.providers.privatedns import links, records, zones
from simulator.providers.privatedns.common import LINK, VNET, ZONE
from simulator.providers.privatedns.records import remove_managed_record, set_managed_record

__all__ = ["FUNCTIONS", "LINK", "TYPES", "VNET", "ZONE", "remove_managed_record", "set_managed_record"]

TYPES = (*zones.TYPES, *links.TYPES, *records.TYPES)
FUNCTIONS = records.FUNCTIONS
