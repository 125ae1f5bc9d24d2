"""What a function app under test has stored in its account, shown to the watch for planted secrets."""

import asyncio

from homeostat.azure.storage import AzureStorage, account_from
from homeostat.core import json
from tests.state.stores import NoIdentity, write_ids
from tests.support.planted import watch


def watch_account(connection_string: str) -> None:
    """Looks at every row: records, ledger, outbox, runs, pauses. Not from within an event loop."""
    asyncio.run(_watch_account(connection_string))


async def _watch_account(connection_string: str) -> None:
    account = account_from({"AzureWebJobsStorage": connection_string}, identity=NoIdentity())
    async with AzureStorage(account, new_id=write_ids()) as storage:
        async for row in storage.documents.scan_all():
            watch(f"the stored row {row.partition}/{row.row}", json.render(row.body))
