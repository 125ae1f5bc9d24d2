"""Azure Resource Graph through the shared pipeline: which resources there are, and who changed them.

Its table `resources` has a row for each resource, usually within minutes; a page has up to 1000 rows and 16 MiB. Its
table `resourcechanges` has a row for each change of the last fourteen days, usually within five minutes. App settings
are no resources of their own, and are in neither. The quota is 15 queries in 5 seconds.
https://learn.microsoft.com/azure/governance/resource-graph/changes/get-resource-changes
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
https://learn.microsoft.com/azure/governance/resource-graph/concepts/work-with-data
"""

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from azure.core.rest import AsyncHttpResponse, HttpRequest

from homeostat.ambient import Ambient
from homeostat.azure.blocks import HEALING, Blocks, Pace
from homeostat.azure.clouds import Cloud
from homeostat.azure.governor import PACE, spent
from homeostat.azure.lean_json import NotJson, read_lean
from homeostat.azure.pipeline import READ_BY, Pipeline
from homeostat.azure.retry import Limits
from homeostat.coalescing import Coalescer, no_wait
from homeostat.core import json
from homeostat.core.arm_errors import ArmError, ErrorClass, clock_seconds
from homeostat.core.arm_types import root_of
from homeostat.core.attribution import NOBODY, Actor, ActorKind, ForeignWrite, Source
from homeostat.core.budget import TokenBucket
from homeostat.core.claims import tool_of
from homeostat.core.graph import MAX_TOP, Page, RowQuery, quoted
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.core.quotas import QUERIES
from homeostat.paging import odd_answer

log = logging.getLogger(__name__)

PATH: Final = "/providers/Microsoft.ResourceGraph/resources"
API_VERSION: Final = "2021-03-01"
MAX_ROWS: Final = 50
"""Changes of one root, on average over the roots of a query."""

MAX_ROOTS: Final = MAX_TOP // MAX_ROWS
"""Roots of one query, so that its answer is one page."""

MAX_TEXT: Final = 256
ANSWER_SECONDS: Final = 3
"""How long a repair waits for a name: it is not worth more."""

UNDELAYED_QUERIES: Final = 3
"""Queries about changes that may go without delay: an instance that repairs a handful of roots never waits."""

GATHER_SECONDS: Final = 1.0
"""How long a query then gathers questions, and how long it waits for a token at most."""

SINGLE_ATTEMPT: Final = Limits(attempts=1, unknown=1)

QUERY: Final = (
    "resourcechanges"
    " | extend at = todatetime(properties.changeAttributes.timestamp), target = tostring(properties.targetResourceId)"
    " | where at >= datetime({since}) and ({roots})"
    " | order by at desc | limit {rows} | project properties"
)
_ROOT: Final = "target =~ '{root}' or target startswith '{root}/'"

_KINDS: Final[Mapping[str, ActorKind]] = {
    "user": ActorKind.USER,
    "application": ActorKind.APPLICATION,
    "serviceprincipal": ActorKind.APPLICATION,
}
_NOTHING: Final = frozenset({"", "null", "unknown"})
"""How a row says that something is unknown: null comes as text."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who changed `root` since `since`?"""

    root: ResourceId
    since: datetime


class QueryPacer:
    """When this instance may send its next query about changes: at its own pace, and with a token that all share.

    Otherwise a storm would spend the quota of five seconds at once, on one name for each query.
    """

    def __init__(self, tokens: Blocks, ambient: Ambient) -> None:
        self._tokens = tokens
        self._ambient = ambient
        self._pace = TokenBucket(UNDELAYED_QUERIES, 1 / GATHER_SECONDS, ambient.monotonic())
        self._none_before = -math.inf

    async def __call__(self) -> None:
        """Waits for the turn. Raises the ArmError of a throttled request if there is no token in time."""
        now = self._ambient.monotonic()
        gathering = self._pace.due(1, now)
        if (wait := self._none_before - now) > gathering + GATHER_SECONDS:
            raise spent(wait, f"POST {PATH}")  # it would wait in vain
        if gathering:
            await self._ambient.sleep(gathering)
        now = self._ambient.monotonic()
        if (lacking := await self._tokens.take("", QUERIES, now + GATHER_SECONDS)) is not None:
            self._none_before = now + lacking
            self._pace.lower(0.0, self._none_before)  # so that the query that gets a token next gathers many questions
            raise spent(lacking, f"POST {PATH}")
        self._pace.draw(1, now)


