"""Where a private path is broken is told apart: the name, the NSG, the backend, or the app itself."""

from typing import ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core.model import AnyRemediator, Scope, Verdict
from homeostat.core.probes import HttpProbe, Probed, Result, TcpProbe
from remediators.probing import NO_RESOLVER, NO_SUCH_NAME, NOT_JOINED, PUBLIC_ADDRESS
from remediators.tcp_reachability import BACKEND, REMEDIATOR, SILENT, UNWELL, Endpoint, TcpReachabilitySection
from tests.probes import scenery
from tests.probes.contract import Case, Network, ProbeContract, gather, look
from tests.probes.scenery import APP, ELSEWHERE, SQL, SQL_ADDRESS, VNET
from tests.remediators.contract import want_of
from tests.remediators.world import World

pytestmark = pytest.mark.unit

ITEM = f"{SQL}:1433"
PAGE = "https://app-flask.azurewebsites.net/health/dependencies"
WANT = want_of(APP, {ITEM: Endpoint(SQL, 1433), "health_url": PAGE})
WELL = Probed(Result.ANSWERED, status=200)
OPEN = Probed(Result.ANSWERED, (SQL_ADDRESS,))
ALLOW, DENY = scenery.rule("allow-sql", "Allow", "1433", 100), scenery.rule("deny-all", "Deny", "*", 4096)
BLOCKED = "the integration subnet's NSG blocks it, by rule deny-all: allow port 1433 outbound"

FAULTS = {
    "dns: public": ((ALLOW, DENY), Probed(Result.ANSWERED, (ELSEWHERE,)), PUBLIC_ADDRESS),
    "dns: no name": ((ALLOW, DENY), Probed(Result.NO_SUCH_NAME), NO_SUCH_NAME),
    "dns: silent": ((ALLOW, DENY), Probed(Result.NO_RESOLVER), NO_RESOLVER),
    "nsg: blocks though the backend answers": ((DENY,), OPEN, BLOCKED),
    "nsg: blocks and the backend is silent": ((DENY,), Probed(Result.TIMED_OUT, (SQL_ADDRESS,)), BLOCKED),
    "backend: silent": ((ALLOW, DENY), Probed(Result.TIMED_OUT, (SQL_ADDRESS,)), BACKEND),
    "backend: refuses": ((ALLOW, DENY), Probed(Result.REFUSED, (SQL_ADDRESS,)), BACKEND),
}


def world(*rules: object) -> World:
    return {**scenery.site(), **scenery.vnet(), **scenery.subnet(), **scenery.nsg(*rules)}  # type: ignore[arg-type]  # JSON


def network(probed: Probed, page: Probed = WELL) -> Network:
    return {TcpProbe(VNET, SQL, 1433): probed, HttpProbe(PAGE): page}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rules, probed, fault = draw(st.sampled_from([((ALLOW, DENY), OPEN, ""), *FAULTS.values()]))
    page = draw(st.sampled_from([WELL, Probed(Result.ANSWERED, status=503), Probed(Result.TIMED_OUT)]))
    wrong = {name for name, is_wrong in ((ITEM, fault), ("health_url", page != WELL)) if is_wrong}
    return Case(WANT, world(*rules), network(probed, page), frozenset(wrong))


class TestContract(ProbeContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()


@pytest.mark.parametrize(("rules", "probed", "words"), FAULTS.values(), ids=FAULTS)
def test_the_note_says_where_the_path_is_broken(rules: tuple[object, ...], probed: Probed, words: str) -> None:
    (drift,) = look(REMEDIATOR, Case(WANT, world(*rules), network(probed)))
    assert (drift.item, drift.note) == (ITEM, words)


def test_without_an_nsg_the_platform_s_rules_let_private_traffic_through() -> None:
    case = Case(WANT, {**world(), **scenery.subnet(nsg=False)}, network(OPEN))
    assert look(REMEDIATOR, case) == ()


def test_a_name_that_is_no_azure_service_s_may_be_public() -> None:
    want = want_of(APP, {"api.partner.example:443": Endpoint("api.partner.example", 443)})
    probed: Network = {TcpProbe(VNET, "api.partner.example", 443): Probed(Result.ANSWERED, (ELSEWHERE,))}
    assert look(REMEDIATOR, Case(want, world(), probed)) == ()


def test_an_app_that_says_it_is_unwell_is_told_from_one_that_says_nothing() -> None:
    unwell, silent = Probed(Result.ANSWERED, status=503), Probed(Result.REFUSED)
    for page, words, has in ((unwell, UNWELL, "503"), (silent, SILENT, "refused")):
        (drift,) = look(REMEDIATOR, Case(WANT, world(ALLOW), network(OPEN, page)))
        assert (drift.item, drift.note, drift.have) == ("health_url", words, has)


def test_an_app_in_no_network_reaches_no_endpoint_and_none_is_tried() -> None:
    case = Case(WANT, scenery.site(None), network(OPEN))
    (drift,) = look(REMEDIATOR, case)
    assert (drift.item, drift.verdict, drift.note) == (ITEM, Verdict.DRIFTED, NOT_JOINED)
    assert not [query for query in gather(REMEDIATOR, WANT, case.world, {}) if isinstance(query, TcpProbe)]


def test_a_health_page_alone_needs_no_look_at_the_network() -> None:
    want = want_of(APP, {"health_url": PAGE})
    assert gather(REMEDIATOR, want, {}, {}).keys() == {HttpProbe(PAGE)}


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"endpoints": ["sql"]}, ("endpoints", 0)),
        ({"endpoints": [ITEM, "sql.example.com:70000"]}, ("endpoints", 1)),
        ({"endpoints": ["sql-flask.privatelink.database.windows.net:1433"]}, ("endpoints", 0)),
        ({"health_url": "app-flask.azurewebsites.net"}, ("health_url",)),
        ({"health_url": "https://user:hunter2@app.example.com/"}, ("health_url",)),
        ({"health_url": "https://app.example.com/health?code=hunter2"}, ("health_url",)),
        ({"health_url": "https://[::1"}, ("health_url",)),
        ({}, ()),
    ],
)
def test_a_section_that_makes_no_sense_is_told(section: dict[str, object], path: tuple[object, ...]) -> None:
    (problem,) = REMEDIATOR.problems(TcpReachabilitySection.model_validate(section), Scope(APP))
    assert problem.path == path
    assert "hunter2" not in problem.message + problem.remedy
