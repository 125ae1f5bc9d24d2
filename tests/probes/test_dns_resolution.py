"""A name is judged by where it ends: at its endpoint's addresses, and nowhere else."""

from typing import ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT
from homeostat.core.model import AnyRemediator, Scope, Verdict
from homeostat.core.probes import NameProbe, Probed, Result
from remediators.dns_resolution import OTHER_ADDRESS, REMEDIATOR, DnsResolutionSection
from remediators.probing import NO_RESOLVER, NO_SUCH_NAME, NOT_JOINED, PUBLIC_ADDRESS
from tests.probes import scenery
from tests.probes.contract import Case, ProbeContract, gather, look
from tests.probes.scenery import APP, ELSEWHERE, SQL, SQL_ADDRESS, SQL_ENDPOINT, VNET
from tests.remediators.contract import want_of
from tests.remediators.world import World

pytestmark = pytest.mark.unit

WANT = want_of(APP, {SQL: SQL_ENDPOINT})
ASKED = NameProbe(VNET, SQL)
RIGHT = Probed(Result.ANSWERED, (SQL_ADDRESS,))

WRONG = {
    "public": (Probed(Result.ANSWERED, (ELSEWHERE,)), PUBLIC_ADDRESS),
    "one of them public": (Probed(Result.ANSWERED, (SQL_ADDRESS, ELSEWHERE)), PUBLIC_ADDRESS),
    "another private address": (Probed(Result.ANSWERED, ("10.10.2.99",)), OTHER_ADDRESS),
    "no such name": (Probed(Result.NO_SUCH_NAME), NO_SUCH_NAME),
    "silence": (Probed(Result.NO_RESOLVER), NO_RESOLVER),
}


def world(*servers: str, grouped: bool = True) -> World:
    return {**scenery.site(), **scenery.vnet(*servers), **scenery.endpoint(SQL_ADDRESS, grouped=grouped)}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    servers = draw(st.sampled_from([(), ("10.0.0.10",)]))
    probed, wrong = draw(
        st.sampled_from([(RIGHT, frozenset[str]()), *((probed, frozenset({SQL})) for probed, _ in WRONG.values())])
    )
    found = world(*servers, grouped=draw(st.booleans()))
    return Case(WANT, found, {NameProbe(VNET, SQL, servers): probed}, wrong)


class TestContract(ProbeContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()


@pytest.mark.parametrize(("probed", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_in_the_words_of_the_remedy(probed: Probed, words: str) -> None:
    (drift,) = look(REMEDIATOR, Case(WANT, world(), {ASKED: probed}))
    assert (drift.want, drift.note) == (SQL_ADDRESS, words)
    assert drift.have == (ABSENT if not probed.addresses else drift.have)


def test_an_app_in_no_network_reaches_nothing_private_and_no_name_is_asked() -> None:
    case = Case(WANT, {**world(), **scenery.site(None)}, {})
    (drift,) = look(REMEDIATOR, case)
    assert (drift.verdict, drift.note) == (Verdict.DRIFTED, NOT_JOINED)
    assert not [query for query in gather(REMEDIATOR, WANT, case.world, {}) if isinstance(query, NameProbe)]


def test_the_network_s_own_dns_servers_are_the_ones_to_ask() -> None:
    facts = gather(REMEDIATOR, WANT, world("10.0.0.10"), {})
    assert NameProbe(VNET, SQL, ("10.0.0.10",)) in facts


def test_an_endpoint_that_is_not_there_leaves_the_verdict_open() -> None:
    (drift,) = look(REMEDIATOR, Case(WANT, {**scenery.site(), **scenery.vnet()}, {ASKED: RIGHT}))
    assert drift.verdict is Verdict.UNKNOWN
    assert "pe-sql" in drift.note


@pytest.mark.parametrize(
    ("host", "endpoint", "told"),
    [
        ("sql-flask.privatelink.database.windows.net", "pe-sql", "private-link name"),
        ("https://sql-flask.database.windows.net", "pe-sql", "no host name"),
        ("sql-flask.database.windows.net:1433", "pe-sql", "no host name"),
        ("", "pe-sql", "no host name"),
        (SQL, "pe/sql/x", "names no"),
    ],
)
def test_a_section_that_makes_no_sense_is_told(host: str, endpoint: str, told: str) -> None:
    (problem,) = REMEDIATOR.problems(DnsResolutionSection(hosts={host: endpoint}), Scope(APP))
    assert told in problem.message
    assert problem.path == ("hosts", host)


def test_hosts_become_items_of_the_web_app() -> None:
    section = DnsResolutionSection(hosts={SQL: "rg-network:pe-sql"})
    (item,) = REMEDIATOR.items(section, Scope(APP))
    assert (item.root, item.name) == (APP, SQL)
    assert item.value == ResourceId.parse(SQL_ENDPOINT.text.replace("rg-flask", "rg-network"))
    assert REMEDIATOR.problems(section, Scope(APP)) == ()
