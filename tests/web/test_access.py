"""Every route asks who it is, whether they may, and whether they ask too often, before it does anything."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.core.access import EVERYBODY, HOLDER, Access, AppRole, Auth, Rate
from homeostat.core.gate.situation import FLEET
from homeostat.web import api
from homeostat.web.limits import MAX_BUCKETS, Limiter, TooManyRequests
from tests.loop.stand import SPEC, Stand, stand
from tests.web.http import Http, in_a_while

pytestmark = pytest.mark.wire

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


def http_with(access: Access, world: Stand | None = None) -> Http:
    world = world or stand()
    world.service = replace(world.service, access=access)
    return Http(world)


def signed_in(*roles: str, name: str = "anna@contoso.example") -> dict[str, str]:
    claims = [{"typ": "oid", "val": f"id-of-{name}"}, {"typ": "preferred_username", "val": name}]
    claims += [{"typ": "roles", "val": role} for role in roles]
    body = json.dumps({"auth_typ": "aad", "role_typ": "roles", "claims": claims})
    return {"x-ms-client-principal": base64.b64encode(body.encode()).decode()}


def path_of(route: api.Route) -> str:
    return "/" + route.path.replace("{name}", "app-flask").replace("{id}", "x")


BODIES: dict[str, Any] = {
    "remediate": {"targets": ["app-flask"]},
    "pause": {"until": "2026-03-02T00:00:00Z"},
    "pause_fleet": {"until": "2026-03-02T00:00:00Z"},
    "retest_route_all": {"for": 60},
}

ROUTES = pytest.mark.parametrize("route", [*api.ROUTES, *api.LINKED], ids=lambda route: route.name)


# --- who ---


@ROUTES
def test_a_get_needs_to_read_and_all_else_a_role_of_its_own(route: api.Route) -> None:
    assert (route.method == "GET") is (route.needs is AppRole.READ)


def test_what_is_open_to_everybody_is_health_alone() -> None:
    assert [name for name, _, _ in api.OPEN] == ["health"]


@ROUTES
async def test_without_a_sign_in_every_route_is_a_401_and_nothing_happens(route: api.Route) -> None:
    http = http_with(Access(Auth.ENTRA))
    answer = await http(route.method, path_of(route), BODIES.get(route.name))
    assert (answer.status, answer.body["error"]["code"]) == (401, "NotSignedIn")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert http.world.rows() == http.world.calls() == []


@ROUTES
async def test_without_its_role_every_route_is_a_403_that_names_it_and_nothing_happens(route: api.Route) -> None:
    http = http_with(Access(Auth.ENTRA))
    others = [role for role in AppRole if role is not route.needs]
    headers = signed_in() if route.needs is AppRole.READ else signed_in(*others)
    status, code, message = await http.refusal(route.method, path_of(route), BODIES.get(route.name), headers)
    assert (status, code) == (403, "RoleMissing")
    assert route.needs in message
    assert http.world.rows() == http.world.calls() == []


@ROUTES
async def test_with_its_role_every_route_does_its_work(route: api.Route) -> None:
    http = http_with(Access(Auth.ENTRA))
    answer = await http(route.method, path_of(route), BODIES.get(route.name), signed_in(route.needs))
    no_link = answer.status == 403 and answer.body["error"]["code"] == "BadLink"  # it was asked for, after the role
    assert no_link is (route in api.LINKED)
    assert no_link or answer.status not in {401, 403, 429, 503}


async def test_whoever_follows_made_up_links_takes_nothing_from_those_with_a_key() -> None:
    http = http_with(Access(reads=Rate(2)))
    statuses = [(await http("GET", "/approvals/x?expires=&signature=")).status for _ in range(20)]
    assert set(statuses) == {403, 429}
    assert (await http("GET", "/targets")).status == 200


async def test_health_stays_open() -> None:
    http = http_with(Access(Auth.ENTRA, reads=Rate(1)))
    for _ in range(10):
        assert (await http("GET", "/health")).status == 200


# --- and that they are remembered ---


async def test_what_a_signed_in_caller_writes_is_stored_under_their_name() -> None:
    http = http_with(Access(Auth.ENTRA))
    http.world.change_rule("allow-sql", access="Deny")
    anna = signed_in(*AppRole)
    run = await http("POST", "/remediate", {"targets": ["app-flask"], "wait": True, "reason": "now"}, anna)
    assert run.body["caller"] == "anna@contoso.example"
    (entry,) = await http.world.history("nsg")
    assert (entry["trigger"]["caller"], entry["trigger"]["reason"]) == ("anna@contoso.example", "now")
    await http("POST", "/targets/app-flask/pause", {"until": in_a_while(http.world, hours=1)}, anna)
    assert [pause.by for pause in await http.world.engine.store.pauses()] == ["anna@contoso.example"]


@pytest.mark.parametrize("target", ["app-flask", FLEET])
async def test_the_ledger_says_who_ended_a_pause_and_why(target: str) -> None:
    http = http_with(Access(Auth.ENTRA))
    path = "" if target == FLEET else f"/targets/{target}"
    await http("POST", f"{path}/pause", {"until": in_a_while(http.world, hours=1)}, signed_in("Homeostat.Pause"))
    ben = signed_in("Homeostat.Pause", name="ben@contoso.example")
    await http("POST", f"{path}/resume", {"reason": "moved"}, ben)
    for name in ("site", "nsg"):
        (entry,) = await http.world.history(name)
        assert (entry["status"], entry["targets"]) == ("resumed", ["app-flask"])
        told = {key: entry["trigger"][key] for key in ("cause", "caller", "reason")}
        assert told == {"cause": "resume", "caller": "ben@contoso.example", "reason": "moved"}


async def test_a_sweep_remembers_who_asked_for_it_and_why() -> None:
    http = http_with(Access(Auth.ENTRA))
    asked = await http("POST", "/sweeps", {"reason": "moved"}, signed_in("Homeostat.Operate"))
    await http.world.work_for(timedelta(hours=1))
    (summary,) = http.world.inbox.swept()
    (told,) = summary["asked"]
    assert (summary["sweep"], told["by"], told["reason"]) == (asked.body["id"], "anna@contoso.example", "moved")


async def test_a_retest_remembers_who_began_and_who_ended_it() -> None:
    http = http_with(Access(Auth.ENTRA), stand(spec=SPEC + "\nroute_all: {application_traffic: true}\n"))
    path, anna = "/targets/app-flask/retest-route-all", signed_in("Homeostat.Operate")
    await http("POST", path, {"for": 600}, anna)
    ended = await http("POST", f"{path}/end", None, signed_in("Homeostat.Operate", name="ben@contoso.example"))
    assert (ended.body["by"], ended.body["endedBy"]) == ("anna@contoso.example", "ben@contoso.example")


async def test_a_forged_principal_is_nobody_where_keys_are_all_that_is_asked() -> None:
    http = http_with(Access(Auth.KEYS))
    forged = {**signed_in(*AppRole, name="the director"), "x-ms-client-principal-name": "the director"}
    await http("POST", "/targets/app-flask/pause", {"until": in_a_while(http.world, hours=1)}, forged)
    assert [pause.by for pause in await http.world.engine.store.pauses()] == [HOLDER]


# --- how often ---


async def test_who_asks_too_often_is_told_when_to_come_again() -> None:
    http = http_with(Access(reads=Rate(3)))
    for _ in range(3):
        assert (await http("GET", "/targets")).status == 200
    refused = await http("GET", "/targets")
    assert (refused.status, refused.body["error"]["code"]) == (429, "TooManyRequests")
    assert refused.headers["Retry-After"] == "20"
    http.world.pass_time(seconds=20)
    assert (await http("GET", "/targets")).status == 200


async def test_writes_have_a_rate_of_their_own() -> None:
    http = http_with(Access(reads=Rate(1), writes=Rate(1)))
    assert (await http("GET", "/targets")).status == 200
    body = {"until": in_a_while(http.world, hours=1)}
    assert (await http("POST", "/pause", body)).status == 200
    assert (await http.refusal("POST", "/pause", body))[0] == 429


async def test_who_is_refused_for_want_of_a_sign_in_or_role_is_counted_too() -> None:
    http = http_with(Access(Auth.ENTRA, reads=Rate(2)))
    statuses = [(await http.refusal("GET", "/targets"))[0] for _ in range(3)]
    assert statuses == [401, 401, 429]
    statuses = [(await http.refusal("GET", "/targets", headers=signed_in()))[0] for _ in range(3)]
    assert statuses == [403, 403, 429]


def admitted(limiter: Limiter, budget: str, access: Access, times: int = 1) -> int:
    count = 0
    for _ in range(times):
        try:
            limiter.admit(budget, access, NOW, is_write=False)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_one_caller_cannot_starve_the_others() -> None:
    limiter, access = Limiter(), Access(reads=Rate(10))
    assert admitted(limiter, "greedy", access, 1000) == 10
    assert admitted(limiter, "modest", access, 10) == 10


def test_all_callers_together_are_bounded_and_one_who_is_refused_for_it_loses_nothing() -> None:
    limiter, access = Limiter(), Access(reads=Rate(10))
    assert sum(admitted(limiter, f"caller-{index}", access, 10) for index in range(20)) == 10 * EVERYBODY
    with pytest.raises(TooManyRequests, match="all callers together"):
        limiter.admit("another", access, NOW, is_write=False)
    limiter.admit("another", access, NOW + timedelta(minutes=1), is_write=False)


def test_what_is_remembered_of_callers_is_bounded() -> None:
    limiter, access = Limiter(), Access(reads=Rate(1000))
    for index in range(3 * MAX_BUCKETS):
        limiter.admit(f"caller-{index}", access, NOW + timedelta(seconds=index), is_write=False)
    assert len(limiter._buckets) == MAX_BUCKETS
