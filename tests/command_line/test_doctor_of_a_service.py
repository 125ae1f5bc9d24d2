"""`doctor` against what answers in a service's place, where all is well in Azure."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, override

import pytest

from tests.command_line.conftest import Run
from tests.command_line.test_doctor import states
from tests.command_line.test_through_the_service import served
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def guide() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


class _Service(BaseHTTPRequestHandler):
    """Answers as a service does, with what `told` has; 401, as the Functions host, without the key."""

    told: ClassVar[dict[str, Any]] = {}
    key: ClassVar[str] = "a-host-key"

    def do_GET(self) -> None:
        path = self.path.removeprefix("/api/").partition("?")[0]
        status = 200 if path == "health" or self.headers["x-functions-key"] == self.key else 401
        body = json.dumps(self.told[path]).encode() if status == 200 and path in self.told else b""
        self.send_response(status if body or status == 401 else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def answering(**told: Any) -> type[_Service]:
    well = {
        "health": {"status": "ok", "mode": "enforce"},
        "fleet": {"health": {"status": "ok", "why": []}},
        "targets": {"targets": [{"name": "shop"}]},
        "sweeps": {"sweeps": [{"ended": "2999-01-01T02:00:00+00:00"}]},
        "poison": {"count": 0, "messages": []},
    }
    return type("Answering", (_Service,), {"told": {**well, **told}})


type Of = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def of_service(run: Run, guide: Simulation) -> Of:
    """The exit code, and the lines about a service, where all is well in Azure."""

    def of_service(handler: type[_Service], key: str = _Service.key, **settings: str) -> tuple[int, list[str]]:
        with served(handler) as url:
            said = run("doctor", env={**guide.env, "HOMEOSTAT_URL": url, "HOMEOSTAT_KEY": key, **settings})
        assert not any(found & {"problem", "warning"} for check, found in states(said).items() if check != "service")
        assert "a-" not in said.out + said.err
        return said.code, [line.replace(url, "URL") for line in said.out.splitlines() if "  service: " in line]

    return of_service


def test_a_service_that_is_well_is_told_so(of_service: Of) -> None:
    assert of_service(answering()) == (
        0,
        [
            "ok         service: URL answers",
            "ok         service: it takes the key",
            "ok         service: it is ok, in mode enforce",
            "ok         service: targets: 1",
            "ok         service: the last sweep ended at 2999-01-01T02:00:00+00:00",
            "ok         service: no message is in a poison queue",
        ],
    )


def test_a_service_that_asks_for_a_sign_in_takes_it_too(of_service: Of) -> None:
    code, lines = of_service(answering(), HOMEOSTAT_AUDIENCE="api://homeostat")
    assert (code, lines[1]) == (0, "ok         service: it takes the key and the sign-in")


def test_a_service_that_cannot_work_is_a_problem_and_asked_nothing_more(of_service: Of) -> None:
    code, lines = of_service(type("Unwell", (_Service,), {"told": {}}))
    assert code == 1
    assert lines[0].startswith("problem    service: URL answers 503: it, or what stands before it, failed")
    assert lines[1:] == ["not asked  service: whether it takes the key or sign-in, and how its fleet is"]


def test_a_service_that_is_down_is_a_problem(run: Run, guide: Simulation) -> None:
    said = run("doctor", env={**guide.env, "HOMEOSTAT_URL": "http://localhost:1"})
    assert said.code == 1
    assert states(said)["service"] == {"problem", "not asked"}
    assert "http://localhost:1 does not answer: " in said.out


def test_a_service_that_refuses_the_key_is_a_problem_with_its_remedy(of_service: Of) -> None:
    code, lines = of_service(answering(), key="a-wrong-key")
    assert (code, len(lines)) == (1, 4)
    assert lines[1].startswith("problem    service: URL refuses the key (401). Set HOMEOSTAT_KEY to a host key")
    assert lines[3] == "not asked  service: how its targets, its sweeps and its queues are"


def test_a_degraded_service_says_why_and_what_holds_its_fleet(of_service: Of) -> None:
    why = ["a mass drift: 9 of 10 roots", "the last sweep was refused x/read: assign infra/role.json"]
    paused = {"target": None, "until": "2999-01-01T00:00:00+00:00", "reason": "moving", "by": "anna"}
    code, lines = of_service(
        answering(
            health={"status": "degraded", "mode": "enforce"},
            fleet={"health": {"status": "degraded", "why": why}, "hour": {"writes": 9, "writesAllowed": 9}},
            targets={"targets": [{"name": "shop", "pauses": [paused]}]},
            sweeps={"sweeps": []},
            poison={"count": 2},
        )
    )
    assert code == 1
    assert [line.partition(" service: ")[2].partition(". ")[0] for line in lines[2:]] == [
        "it is degraded: a mass drift: 9 of 10 roots",
        "it is degraded: the last sweep was refused x/read: assign infra/role.json",
        "the 9 writes of this hour are used up, and further repairs are held",
        "targets: 1",
        "the whole fleet is paused until 2999-01-01T00:00:00+00:00 by anna: moving",
        "no sweep has ended yet",
        "messages in the poison queues: 2",
    ]


def test_one_answer_that_fails_hides_no_other(of_service: Of) -> None:
    told = answering()
    del told.told["sweeps"]
    code, lines = of_service(told)
    assert code == 1
    assert [line.partition(" ")[0] for line in lines] == ["ok", "ok", "ok", "ok", "problem", "ok"]
