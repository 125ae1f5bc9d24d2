"""Who changed a resource, as Azure Resource Graph remembers it: one query through the shared pipeline.

Its table `resourcechanges` has a row for each change of a resource of the last fourteen days, usually within five
minutes. App settings are no resources of its own and never in it. A query draws on a quota of 15 in 5 seconds.
https://learn.microsoft.com/azure/governance/resource-graph/changes/get-resource-changes
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from azure.core.rest import HttpRequest

from homeostat.azure.clouds import Cloud
from homeostat.azure.pipeline import Pipeline
from homeostat.azure.retry import Limits
from homeostat.core import json
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import root_of
from homeostat.core.attribution import NOBODY, Actor, ActorKind, ForeignWrite, Source
from homeostat.core.claims import tool_of
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import JsonObject

log = logging.getLogger(__name__)

API_VERSION: Final = "2021-03-01"
MAX_ROWS: Final = 50
MAX_TEXT: Final = 256
ANSWER_SECONDS: Final = 10
"""A repair waits for the answer: a name is not worth more."""

ONCE: Final = Limits(attempts=1, unknown=1)

QUERY: Final = (
    "resourcechanges"
    " | extend at = todatetime(properties.changeAttributes.timestamp), target = tostring(properties.targetResourceId)"
    " | where at >= datetime({since}) and (target =~ '{root}' or target startswith '{root}/')"
    " | order by at desc | limit {rows} | project properties"
)

_KINDS: Final[Mapping[str, ActorKind]] = {
    "user": ActorKind.USER,
    "application": ActorKind.APPLICATION,
    "serviceprincipal": ActorKind.APPLICATION,
}
_NOTHING: Final = frozenset({"", "null", "unknown"})
"""How a row says that it does not know: null comes as text."""


class ResourceGraph:
    """The ChangeHistory port."""

    def __init__(self, pipeline: Pipeline, cloud: Cloud) -> None:
        self._pipeline = pipeline
        self._cloud = cloud

    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:
        url = f"{self._cloud.arm}/providers/Microsoft.ResourceGraph/resources?api-version={API_VERSION}"
        body = {"subscriptions": [root.subscription], "query": query(root, since)}
        request = HttpRequest("POST", url, json=body, headers={"Accept": "application/json"})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = (await self._pipeline.run(request, stream=False, limits=ONCE)).http_response
            return tuple(_writes(json.parse(answer.content), root))[::-1]
        except (ArmError, ValueError, TimeoutError) as error:
            log.warning("%s: Resource Graph does not say who changed it: %s", root.short, str(error) or "no answer")
            return ()


def query(root: ResourceId, since: datetime) -> str:
    """In the Kusto Query Language, whose `=~` and `startswith` do not mind case."""
    at = since.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return QUERY.format(since=at, root=_quoted(root.text), rows=MAX_ROWS)


def _quoted(text: str) -> str:
    """As the inside of a string literal."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _writes(answer: json.Json, root: ResourceId) -> Iterator[ForeignWrite]:
    """The rows that make sense; a slot's are below its app's and yet no change of the app."""
    for row in json.objects_at(answer, "data"):
        found = json.at(row, ("properties",))
        if isinstance(found, Mapping) and (write := _write_of(found)) and _belongs_to(write.resource, root):
            yield write


def _belongs_to(resource: str, root: ResourceId) -> bool:
    try:
        return root_of(ResourceId.parse(resource)) == root
    except InvalidResourceId:
        return False


def _write_of(row: JsonObject) -> ForeignWrite | None:
    try:
        at = datetime.fromisoformat(json.text_at(row, "changeAttributes", "timestamp")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    actor = Actor(
        name=_told(row, "changedBy") or NOBODY,
        kind=_KINDS.get(_told(row, "changedByType").lower(), ActorKind.UNKNOWN),
        tool=tool_of(_told(row, "clientType")),
        at=at,
        operation=_told(row, "operation").lower(),
        correlation_id=_told(row, "correlationId"),
        source=Source.RESOURCE_CHANGES,
    )
    changes = json.at(row, ("changes",))
    is_update = json.text_at(row, "changeType").lower() == "update"
    fields = tuple(str(name)[:MAX_TEXT] for name in changes) if is_update and isinstance(changes, Mapping) else ()
    return ForeignWrite(json.text_at(row, "targetResourceId").lower(), actor, fields)


def _told(row: JsonObject, name: str) -> str:
    text = json.text_at(row, "changeAttributes", name)[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    return "" if text.lower() in _NOTHING else text
