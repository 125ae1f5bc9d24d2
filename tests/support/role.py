"""The role that Homeostat is deployed with. Every test that runs it on a simulated Azure enforces this role."""

import json
from pathlib import Path
from typing import Final

from simulator.access import Role

ROLE_FILE: Final = Path(__file__).parents[2] / "infra" / "role.json"

ROLE: Final = Role.parse(json.loads(ROLE_FILE.read_text(encoding="utf-8")))

CLOSE_DOORS: Final = (
    "Microsoft.Sql/servers/write",
    "Microsoft.Sql/locations/serverAzureAsyncOperation/read",
    "Microsoft.KeyVault/vaults/write",
    "Microsoft.Cache/redis/write",
    "Microsoft.Cache/locations/asyncOperations/read",
)
"""The actions that docs/access.md tells people to add to enforce `backend_access`."""

LEAVE_NETWORK: Final = ("Microsoft.Web/sites/networkConfig/read", "Microsoft.Web/sites/networkConfig/delete")
"""And to roll back `vnet_integration`."""
