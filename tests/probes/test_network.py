"""The prober on real sockets of this machine: names from the simulated network, ports and pages of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from homeostat.config import ConfigError
from homeostat.core.ids import ResourceId
from homeostat.core.probes import HttpProbe, NameProbe, Probed, Result, TcpProbe
from homeostat.probes.network import NetworkProber, prober_of
from simulator import dns, worlds
from simulator.cloud import Cloud
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

VNET = ResourceId.parse(
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-flask/providers/"
    "Microsoft.Network/virtualNetworks/vnet-appservice"
)
SQL = "sql-flask.database.windows.net"
ZONE = "/resourceGroups/rg-flask/providers/Microsoft.Network/privateDnsZones/privatelink.database.windows.net"
LOCAL = "local.privatelink.database.windows.net"


@pytest.fixture
def cloud() -> Cloud:
    cloud = worlds.create("guide")
    record = {"properties": {"ttl": 5, "aRecords": [{"ipv4Address": "127.0.0.1"}]}}
    assert Client(cloud)("PUT", f"{ZONE}/A/local", record, "2024-06-01").status == 201
    return cloud


@pytest.fixture
async def prober(cloud: Cloud) -> AsyncIterator[NetworkProber]:
    async with dns.serve(cloud) as where:
        address, _, port = where.rpartition(":")
        yield NetworkProber({}, resolver=(address, int(port)), seconds=0.5)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_name_s_addresses_are_those_at_the_end_of_its_aliases(prober: NetworkProber) -> None:
    assert await prober.probe(NameProbe(VNET, SQL)) == Probed(Result.ANSWERED, ("10.10.2.4",))


async def test_a_name_that_does_not_exist_is_told_from_a_resolver_that_does_not_answer(prober: NetworkProber) -> None:
    assert (await prober.probe(NameProbe(VNET, "nobody.example.com"))).result is Result.NO_SUCH_NAME
    silent = NetworkProber({}, resolver=("127.0.0.1", closed_port()), seconds=0.2)
    assert (await silent.probe(NameProbe(VNET, SQL))).result is Result.NO_RESOLVER


async def test_an_open_port_a_closed_one_and_an_unknown_host_are_told_apart(prober: NetworkProber) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await prober.probe(TcpProbe(VNET, LOCAL, port)) == Probed(Result.ANSWERED, ("127.0.0.1",))
    server.close()
    await server.wait_closed()
    assert await prober.probe(TcpProbe(VNET, LOCAL, port)) == Probed(Result.REFUSED, ("127.0.0.1",))
    assert (await prober.probe(TcpProbe(VNET, "nobody.example.com", port))).result is Result.NO_SUCH_NAME


async def test_a_page_is_asked_for_its_status_and_a_redirect_is_not_followed(prober: NetworkProber) -> None:
    async def health(_: web.Request) -> web.Response:
        return web.Response(status=503)

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/health")

    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/moved", moved)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    assert await prober.probe(HttpProbe(f"{base}/health")) == Probed(Result.ANSWERED, status=503)
    assert await prober.probe(HttpProbe(f"{base}/moved")) == Probed(Result.ANSWERED, status=302)
    await runner.cleanup()
    assert (await prober.probe(HttpProbe(f"{base}/health"))).result is Result.REFUSED


async def test_one_lost_connection_is_not_yet_an_answer() -> None:
    """The resolver is silent at the first question and answers the second."""
    asked: list[bytes] = []
    cloud = worlds.create("guide")

    class Forgetful(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.DatagramTransport)
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.append(data)
            answer = dns.respond(cloud, VNET.text, data)
            if len(asked) > 1 and answer is not None:
                self.transport.sendto(answer, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Forgetful, local_addr=("127.0.0.1", 0))
    prober = NetworkProber({}, resolver=transport.get_extra_info("sockname"), seconds=0.3)
    assert (await prober.probe(NameProbe(VNET, SQL))).result is Result.ANSWERED
    assert len(asked) == 2
    transport.close()


async def test_a_network_that_it_is_not_in_is_not_asked() -> None:
    other = ResourceId.parse(VNET.text.replace("vnet-appservice", "vnet-other"))
    prober = NetworkProber({}, networks=frozenset({other}), resolver=("127.0.0.1", closed_port()))
    assert await prober.probe(NameProbe(VNET, SQL)) == Probed(Result.ELSEWHERE)
    assert await prober.probe(TcpProbe(VNET, SQL, 1433)) == Probed(Result.ELSEWHERE)


# --- the environment


@pytest.mark.parametrize("text", ["", "off", " OFF "])
def test_without_a_word_nothing_is_probed(text: str) -> None:
    assert prober_of({"HOMEOSTAT_PROBES": text}) is None


def test_the_environment_names_networks_and_resolver() -> None:
    on = prober_of({"HOMEOSTAT_PROBES": "on", "HOMEOSTAT_DNS_SERVER": "127.0.0.1:5353"})
    assert on is not None
    assert (on.networks, on.resolver) == (None, ("127.0.0.1", 5353))
    some = prober_of({"HOMEOSTAT_PROBES": f"{VNET.text}, {VNET.text}2"})
    assert some is not None
    assert some.networks is not None
    assert VNET in some.networks
    assert (len(some.networks), some.resolver) == (2, None)


@pytest.mark.parametrize(
    "environment",
    [
        {"HOMEOSTAT_PROBES": "yes"},
        {"HOMEOSTAT_PROBES": "on", "HOMEOSTAT_DNS_SERVER": "localhost:53"},
        {"HOMEOSTAT_PROBES": "on", "HOMEOSTAT_DNS_SERVER": "10.0.0.256"},
        {"HOMEOSTAT_PROBES": "on", "HOMEOSTAT_DNS_SERVER": "10.0.0.4:65536"},
        {"HOMEOSTAT_PROBES": "on", "HOMEOSTAT_DNS_SERVER": "10.0.0.4:0"},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=list(environment)[-1]):
        prober_of(environment)
