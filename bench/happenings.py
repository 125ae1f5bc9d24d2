"""What happens to the simulated cloud in the measurements, and the events that Event Grid sends about it."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from demo.damage import NSG
from demo.operator import GROUP, Operator
from homeostat.core.claims import UPN
from homeostat.core.ids import ResourceId

RULE: Final = f"{NSG}/securityRules/allow-sql"


def resource_id(operator: Operator, path: str, group: str = GROUP) -> str:
    named, _, rest = path.rpartition(":")
    return f"/subscriptions/{operator.subscription}/resourceGroups/{named or group}/providers/{rest}"


def event_of(operator: Operator, path: str, group: str = GROUP) -> dict[str, Any]:
    """The event that Event Grid sends about a write of the resource, with the claims of the person who made it.

    https://learn.microsoft.com/azure/event-grid/event-schema-subscriptions
    """
    subject = resource_id(operator, path, group)
    return {
        "id": str(uuid4()),
        "topic": f"/subscriptions/{operator.subscription}",
        "subject": subject,
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": datetime.now(UTC).isoformat(),
        "dataVersion": "2",
        "data": {
            "resourceUri": subject,
            "operationName": f"{ResourceId.parse(subject).type}/write",
            "claims": {"name": "Kim", UPN: "kim@example.com", "idtyp": "user"},
        },
    }
