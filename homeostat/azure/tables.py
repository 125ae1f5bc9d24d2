"""Documents in one table of the storage account.

An entity holds the document's own `partition` and `row`, the id of the `write` that made it, and its body: a small one
as one legible string, a large one in several binary properties. Strings would not do for large ones: they are stored as
UTF-16, which would waste half of an entity's 1 MiB.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from homeostat.azure.keys import CUT, lower_bound, stored, upper_bound
from homeostat.azure.storage_errors import code, making, settled, translating
from homeostat.core.json import JsonObject
from homeostat.ports.storage import Change, Document, Insert, Remove, Replace, Upsert, bodies

if TYPE_CHECKING:
    from azure.data.tables import TableEntity
    from azure.data.tables.aio import TableClient

type Entity = dict[str, Any]
"""Properties as the SDK types them: str, bytes and its metadata."""

STRING_LIMIT: Final = 32_000
"""Characters of a string property: 64 KiB of UTF-16, with a little room."""

BINARY_LIMIT: Final = 65_536
"""Bytes of a binary property."""

SUPERSEDED: Final = "W/\"datetime'1601-01-01T00%3A00%3A00.0000000Z'\""
"""The version of a row that was overwritten since: well-formed, and never current."""

PAGE: Final = 1000
"""Entities in one answer, the service's limit."""


class AzureDocuments:
    """Implements `homeostat.ports.storage.Documents`.

    client: makes the SDK's client on first need. new_id: makes a write's id.
    """

    def __init__(self, client: Callable[[], "TableClient"], *, new_id: Callable[[], str]) -> None:
        self._connect = client
        self._new_id = new_id

    @cached_property
    def _table(self) -> "TableClient":
        return self._connect()

    async def read(self, partition: str, row: str) -> Document | None:
        entity = await self._entity(partition, row)
        return None if entity is None else _document(entity)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        written = bodies(partition, changes)
        if not changes:
            return {}
        write_id = self._new_id()
        batch = _Batch(
            self._table, partition, changes, {row: _properties(text, write_id) for row, text in written.items()}
        )

        async def recognise() -> dict[str, str] | None:
            entities = await asyncio.gather(*(self._entity(partition, row) for row in written))
            ours = {
                entity["row"]: _version(entity)
                for entity in entities
                if entity is not None and entity["write"] == write_id
            }
            return {row: ours.get(row, SUPERSEDED) for row in written} if ours else None

        return await settled(f"partition {partition!r} of the table", batch.send, recognise)

    async def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        if limit == 0:
            return
        yielded = 0
        where = f"PartitionKey eq '{stored(partition)}'"
        async for document in self._query(where, first, last, page=min(limit or PAGE, PAGE)):
            yield document
            yielded += 1
            if yielded == limit:
                return

    async def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        async for document in self._query("", first, last, page=PAGE):
            yield document

    async def _entity(self, partition: str, row: str) -> "TableEntity | None":
        with translating(f"row {row!r} of partition {partition!r}"):
            try:
                return await self._table.get_entity(stored(partition), stored(row))
            except ResourceNotFoundError:
                return None  # of the row or of the table, which is made with the first row

    async def _query(self, where: str, first: str, last: str, *, page: int) -> AsyncIterator[Document]:
        terms = [where] if where else []
        terms += [f"RowKey ge '{lower_bound(first)}'"] if first else []
        terms += [f"RowKey lt '{upper_bound(last)}'"] if last else []
        with translating("a scan of the table"):
            try:
                found = self._table.query_entities(" and ".join(terms), results_per_page=page)
                async for document in _in_order(found):
                    if first <= document.row and (not last or document.row < last):
                        yield document
            except ResourceNotFoundError:
                return  # the table is made with the first row