@dataclass(slots=True)
class _Reading:
    """A page that is read while it arrives. With several attempts, the last one counts."""

    shown: JsonObject = field(default_factory=dict)

    async def read(self, parts: AsyncIterator[bytes]) -> None:
        self.shown = await read_lean(parts, "data")


class ResourceGraph:
    """The ChangeHistory and ResourceTable ports.

    Questions about changes are merged: all that repairs ask while a query is under way, or waits in `before_query`,
    become one query. So the less quota is left, the more questions one query answers.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        cloud: Cloud,
        pace: Pace = HEALING,
        before_query: Callable[[], Awaitable[None]] = no_wait,
    ) -> None:
        self._pipeline = pipeline
        self._cloud = cloud
        self._pace = pace
        self._questions = Coalescer[Question, tuple[ForeignWrite, ...]](MAX_ROOTS, before_query)

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        body: dict[str, Json] = {
            "query": query.text,
            "options": {"$top": top, **({"$skipToken": token} if token else {})},
        }
        if query.management_groups:
            body["managementGroups"] = list(query.management_groups)
        elif query.subscriptions:
            body["subscriptions"] = list(query.subscriptions)
        reading = _Reading()
        try:
            answer = await self._ask(body, {READ_BY: reading.read})
        except NotJson as error:
            raise odd_answer("the answer is not JSON") from error
        return _page_of(reading.shown, answer.headers)

    def apart(self, query: RowQuery) -> tuple[RowQuery, ...]:
        return (query,)

    async def _ask(self, body: JsonObject, options: Mapping[str, object]) -> AsyncHttpResponse:
        url = f"{self._cloud.arm}{PATH}?api-version={API_VERSION}"
        request = HttpRequest("POST", url, json=body, headers={"Accept": "application/json"})
        return (await self._pipeline.run(request, **{PACE: self._pace, **options})).http_response

    async def changes(self, root: ResourceId, since: datetime) -> tuple[ForeignWrite, ...]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._questions.submit("", Question(root, since), self._answers)
        except (ArmError, ValueError, TimeoutError) as error:
            log.warning("%s: Resource Graph does not say who changed it: %s", root.short, str(error) or "no answer")
            if isinstance(error, ArmError) and error.error_class is ErrorClass.DENIED:
                raise
            return ()

    async def _answers(self, questions: Sequence[Question]) -> Sequence[tuple[ForeignWrite, ...]]:
        subscriptions = sorted({question.root.subscription for question in questions})
        body: JsonObject = {"subscriptions": subscriptions, "query": query(questions)}
        answer = await self._ask(body, {"limits": SINGLE_ATTEMPT})
        found = defaultdict[ResourceId, list[ForeignWrite]](list)
        for root, write in _writes(json.parse(answer.content)):
            found[root].append(write)
        return [
            tuple(write for write in reversed(found[question.root]) if write.at >= question.since)
            for question in questions
        ]


def query(questions: Sequence[Question]) -> str:
    """The query in the Kusto Query Language, whose `=~` and `startswith` ignore case."""
    since = min(question.since for question in questions).astimezone(UTC)
    roots = dict.fromkeys(quoted(question.root.text) for question in questions)
    return QUERY.format(
        since=since.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        roots=" or ".join(_ROOT.format(root=root) for root in roots),
        rows=MAX_ROWS * len(roots),
    )


def _page_of(shown: Json, headers: Mapping[str, str]) -> Page:
    rows = json.at(shown, ("data",))
    total = json.at(shown, ("totalRecords",))
    if not isinstance(rows, list) or not isinstance(total, int):
        raise odd_answer("the answer is no page of rows")
    left = headers.get("x-ms-user-quota-remaining", "")
    return Page(
        json.objects_at(shown, "data"),
        total,
        json.text_at(shown, "$skipToken"),
        int(left) if left.isdigit() else None,
        clock_seconds(headers.get("x-ms-user-quota-resets-after", "")) or 0.0,
    )


def _writes(answer: json.Json) -> Iterator[tuple[ResourceId, ForeignWrite]]:
    """The well-formed rows, each with its root. A slot's rows are below its app, and yet no changes of the app."""
    for row in json.objects_at(answer, "data"):
        found = json.at(row, ("properties",))
        if isinstance(found, Mapping) and (write := _write_of(found)) and (root := _root_of(write.resource)):
            yield root, write


def _root_of(resource: str) -> ResourceId | None:
    try:
        return root_of(ResourceId.parse(resource))
    except InvalidResourceId:
        return None


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
