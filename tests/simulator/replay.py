"""Replays a recorded conversation with Azure through the simulator and lists where the two differ.

Compared are, for every exchange: the status; whether ETag, Location, Azure-AsyncOperation and Retry-After are there,
and the ETag's form; the set of JSON paths of the body; and the values that say how it went (code, status,
provisioningState). What may differ is stated by the caller, each with its reason.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from simulator.cloud import EPOCH, OPERATOR, Cloud, Resource, Timing
from simulator.gateway import handle
from simulator.messages import Headers, Request, Response

RECORDED = Path(__file__).parents[3] / "shared" / "arm" / "recorded"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"

_HEADERS = ("etag", "location", "azure-asyncoperation", "retry-after")
_TELLING = re.compile(r"(^|\.)(code|provisioningState|status)$", re.IGNORECASE)
_GROUP = re.compile(r"^/subscriptions/[^/]+/resourcegroups/([^/]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exchange:
    index: int
    source: str  # the recording that it is from; a conversation may be several, each begun afresh
    method: str
    path: str
    query: dict[str, str]
    sent: Any
    status: int
    headers: Headers
    body: Any

    @property
    def is_running_poll(self) -> bool:
        return isinstance(self.body, dict) and self.body.get("status") in {"InProgress", "Running", "Accepted"}


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` is `status`, a header's name, `path` or `value`; `detail` says what was expected and what came."""

    exchange: Exchange
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.exchange.index} {self.exchange.method} {self.exchange.path}: {self.what}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A difference that is meant: `what` and `detail` are regular expressions, `path` one for the exchange's path."""

    reason: str
    what: str = ".*"
    detail: str = ".*"
    path: str = ".*"

    def covers(self, difference: Difference) -> bool:
        pairs = (
            (self.what, difference.what),
            (self.detail, difference.detail),
            (self.path, difference.exchange.path),
        )
        return all(re.search(pattern, text, re.IGNORECASE) for pattern, text in pairs)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A recording and what it takes for granted.

    `seeds` exist before. `left_out` maps an index, or a pattern of paths, to the reason why these exchanges are not
    sent. `headers` adds request headers that the recording lacks, by index; `addresses` corrects paths that a recorder
    mixed up. `held` are exchanges whose operation lasts until the recording sees it end; the others end as soon as
    nothing recorded says otherwise.
    """

    name: str
    seeds: Sequence[Resource] = ()
    left_out: Mapping[int | str, str] = field(default_factory=dict)
    headers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    addresses: Mapping[int, str] = field(default_factory=dict)
    held: frozenset[int] = frozenset()
    allowed: Sequence[Allowed] = ()


def recorded(name: str) -> list[Exchange]:
    """The exchanges of a conversation; the test is skipped when the recordings are not here."""
    file = RECORDED / "sequences" / f"{name}.jsonl"
    if not file.exists():
        pytest.skip(f"recorded conversations are not available: {file} is absent")
    return [_exchange(index, json.loads(line)) for index, line in enumerate(file.read_text().splitlines())]


def _exchange(index: int, record: Any) -> Exchange:
    request = record["request"]
    url = urlsplit(request["url"])
    query = {name.lower(): value for name, value in parse_qsl(url.query, keep_blank_values=True)}
    headers = Headers(record["headers"])
    source = record["source"].partition("#")[0]
    sent = _sent(request.get("body"))
    return Exchange(
        index, source, request["method"], unquote(url.path), query, sent, record["status"], headers, record["body"]
    )


def _sent(body: Any) -> Any:
    """A request body; older recorders wrote it as the text of a bytes literal."""
    if isinstance(body, str) and body.startswith("b'"):
        return json.loads(ast.literal_eval(body))
    return body


def replay(conversation: Conversation) -> list[Difference]:
    """Every difference that no `allowed` entry covers. An entry that covers nothing is reported as well."""
    differences = list(differing(conversation))
    unused = [each for each in conversation.allowed if not any(each.covers(found) for found in differences)]
    assert not unused, f"allowances that cover nothing: {[each.reason for each in unused]}"
    return [found for found in differences if not any(each.covers(found) for each in conversation.allowed)]


def differing(conversation: Conversation) -> Iterator[Difference]:
    """Every difference, allowed or not."""
    for _, part in groupby(recorded(conversation.name), key=lambda each: each.source):
        yield from _Replayer(conversation, list(part)).run()


class _Replayer:
    def __init__(self, conversation: Conversation, exchanges: list[Exchange]) -> None:
        self._conversation = conversation
        self._exchanges = exchanges
        self._now: datetime = EPOCH
        self._cloud = Cloud(subscriptions=(SUBSCRIPTION,), timing=Timing(operation_seconds=None))
        self._urls: dict[str, str] = {}  # recorded operation path > ours
        self._lasting: list[int] = []  # index before which nothing may complete

    def run(self) -> Iterator[Difference]:
        self._seed()
        for exchange in self._exchanges:
            if any(_names(each, exchange) for each in self._conversation.left_out):
                continue
            self._pass_time(exchange.index)
            answer = self._send(exchange)
            self._remember(exchange, answer)
            yield from _compare(exchange, answer)

    def _seed(self) -> None:
        created = set()
        for exchange in self._exchanges:
            match = _GROUP.match(exchange.path)
            if match is None or match[1].lower() in created:
                continue
            created.add(match[1].lower())
            if exchange.method != "PUT" or len(exchange.path.split("/")) > 5:
                self._seed_group(match[1])
        for resource in self._conversation.seeds:
            match = _GROUP.match(resource.id)
            if match is not None and match[1].lower() not in created:
                self._seed_group(match[1])
            self._cloud.put(resource)

    def _seed_group(self, name: str) -> None:
        path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"
        tags = self._tags_of_group(path)
        body = {"location": "westeurope", **({"tags": tags} if tags is not None else {})}
        request = Request.of("PUT", path, body, api_version="2021-04-01", caller=OPERATOR)
        handle(self._cloud, request, self._now)

    def _tags_of_group(self, path: str) -> Any:
        for exchange in self._exchanges:
            if exchange.path.lower() == path.lower() and exchange.method == "GET" and exchange.status == 200:
                return exchange.body.get("tags")
        return None

    def _pass_time(self, index: int) -> None:
        self._lasting = [until for until in self._lasting if until > index]
        if not self._lasting:
            self._now += timedelta(hours=1)

    def _send(self, exchange: Exchange) -> Response:
        path = self._conversation.addresses.get(exchange.index) or self._ours(exchange.path)
        headers = Headers(self._conversation.headers.get(exchange.index))
        body = b"" if exchange.sent is None else json.dumps(exchange.sent).encode()
        request = Request(exchange.method, path, exchange.query, headers, body, OPERATOR)
        return handle(self._cloud, request, self._now)

    def _ours(self, path: str) -> str:
        return next((ours for theirs, ours in self._urls.items() if _same(theirs, path)), path)

    def _remember(self, exchange: Exchange, answer: Response) -> None:
        for name in ("azure-asyncoperation", "location"):
            theirs, ours = exchange.headers.get(name), answer.headers.get(name)
            if theirs and ours and exchange.method != "GET":
                path = unquote(urlsplit(theirs).path)
                self._urls[path] = urlsplit(ours).path
                self._lasting.append(self._lasts_until(exchange.index, path))
        if isinstance(exchange.body, dict) and isinstance(exchange.body.get("value"), list):
            self._pair_up(exchange.body["value"], (answer.parsed() or {}).get("value") or [])

    def _pair_up(self, theirs: list[Any], ours: list[Any]) -> None:
        """Names that the service makes up differ: take those of a listing in its order."""
        for one, other in zip(theirs, ours, strict=False):
            if one.get("id") and other.get("id") and one["id"].lower() != other["id"].lower():
                self._urls[one["id"]] = other["id"]

    def _lasts_until(self, start: int, path: str) -> int:
        until = start
        for exchange in self._exchanges:
            if exchange.index <= start or not _same(path, exchange.path):
                continue
            if exchange.is_running_poll:
                until = exchange.index + 1
            elif start in self._conversation.held:
                return exchange.index
        return until


def _names(which: int | str, exchange: Exchange) -> bool:
    if isinstance(which, int):
        return exchange.index == which
    return re.search(which, exchange.path, re.IGNORECASE) is not None


def _same(theirs: str, path: str) -> bool:
    """Whether two recorded paths are one; the recorder cut the end off some operation ids."""
    stem, cut, _ = path.partition("REDACTED")
    return theirs.startswith(stem) if cut else theirs == path


def _compare(exchange: Exchange, answer: Response) -> Iterator[Difference]:
    if exchange.status != answer.status:
        detail = f"{exchange.status} expected, {answer.status} came: {answer.body[:200].decode()}"
        yield Difference(exchange, "status", detail)
        return
    for name in _HEADERS:
        theirs, ours = _form(name, exchange.headers), _form(name, answer.headers)
        if theirs != ours:
            yield Difference(exchange, name, f"{theirs} expected, {ours} came")
    theirs_body, ours_body = _flat(exchange.body or None), _flat(answer.parsed() or None)
    for path in sorted(theirs_body.keys() - ours_body.keys()):
        yield Difference(exchange, "path", f"{path} missing")
    for path in sorted(ours_body.keys() - theirs_body.keys()):
        yield Difference(exchange, "path", f"{path} added")
    for path in sorted(theirs_body.keys() & ours_body.keys()):
        if _TELLING.search(path) and theirs_body[path] != ours_body[path]:
            yield Difference(exchange, "value", f"{path}: {theirs_body[path]} expected, {ours_body[path]} came")


def _form(name: str, headers: Headers) -> str:
    value = headers.get(name)
    if value is None:
        return "absent"
    if name != "etag":
        return "present"
    return "weak" if value.startswith("W/") else "quoted" if value.startswith('"') else "bare"


def _flat(body: Any, path: str = "") -> dict[str, set[str]]:
    """JSON paths (list indices as []) with the set of values that stand there."""
    if isinstance(body, dict) and body:
        children = [(f"{path}.{name}".lstrip("."), value) for name, value in body.items()]
    elif isinstance(body, list) and body:
        children = [(f"{path}[]", value) for value in body]
    else:
        return {path: {json.dumps(body)}} if path else {}
    found: dict[str, set[str]] = {}
    for name, value in children:
        for leaf, values in _flat(value, name).items():
            found.setdefault(leaf, set()).update(values)
    return found