class _Batch:
    """A set of changes as one entity group transaction, sent until it succeeds or is refused."""

    def __init__(
        self, table: "TableClient", partition: str, changes: Sequence[Change], properties: Mapping[str, Entity]
    ) -> None:
        self._table = table
        self._partition = partition
        self._changes = list(changes)
        self._properties = properties

    async def send(self) -> dict[str, str]:
        """The new versions by row. Raises the SDK's error for what was refused."""
        made = False
        while self._changes:
            try:
                return await self._send_once()
            except HttpResponseError as error:
                if code(error) == "TableNotFound" and not made:
                    made = True
                    await self._make_table()
                elif not self._drop_absent(error):
                    raise
        return {}

    async def _send_once(self) -> dict[str, str]:
        """A transaction of one is a plain request: it costs a fraction of the SDK's CPU time for a MIME multipart body.

        But not an insertion, whose error the SDK then does not decode, nor a deletion, whose 404 it hides.
        """
        if len(self._changes) == 1 and isinstance(self._changes[0], Replace | Upsert):
            verb, entity, options = self._operation(self._changes[0])
            send = self._table.update_entity if verb == "update" else self._table.upsert_entity
            answer = await send(entity, retry_total=0, **options)
            return {self._changes[0].row: answer["etag"]}
        operations = [self._operation(change) for change in self._changes]
        answers = await self._table.submit_transaction(operations, retry_total=0)
        pairs = zip(self._changes, answers, strict=True)
        return {change.row: answer["etag"] for change, answer in pairs if not isinstance(change, Remove)}

    async def _make_table(self) -> None:
        with making(f"table {self._table.table_name!r}"):
            await self._table.create_table()

    def _drop_absent(self, error: HttpResponseError) -> bool:
        """Whether the batch failed on an unconditional removal of an absent row. If so, the removal is left out.

        The service knows no such removal in a batch. That the row was absent has just been seen.
        """
        index = cast("int", getattr(error, "index", 0))
        change = self._changes[index]
        if error.status_code != 404 or not isinstance(change, Remove) or change.version is not None:
            return False
        del self._changes[index]
        return True

    def _operation(self, change: Change) -> tuple[str, Entity, dict[str, Any]]:
        entity: Entity = {"PartitionKey": stored(self._partition), "RowKey": stored(change.row)}
        entity |= {"partition": self._partition, "row": change.row}
        match change:
            case Insert(row):
                return "create", entity | self._properties[row], {}
            case Upsert(row):
                return "upsert", entity | self._properties[row], {"mode": "replace"}
            case Replace(row, _, version):
                return "update", entity | self._properties[row], {"mode": "replace", **_if_at(version)}
            case Remove(_, version):
                return "delete", entity, {} if version is None else _if_at(version)


def _if_at(version: str) -> dict[str, Any]:
    return {"etag": version, "match_condition": MatchConditions.IfNotModified}


def _properties(text: str, write_id: str) -> Entity:
    if len(text) <= STRING_LIMIT:
        return {"write": write_id, "body": text}
    data = text.encode()
    starts = range(0, len(data), BINARY_LIMIT)
    return {"write": write_id} | {f"body{at // BINARY_LIMIT:02}": data[at : at + BINARY_LIMIT] for at in starts}


def _document(entity: "TableEntity") -> Document:
    text = entity.get("body")
    if text is None:
        parts = sorted(name for name in entity if name.startswith("body"))
        text = b"".join(entity[name] for name in parts)
    body = cast("JsonObject", json.loads(text))
    return Document(entity["partition"], entity["row"], body, _version(entity))


def _version(entity: "TableEntity") -> str:
    return cast("str", entity.metadata["etag"])


async def _in_order(entities: AsyncIterator["TableEntity"]) -> AsyncIterator[Document]:
    """The documents in order of their rows. Those whose long names share a cut arrive together, but unsorted."""
    shared: tuple[str, str] | None = None
    held: list[Document] = []
    async for entity in entities:
        key = entity["PartitionKey"], entity["RowKey"][:CUT]
        if held and key != shared:
            for document in sorted(held, key=_row):
                yield document
            held.clear()
        if len(key[1]) < CUT:
            yield _document(entity)
        else:
            shared = key
            held.append(_document(entity))
    for document in sorted(held, key=_row):
        yield document


def _row(document: Document) -> str:
    return document.row
