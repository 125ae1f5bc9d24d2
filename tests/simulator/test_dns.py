"""Names inside the simulated network: private where zone, link and endpoint are there, public or nothing elsewhere."""

import asyncio
import re
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import worlds
from simulator.cloud import Cloud
from simulator.dns import default_network, lookup, respond, serve
from tests.support.simulation import Client

pytestmark = pytest.mark.wire

SQL = "sql-flask.database.windows.net"
GROUP = "/resourceGroups/rg-flask/providers/Microsoft.Network"
ZONE = f"{GROUP}/privateDnsZones/privatelink.database.windows.net"
LINK = f"{ZONE}/virtualNetworkLinks/link-vnet-appservice"
DNS = "2024-06-01"


@pytest.fixture
def cloud() -> Cloud:
    return worlds.create("guide")


def addresses(cloud: Cloud, name: str = SQL) -> tuple[str, ...]:
    return lookup(cloud, default_network(cloud), name).addresses


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        (SQL, "sql-flask.privatelink.database.windows.net"),
        ("kv-flask.vault.azure.net", "kv-flask.privatelink.vaultcore.azure.net"),
        ("redis-flask.redis.cache.windows.net", "redis-flask.privatelink.redis.cache.windows.net"),
    ],
)
def test_a_backend_s_public_name_leads_to_its_endpoint_inside_the_linked_network(
    cloud: Cloud, name: str, alias: str
) -> None:
    answer = lookup(cloud, default_network(cloud), f"{name.upper()}.")
    assert answer.aliases == ((name, alias),)
    assert [address.rpartition(".")[0] for address in answer.addresses] == ["10.10.2"]


def test_outside_the_linked_network_it_leads_to_a_public_address(cloud: Cloud) -> None:
    assert lookup(cloud, "/another/network", SQL).addresses[0].startswith("20.")


def test_without_the_link_the_network_sees_the_public_address(cloud: Cloud) -> None:
    Client(cloud)("DELETE", LINK, api_version=DNS)
    assert addresses(cloud)[0].startswith("20.")


def test_without_the_record_the_name_does_not_exist_unless_the_link_redirects(cloud: Cloud) -> None:
    client = Client(cloud)
    client("DELETE", f"{ZONE}/A/sql-flask", api_version=DNS)
    assert not lookup(cloud, default_network(cloud), SQL).exists
    link = client("GET", LINK, api_version=DNS).body
    link["properties"]["resolutionPolicy"] = "NxDomainRedirect"
    assert client("PUT", LINK, link, DNS).status < 300
    assert addresses(cloud)[0].startswith("20.")


def test_without_an_endpoint_a_backend_has_only_its_public_name() -> None:
    answer = lookup(worlds.create("prerequisites"), "", SQL)
    assert answer.aliases == ()
    assert answer.addresses[0].startswith("20.")


def test_a_name_of_nothing_does_not_exist(cloud: Cloud) -> None:
    assert not lookup(cloud, default_network(cloud), "nobody.database.windows.net").exists


def test_a_record_of_one_s_own_is_answered_with_all_its_addresses_and_its_ttl(cloud: Cloud) -> None:
    body = {"properties": {"ttl": 77, "aRecords": [{"ipv4Address": "10.10.2.9"}, {"ipv4Address": "10.10.2.10"}]}}
    Client(cloud)("PUT", f"{ZONE}/A/other", body, DNS)
    answer = lookup(cloud, default_network(cloud), "other.privatelink.database.windows.net")
    assert (answer.addresses, answer.ttl) == (("10.10.2.9", "10.10.2.10"), 77)


def test_aliases_in_a_circle_come_to_an_end(cloud: Cloud) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        body = {"properties": {"ttl": 5, "cnameRecord": {"cname": f"{other}.privatelink.database.windows.net"}}}
        Client(cloud)("PUT", f"{ZONE}/CNAME/{name}", body, DNS)
    assert not lookup(cloud, default_network(cloud), "a.privatelink.database.windows.net").exists


# --- the wire


@pytest.fixture
async def served(cloud: Cloud) -> AsyncIterator[int]:
    async with serve(cloud) as where:
        yield int(where.rpartition(":")[2])


@pytest.mark.parametrize("ask", [dns.asyncquery.udp, dns.asyncquery.tcp])
async def test_a_resolver_gets_alias_and_address_over_udp_and_tcp(served: int, ask: object) -> None:
    query = dns.message.make_query(SQL, dns.rdatatype.A)
    response = await ask(query, "127.0.0.1", port=served, timeout=5)  # type: ignore[operator]  # either function
    types = [rrset.rdtype for rrset in response.answer]
    assert types == [dns.rdatatype.CNAME, dns.rdatatype.A]
    assert response.answer[1][0].to_text().startswith("10.10.2.")


async def test_two_questions_can_share_a_connection(served: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served)
    for name in (SQL, "nobody.example"):
        wire = dns.message.make_query(name, dns.rdatatype.A).to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
    codes = []
    for _ in range(2):
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        codes.append(dns.message.from_wire(await reader.readexactly(length)).rcode())
    writer.close()
    assert codes == [dns.rcode.NOERROR, dns.rcode.NXDOMAIN]


async def test_a_change_of_the_zone_is_seen_by_the_next_question(cloud: Cloud, served: int) -> None:
    query = dns.message.make_query(SQL, dns.rdatatype.A)
    await dns.asyncquery.udp(query, "127.0.0.1", port=served, timeout=5)
    Client(cloud)("DELETE", f"{ZONE}/A/sql-flask", api_version=DNS)
    assert (await dns.asyncquery.udp(query, "127.0.0.1", port=served, timeout=5)).rcode() == dns.rcode.NXDOMAIN


def test_an_answer_that_is_too_long_for_a_datagram_says_so(cloud: Cloud) -> None:
    records = [{"ipv4Address": f"10.10.3.{number}"} for number in range(200)]
    Client(cloud)("PUT", f"{ZONE}/A/many", {"properties": {"ttl": 5, "aRecords": records}}, DNS)
    query = dns.message.make_query("many.privatelink.database.windows.net", dns.rdatatype.A).to_wire()
    short = respond(cloud, default_network(cloud), query, limit=512)
    long = respond(cloud, default_network(cloud), query)
    assert short is not None
    assert dns.message.from_wire(short, ignore_trailing=True).flags & dns.flags.TC
    assert long is not None
    assert len(dns.message.from_wire(long).answer[0]) == 200


@given(st.binary(max_size=80))
def test_junk_gets_an_answer_or_none_and_never_an_exception(junk: bytes) -> None:
    cloud = worlds.create("empty")
    assert respond(cloud, "", junk) is None or isinstance(respond(cloud, "", junk), bytes)


def test_the_program_tells_where_its_resolver_is_and_the_resolver_answers(tmp_path: Path) -> None:
    file = tmp_path / "env"
    command = [sys.executable, "-m", "simulator", "--port", "0", "--world", "guide", "--env-file", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
            (where,) = re.findall(r"^export HOMEOSTAT_DNS_SERVER=127\.0\.0\.1:(\d+)$", file.read_text(), re.MULTILINE)
            query = dns.message.make_query(SQL, dns.rdatatype.A)
            answer = dns.query.udp(query, "127.0.0.1", port=int(where), timeout=5)
        finally:
            program.terminate()
    assert len(answer.answer) == 2
