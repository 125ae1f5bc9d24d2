"""The pipeline over real TLS connections: what only a socket can show."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import Arm, arm_over
from homeostat.azure.clouds import CLOUDS
from homeostat.azure.pipeline import CONNECTIONS, http_session, session_transport
from homeostat.azure.retry import Limits
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.core.graph import RowQuery
from homeostat.core.model import Found, Read, Unreadable
from homeostat.core.plan import Action, Verb
from homeostat.memory import MemoryStorage
from tests.azure.scripted import Tokens, VirtualAmbient, resource
from tests.azure.tls import serving

pytestmark = pytest.mark.wire

NSG = Read(NETWORK_SECURITY_GROUP, resource(NETWORK_SECURITY_GROUP.name, "nsg-app"))
RULE = resource(SECURITY_RULE.name, "nsg-app", "allow-sql")
PUT_RULE = Action(RULE, SECURITY_RULE, Verb.PUT, (), {"properties": {"priority": 100}})


@asynccontextmanager
async def connected(endpoint: str, environment: dict[str, str]) -> AsyncIterator[Arm]:
    cloud = replace(CLOUDS["azurecloud"], arm=endpoint)
    async with http_session(environment) as session, http_session(environment, connections=1) as of_pages:
        yield arm_over(
            session_transport(session),
            Tokens(),
            cloud,
            VirtualAmbient(),
            limits=Limits(attempts=3),
            of_pages=session_transport(of_pages),
        )


async def fine(_: web.Request) -> web.Response:
    return web.json_response({"properties": {"provisioningState": "Succeeded"}})


async def hang_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    await request.read()
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_many_calls_share_one_connection_trusted_through_the_environment(variable: str, tmp_path: Path) -> None:
    async with (
        serving(tmp_path, fine) as server,
        connected(server.endpoint, {variable: str(server.bundle)}) as arm,
    ):
        for _ in range(5):
            assert isinstance(await arm.reader.read(NSG), Found)
        await arm.writer.write(PUT_RULE)
    assert server.methods == ["GET"] * 5 + ["PUT"]
    assert len(server.connections) == 1


async def test_a_server_that_nobody_vouches_for_gets_no_token(tmp_path: Path) -> None:
    async with serving(tmp_path, fine) as server, connected(server.endpoint, {}) as arm:
        fact = await arm.reader.read(NSG)
    assert isinstance(fact, Unreadable)
    assert "certificate" in fact.error.message.lower()
    assert fact.error.executed is Executed.NO
    assert server.methods == []


async def test_a_write_lost_on_a_kept_connection_is_not_sent_again(tmp_path: Path) -> None:
    async def hang_up_on_writes(request: web.Request) -> web.Response:
        return await (fine(request) if request.method == "GET" else hang_up(request))

    async with (
        serving(tmp_path, hang_up_on_writes) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        await arm.reader.read(NSG)
        with pytest.raises(ArmError) as raised:
            await arm.writer.write(PUT_RULE)
    assert server.methods == ["GET", "PUT"]
    assert raised.value.executed is Executed.MAYBE


async def test_a_read_lost_on_its_way_is_sent_again(tmp_path: Path) -> None:
    answers = iter([hang_up, hang_up, fine])

    async def at_last(request: web.Request) -> web.Response:
        return await next(answers)(request)

    async with (
        serving(tmp_path, at_last) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        assert isinstance(await arm.reader.read(NSG), Found)
    assert server.methods == ["GET"] * 3


async def test_an_answer_cut_short_leaves_open_whether_a_write_was_done(tmp_path: Path) -> None:
    async def cut_short(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200, headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"properties": ')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with (
        serving(tmp_path, cut_short) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        with pytest.raises(ArmError) as raised:
            await arm.writer.write(PUT_RULE)
    assert server.methods == ["PUT"]
    assert (raised.value.status, raised.value.executed) == (0, Executed.MAYBE)


async def test_a_server_that_is_not_there_is_named_and_nothing_counts_as_done(tmp_path: Path) -> None:
    async with serving(tmp_path, fine) as server:
        endpoint = server.endpoint
    async with connected(endpoint, {}) as arm:
        with pytest.raises(ArmError) as raised:
            await arm.writer.write(PUT_RULE)
    assert raised.value.executed is Executed.NO
    assert raised.value.error_class is ErrorClass.TRANSIENT
    assert endpoint.removeprefix("https://") in str(raised.value)


async def test_a_caller_that_has_waited_long_enough_is_let_go_at_once(tmp_path: Path) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with (
        serving(tmp_path, never) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await arm.reader.read(NSG)
    assert server.methods == ["GET"]


async def test_a_compressed_answer_is_unpacked(tmp_path: Path) -> None:
    async def packed(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b'{"name": "nsg-app"}'), headers={"Content-Encoding": "gzip"})

    async with (
        serving(tmp_path, packed) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        assert await arm.reader.read(NSG) == Found({"name": "nsg-app"})


PAGE = json.dumps({"totalRecords": 9_000, "data": [{"id": f"/a/{number}", "tags": None} for number in range(9_000)]})
QUERY = RowQuery(("a/b",), ("id",))


async def begun(request: web.Request) -> web.StreamResponse:
    """The first half of a page, with the connection still open."""
    response = web.StreamResponse(headers={"Content-Length": str(len(PAGE))})
    await response.prepare(request)
    await response.write(PAGE[: len(PAGE) // 2].encode())
    return response


async def test_pages_of_rows_are_unpacked_while_they_come_over_one_connection(tmp_path: Path) -> None:
    async def packed(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(PAGE.encode()), headers={"Content-Encoding": "gzip"})

    async with (
        serving(tmp_path, packed) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        found = [await arm.changes.page(QUERY) for _ in range(3)]
    assert [(page.total, page.rows[0], page.rows[-1]) for page in found] == [
        (9_000, {"id": "/a/0"}, {"id": "/a/8999"})
    ] * 3
    assert len(server.connections) == 1


async def test_a_page_cut_short_is_asked_for_again(tmp_path: Path) -> None:
    async def cut_short(request: web.Request) -> web.StreamResponse:
        response = await begun(request)
        assert request.transport is not None
        request.transport.abort()
        return response

    async def whole(_: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE)

    answers = iter([cut_short, whole])

    async def at_last(request: web.Request) -> web.StreamResponse:
        return await next(answers)(request)

    async with (
        serving(tmp_path, at_last) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        assert len((await arm.changes.page(QUERY)).rows) == 9_000
    assert server.methods == ["POST"] * 2


async def test_who_stops_waiting_in_the_middle_of_a_page_hangs_up(tmp_path: Path) -> None:
    halfway, hung_up = asyncio.Event(), asyncio.Event()

    async def stuck(request: web.Request) -> web.StreamResponse:
        response = await begun(request)
        halfway.set()
        try:
            await asyncio.Event().wait()
        finally:
            hung_up.set()
        return response

    async with (
        serving(tmp_path, stuck) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        asking = asyncio.create_task(arm.changes.page(QUERY))
        await halfway.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await hung_up.wait()


async def test_more_calls_at_once_to_a_host_than_connections_wait_for_one(tmp_path: Path) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response({})

    async with (
        serving(tmp_path, slow) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        await asyncio.gather(*(arm.reader.read(NSG) for _ in range(3 * CONNECTIONS)))
    assert len(server.methods) == 3 * CONNECTIONS
    assert len(server.connections) == CONNECTIONS


async def test_pages_of_rows_have_a_connection_of_their_own_and_wait_for_no_read(tmp_path: Path) -> None:
    over: dict[str, set[object]] = {"GET": set(), "POST": set()}
    paged = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        over[request.method].add(request.transport.get_extra_info("peername"))
        if request.method == "POST":
            return web.json_response({"data": [], "totalRecords": 0})
        await paged.wait()
        return web.json_response({})

    async with (
        serving(tmp_path, answer) as server,
        connected(server.endpoint, {"SSL_CERT_FILE": str(server.bundle)}) as arm,
    ):
        reads = [asyncio.create_task(arm.reader.read(NSG)) for _ in range(CONNECTIONS + 1)]
        ambient = VirtualAmbient()
        table = arm.sharing(SharedAllowance(MemoryStorage(ambient.now).documents, ambient, DEFAULT_SHARE_LEFT)).table
        for _ in range(3):
            await table.page(QUERY)
        paged.set()
        await asyncio.gather(*reads)
    assert (len(over["GET"]), len(over["POST"])) == (CONNECTIONS, 1)
    assert not over["GET"] & over["POST"]


@pytest.mark.parametrize(
    ("environment", "there_is_one"),
    [
        ({}, False),
        ({"HTTPS_PROXY": ""}, False),
        ({"NO_PROXY": "localhost"}, False),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, True),
        ({"http_proxy": "http://proxy.example:3128"}, True),
    ],
)
async def test_a_proxy_is_only_looked_for_where_the_environment_names_one(
    environment: dict[str, str], there_is_one: bool
) -> None:
    async with http_session(environment) as session:
        assert session.trust_env is there_is_one
