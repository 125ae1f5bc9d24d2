"""ARM's answers: any status, headers and body, from ARM or from whatever stands between it and us.

Promise: a read is a fact whatever comes, a write ends as the port says, and both in a bounded number of requests.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from homeostat.azure.reader import MAX_PAGES
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import (
    NETWORK_SECURITY_GROUP,
    SECURITY_RULE,
    SITE_CONFIG,
    SITE_NETWORK_CONFIG,
    VIRTUAL_NETWORK_LINK,
)
from homeostat.core.errors import HomeostatError
from homeostat.core.marks import LEASE_TIME
from homeostat.core.model import Found, Gone, Read, Unreadable
from homeostat.core.plan import Action, Verb
from homeostat.ports.azure import StillRunning, Written
from tests.azure.scripted import ARM, Answer, Conversation, conversation, resource
from tests.fuzz.junk import Junk
from tests.fuzz.target import Target, worked

NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")
LINK = resource(VIRTUAL_NETWORK_LINK.name, "zone", "link")
SETTINGS = resource(SITE_CONFIG.name, "app", "appsettings")
READS: Final = (
    Read(NETWORK_SECURITY_GROUP, NSG),
    Read(SECURITY_RULE, NSG, every=True),
    Read(SITE_CONFIG, SETTINGS),
    Read(VIRTUAL_NETWORK_LINK, LINK),
)
BODY: Final = {"properties": {"some": "value"}}
WRITES: Final = (
    Action(NSG, NETWORK_SECURITY_GROUP, Verb.PUT, (), BODY, '"1"'),
    Action(LINK, VIRTUAL_NETWORK_LINK, Verb.PUT, (), BODY),
    Action(SETTINGS, SITE_CONFIG, Verb.PUT, (), BODY),
    Action(NSG, NETWORK_SECURITY_GROUP, Verb.DELETE, ()),
    Action(resource(SITE_NETWORK_CONFIG.name, "app", "virtualNetwork"), SITE_NETWORK_CONFIG, Verb.DELETE, ()),
)
STATUSES: Final = (
    200,
    201,
    202,
    204,
    206,
    301,
    304,
    307,
    400,
    401,
    403,
    404,
    408,
    409,
    412,
    423,
    429,
    500,
    502,
    503,
    504,
    599,
)
HEADERS: Final = (
    "Retry-After", "retry-after-ms", "x-ms-retry-after-ms", "ETag", "Content-Type", "Location", "Azure-AsyncOperation",
    "Operation-Location", "WWW-Authenticate", "x-ms-correlation-request-id",
)  # fmt: skip
VALUES: Final = (
    "0", "1", "17", "-1", "99999999999999999999", "9" * 5000, "\u00b2", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT",
    "Mon, 99 Foo 99999 99:99:99 GMT", "Fri, 31 Dec 9999 23:59:59 -1200", "not a url", "//[", "", 'W/"1"',
    'Bearer error="insufficient_claims", claims="%%%"', f"{ARM}/subscriptions/s/providers/N/operations/1?api-version=1",
    "https://elsewhere.example/", "application/json; charset=none",
)  # fmt: skip
BODIES: Final[tuple[Any, ...]] = (
    {}, [], None, {"value": []}, {"value": [{"name": "a"}], "nextLink": f"{ARM}/next"}, {"nextLink": "https://x.example"},
    {"nextLink": "http://["}, {"status": "Succeeded"}, {"status": "InProgress"}, {"status": 7}, {"error": "text"},
    {"status": "Failed", "error": {"code": "Conflict"}}, {"properties": {"provisioningState": "Updating"}},
    {"error": {"code": "ResourceNotFound", "message": "x"}}, {"error": {"code": 5, "message": []}},
    {"Code": "Conflict", "Message": "try in 9999 seconds"},
)  # fmt: skip
TEXTS: Final = (b"", b"<html>" * 500, b"<" * 20_000, b"\xff\xfe", b"[" * 50_000, b"NaN", b'{"a": 1e999}', b"9" * 5000)

MAX_ANSWERS: Final = 60
"""How many answers an input decides; then ARM only says that it is unwell."""


def run(data: bytes) -> None:
    junk = Junk(data)
    reads = bool(junk.below(2))
    read, write = junk.one_of(READS), junk.one_of(WRITES)
    talk = conversation(*(_answer(junk) for _ in range(1 + junk.below(MAX_ANSWERS))), *[Answer(500)] * 700)
    began = talk.ambient.time
    worked(lambda: _read(talk, read) if reads else _write(talk, write))
    assert len(talk.script.requests) <= (MAX_PAGES + 1 if reads else 100)
    if not reads:
        assert talk.ambient.time - began < LEASE_TIME, "a write may not outlast its lease"


async def _read(talk: Conversation, read: Read) -> None:
    fact = await talk.arm.reader.read(read)
    assert isinstance(fact, Found | Gone | Unreadable)
    if isinstance(fact, Unreadable):
        _check(fact.error)


async def _write(talk: Conversation, action: Action) -> None:
    try:
        outcome: Written | HomeostatError = await talk.arm.writer.write(action)
    except (ArmError, StillRunning) as error:
        outcome = error
    match outcome:
        case ArmError():
            _check(outcome)
        case StillRunning():
            assert timedelta() <= outcome.retry_after <= timedelta(days=1)
        case _:
            assert isinstance(outcome, Written)


def _check(error: ArmError) -> None:
    assert len(str(error)) < 2000
    assert error.retry_after is None or timedelta() <= error.retry_after <= timedelta(days=1)


def _answer(junk: Junk) -> Answer | Exception:
    kind = junk.below(16)
    if kind == 0:
        return ServiceRequestError("refused") if junk.below(2) else ServiceResponseError("reset")
    headers = {junk.one_of(HEADERS): junk.one_of(VALUES) for _ in range(junk.below(4))}
    body = junk.one_of(TEXTS) if kind <= 3 else json.dumps(junk.json() if kind <= 6 else junk.one_of(BODIES)).encode()
    return Answer(junk.one_of(STATUSES), body, headers, took=junk.below(30))


def seeds() -> Iterator[bytes]:
    for first in range(2):
        for second in range(5):
            for status in range(len(STATUSES)):
                yield bytes((first, second, second, 8, 8, 1, 0, status, status, status)) * 3


ANSWERS = Target("answers", run, seeds)
