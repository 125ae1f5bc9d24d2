"""Secrets that are planted in the worlds and the environments of all tests, and a watch on every way out of them.

This is a pytest plugin. It checks what each test printed and logged, and how it failed. The stand, the function app,
the command line and the pages pass it what they store, send, print and answer (`watch`). If a planted value turns up,
the running test fails, whatever it is about.

Output of test code counts as well, so that a new test that prints a planted value is noticed.
"""

import base64
import re
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest

from homeostat.core import json
from homeostat.ports.storage import Change, Document, Documents, Insert, QueuedMessage, Queues, Replace, Upsert
from simulator import identity
from simulator.environment import ALERT_TOPIC_KEY
from simulator.worlds import PASSWORD
from tests.support import azurite

HOST_KEY: Final = "planted-host-key-q8Wz3nVb61"
"""A key that opens every function of a dev host that a test starts with it."""

PLANTED: Final = {
    "the database password among a simulated app's settings": PASSWORD,
    "the key of the alerts' topic": ALERT_TOPIC_KEY,
    "the storage account's key": azurite.KEY,
    "the managed identity's header": identity.HEADER,
    "the host key": HOST_KEY,
}
"""The planted values, by a description. Reports show the description and not the value."""

_TOKEN: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_SECTION: Final = "planted secrets that got out"

type Shown = Iterable[tuple[str, str]]
"""Where a text was shown, and the text."""

_leaks: list[str] = []
_at_end: list[Callable[[], Shown]] = []


def found_in(text: str) -> list[str]:
    """The planted secrets that a text contains, in the clear or in base64."""
    found = [name for name, value in PLANTED.items() if value in text or _encoded(value) in text]
    return [*found, "an access token"] if _TOKEN.search(text) else found


def _encoded(value: str) -> str:
    """Its base64 without the end, which depends on what follows."""
    return base64.b64encode(value.encode()).decode().rstrip("=")[:-1]


def watch(where: str, text: str) -> None:
    """Checks a text that left Homeostat. If a secret is in it, the running test fails at its end."""
    _leaks.extend(f"{name}: in {where}" for name in found_in(text))


def watch_at_end(shown: Callable[[], Shown]) -> None:
    """Checks what `shown` gives, once the running test is over."""
    _at_end.append(shown)


def told(error: BaseException) -> str:
    """An exception as a log would show it, with its whole chain."""
    return "".join(traceback.format_exception(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "teardown":
        for shown in _at_end:
            for where, text in shown():
                watch(where, text)
        _at_end.clear()
    for where, text in _of_report(report):
        watch(where, text)
    leaks = sorted(set(_leaks))
    _leaks.clear()
    if leaks:
        report.sections.append((_SECTION, "\n".join(leaks)))
        if report.outcome != "failed":
            report.outcome, report.longrepr = "failed", f"{report.nodeid}: {_SECTION}\n" + "\n".join(leaks)
    return report


def _of_report(report: pytest.TestReport) -> Shown:
    """The output of this phase alone, since a report repeats that of earlier phases."""
    yield "how it failed", report.longreprtext
    for name, text in report.sections:
        if name.endswith(f" {report.when}"):
            yield name.lower(), text


# --- what is stored and enqueued ---


@dataclass(frozen=True, slots=True)
class WatchedDocuments:
    """Documents whose every write is checked, whichever store it goes to."""

    inner: Documents

    async def read(self, partition: str, row: str) -> Document | None:
        return await self.inner.read(partition, row)

    async def apply(self, partition: str, changes: Sequence[Change]) -> dict[str, str]:
        for change in changes:
            if isinstance(change, Insert | Replace | Upsert):
                watch(f"the stored row {partition}/{change.row}", json.render(change.body))
        return await self.inner.apply(partition, changes)

    def scan(
        self, partition: str, *, first: str = "", last: str = "", limit: int | None = None
    ) -> AsyncIterator[Document]:
        return self.inner.scan(partition, first=first, last=last, limit=limit)

    def scan_all(self, *, first: str = "", last: str = "") -> AsyncIterator[Document]:
        return self.inner.scan_all(first=first, last=last)


@dataclass(frozen=True, slots=True)
class WatchedQueues:
    inner: Queues

    async def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        watch(f"a message of the queue {queue}", body)
        await self.inner.send(queue, body, delay=delay)

    async def receive(self, queue: str, *, limit: int, visibility: timedelta) -> list[QueuedMessage]:
        return await self.inner.receive(queue, limit=limit, visibility=visibility)

    async def delete(self, message: QueuedMessage) -> None:
        await self.inner.delete(message)

    async def postpone(self, message: QueuedMessage, delay: timedelta) -> QueuedMessage:
        return await self.inner.postpone(message, delay)

    async def peek(self, queue: str, *, limit: int) -> list[QueuedMessage]:
        return await self.inner.peek(queue, limit=limit)

    async def count(self, queue: str) -> int:
        return await self.inner.count(queue)
