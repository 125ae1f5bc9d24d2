"""A repair that waits for a person, from the alert's link to the write: exactly what was shown, once, in its time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from homeostat.core.access import Access, Auth
from homeostat.core.model import Mode
from homeostat.core.outcome import Status
from simulator.cloud import Timing
from tests.gate.test_gate_live import NIGHTS, codes, deploy, held, is_broken
from tests.loop.stand import NSG_VERSION, PUBLIC, SPEC, Stand, stand
from tests.web.http import Http
from tests.web.test_access import signed_in

pytestmark = pytest.mark.wire

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MARKED = SPEC.replace("nsg_rules:", "nsg_rules:\n  approval: required")


async def waiting(spec: str = MARKED) -> Stand:
    """A stand whose changed rule waits for approval, and whose alert has been sent."""
    world = stand(spec=spec)
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    await world.work_for(MINUTE)
    assert [code for code, _ in held(world)] == ["approval-needed"]
    assert world.writes() == []
    return world


def links(world: Stand) -> list[str]:
    return [link["url"] for event in world.inbox.events for link in _links(event.data)]


def _links(data: Any) -> Any:
    return data.get("approvals", [])


def path_of(url: str) -> str:
    """As the host's routes see it."""
    assert url.startswith(f"{PUBLIC}/api/")
    parts = urlsplit(url)
    return f"{parts.path.removeprefix('/api')}?{parts.query}"


async def by_link(world: Stand, word: str = "approve", **headers: str) -> int:
    (url,) = links(world)[-1:]
    return (await Http(world)("POST", decoded(path_of(url)), f"decision={word}".encode(), headers)).status


def decoded(path: str) -> str:
    return path.replace("%3A", ":").replace("%2B", "+")


# --- the link ---


async def test_the_link_shows_what_would_be_written_and_approves_nothing_by_itself() -> None:
    world = await waiting()
    (url,) = links(world)
    shown = await Http(world)("GET", decoded(path_of(url)))
    assert shown.status == 200
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in shown.body
    for word in ("allow-sql", "change", "Deny", "Allow", "pending", '<form method="post">'):
        assert word in shown.body
    await world.work_for(2 * HOUR)
    assert is_broken(world)


async def test_its_button_approves_and_the_repair_is_made_at_once_and_the_ledger_knows_by_whom() -> None:
    world = await waiting()
    assert await by_link(world) == 200
    await world.work_for(MINUTE)
    assert not is_broken(world)
    assert world.inbox.told() == [(each, "nsg_rules") for each in ("DriftDetected", "Held", "Remediated")]
    entry, word, *_ = await world.history("nsg")
    assert entry["status"] == "healed"
    assert any(hint.startswith("approved by holder of the link") for hint in entry["trigger"]["hints"])
    assert (word["status"], word["trigger"]["caller"]) == ("approved", "holder of the link")


async def test_where_people_sign_in_the_link_needs_the_role_besides_and_the_ledger_has_their_name() -> None:
    world = await waiting()
    world.service = replace(world.service, access=Access(Auth.ENTRA))
    path = decoded(path_of(links(world)[0]))
    assert (await Http(world)("POST", path, b"decision=approve")).status == 401
    assert (await Http(world)("POST", path, b"decision=approve", signed_in("Homeostat.Pause"))).status == 403
    assert (await Http(world)("GET", path, None, signed_in("Homeostat.Read"))).status == 200
    assert is_broken(world)
    assert (await Http(world)("POST", path, b"decision=approve", signed_in("Homeostat.Approve"))).status == 200
    (_, word, *_) = [None, *await world.history("nsg")]
    assert (word["status"], word["trigger"]["caller"]) == ("approved", "anna@contoso.example")


async def test_no_is_a_word_too_and_the_repair_stays_held() -> None:
    world = await waiting()
    assert await by_link(world, "reject") == 200
    await world.work_for(2 * HOUR)
    assert is_broken(world)
    assert await by_link(world) == 409
    assert len(held(world)) == 1


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("signature=", "signature=0"), ("expires=2026", "expires=2036"), ("/approvals/", "/approvals/0")],
)
async def test_a_link_that_was_tampered_with_is_refused(was: str, becomes: str) -> None:
    world = await waiting()
    path = decoded(path_of(links(world)[0])).replace(was, becomes)
    for method in ("GET", "POST"):
        answer = await Http(world)(method, path, b"decision=approve")
        assert (answer.status, answer.body["error"]["code"]) == (403, "BadLink")
    assert is_broken(world)


@pytest.mark.parametrize(
    "query", ["", "?expires=&signature=", "?expires=soon&signature=x", "?expires=2026-01-01&signature=x"]
)
async def test_an_id_without_its_signature_opens_nothing(query: str) -> None:
    world = await waiting()
    id_ = (await world.service.open_approvals())[0]["id"]
    assert (await Http(world)("GET", f"/approvals/{id_}{query}")).status == 403


@pytest.mark.parametrize("body", [b"", b"decision=maybe", b"\xff", b"a=1&" * 30, b"x" * 70_000])
async def test_a_form_that_is_not_ours_is_refused(body: bytes) -> None:
    world = await waiting()
    assert (await Http(world)("POST", decoded(path_of(links(world)[0])), body)).status == 400
    await world.work_for(MINUTE)
    assert is_broken(world)


async def test_a_link_that_nobody_used_expires_and_a_new_alert_brings_a_new_one() -> None:
    world = await waiting()
    await world.work_for(DAY - 2 * MINUTE)
    assert len(links(world)) == 1
    await world.work_for(2 * MINUTE + timedelta(seconds=20))
    assert len(set(links(world))) == 2
    assert (await Http(world)("GET", decoded(path_of(links(world)[0])))).status == 403
    assert await by_link(world) == 200
    await world.work_for(MINUTE)
    assert not is_broken(world)


async def test_links_and_keys_are_nowhere_but_in_what_is_sent() -> None:
    world = await waiting()
    signed = links(world)[0].rpartition("signature=")[2]
    kept = (
        str(await world.history("nsg")) + str(await world.service.open_approvals()) + str(await world.service.targets())
    )
    assert signed not in kept
    key = (await world.engine.approvals.key()).hex()
    assert key not in kept + str(world.inbox.events)


# --- what is approved ---


async def test_an_approval_is_for_what_was_shown_and_void_when_the_plan_changes() -> None:
    world = await waiting()
    (first,) = await world.service.open_approvals()
    world.change_rule("allow-redis", access="Deny")
    await world.service.decide_approval(str(first["id"]), yes=True, by="Anna")
    await world.work_for(MINUTE)
    assert is_broken(world)
    (second,) = await world.service.open_approvals()
    assert (second["id"] != first["id"], second["state"]) == (True, "pending")
    await world.service.decide_approval(str(second["id"]), yes=True, by="Anna")
    await world.work_for(MINUTE)
    assert not is_broken(world)


async def test_an_approval_is_used_up_by_the_write_and_the_next_drift_asks_again() -> None:
    world = await waiting()
    await by_link(world)
    await world.work_for(MINUTE)
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    await world.work_for(HOUR)
    assert is_broken(world)
    assert len(held(world)) == 2
    assert await by_link(world) == 200
    await world.work_for(MINUTE)
    assert not is_broken(world)


async def test_an_approval_that_is_given_by_day_lasts_until_the_window_opens() -> None:
    settings = SPEC.replace("app_settings:", "app_settings:\n  approval: required")
    world = stand(spec=settings + NIGHTS)
    world.change_settings(REDIS_PORT="1")
    assert codes(await world.reconcile("site")) == ["approval-needed"]
    (asked,) = await world.service.open_approvals()
    await world.service.decide_approval(str(asked["id"]), yes=True, by="Anna")
    await world.work_for(HOUR)
    assert codes(await world.reconcile("site")) == ["outside-window"]
    await world.work_for(DAY)
    assert world.settings()["REDIS_PORT"] == "6380"


async def test_what_is_approved_still_passes_every_other_guard() -> None:
    world = await waiting()
    world.cloud.timing = Timing(operation_seconds=300)
    deploy(world)
    world.cloud.timing = Timing()
    await by_link(world)
    await world.work_for(MINUTE)
    assert is_broken(world)
    assert held(world)[-1][0] == "deployment-in-progress"
    await world.work_for(10 * MINUTE)
    assert not is_broken(world)


async def test_what_is_only_reported_is_not_asked_for() -> None:
    world = stand(spec=MARKED.replace("mode: enforce", "mode: alert"))
    world.change_rule("allow-sql", access="Deny")
    assert (await world.reconcile("nsg")).status is Status.DRIFTED
    assert (await stand(spec=MARKED).capped(Mode.ALERT).reconcile("nsg")).status is Status.IN_SYNC
    assert await world.service.open_approvals() == []


async def test_what_a_dry_run_shows_can_be_approved_and_nobody_is_told() -> None:
    world = stand(spec=MARKED)
    world.change_rule("allow-sql", access="Deny")
    shown = await world.reconcile("nsg", dry_run=True)
    assert codes(shown) == ["approval-needed"]
    await world.service.decide_approval(str(shown.plan.held[0].hold.numbers["approval"]), yes=True, by="Anna")
    assert world.inbox.events == []
    await world.work_for(MINUTE)
    assert not is_broken(world)


async def test_a_removal_waits_for_a_word() -> None:
    world = stand(
        spec=SPEC.replace("  nsg-appservice-integration:\n", "  nsg-appservice-integration:\n    unmanaged: remove\n")
    )
    theirs = {**world.rule("allow-sql")["properties"], "priority": 500}
    world.operator("PUT", world.id("nsg").child("securityRules", "theirs"), {"properties": theirs})
    assert codes(await world.reconcile("nsg")) == ["approval-needed"]
    (asked,) = await world.service.open_approvals()
    await world.service.decide_approval(str(asked["id"]), yes=True, by="Anna")
    await world.work_for(MINUTE)
    assert [write.rpartition(" ")[0] for write in world.writes()] == ["DELETE securityRules/theirs"]


async def test_a_container_waits_for_a_word_and_is_made_with_what_is_in_it() -> None:
    spec = SPEC + "\nnsg:\n  nsg-appservice-integration: {location: westeurope}\n"
    world = stand(spec=spec)
    nsg = world.id("nsg")
    subnet = nsg.text.replace(
        "networkSecurityGroups/nsg-appservice-integration",
        "virtualNetworks/vnet-appservice/subnets/snet-appservice-integration",
    )
    body = world.operator("GET", subnet).body
    del body["properties"]["networkSecurityGroup"]
    world.operator("PUT", subnet, body)
    world.operator("DELETE", nsg, version=NSG_VERSION)
    await world.service.on_event(world.event(nsg, "Microsoft.Network/networkSecurityGroups/delete"))
    await world.work_for(10 * MINUTE)
    assert "approval-needed" in [code for code, _ in held(world)]
    (asked,) = await world.service.open_approvals()
    assert {change["does"] for change in asked["changes"]} == {"create"}  # type: ignore[index, union-attr, call-overload]  # JSON
    await world.service.decide_approval(str(asked["id"]), yes=True, by="Anna")
    await world.work_for(10 * MINUTE)
    assert not is_broken(world)
    assert (await world.reconcile("nsg")).status is Status.IN_SYNC


# --- with a function key ---


async def test_what_waits_is_listed_and_decided_over_http() -> None:
    world = await waiting()
    http = Http(world)
    (listed,) = (await http("GET", "/approvals")).body["approvals"]
    assert (listed["state"], [change["item"] for change in listed["changes"]]) == ("pending", ["allow-sql"])
    approved = await http("POST", f"/approvals/{listed['id']}/approve")
    assert (approved.status, approved.body["state"], approved.body["by"]) == (
        200,
        "approved",
        "holder of a function key",
    )
    assert (await http("POST", f"/approvals/{listed['id']}/approve")).status == 200
    await world.work_for(MINUTE)
    assert not is_broken(world)
    assert (await http.refusal("POST", f"/approvals/{listed['id']}/reject"))[:2] == (409, "NotPending")
    assert (await http.refusal("POST", "/approvals/unknown/approve"))[:2] == (404, "UnknownApproval")


async def test_two_instances_make_each_key_once_and_one_request() -> None:
    world = stand(spec=MARKED)
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")
    await world.second().reconcile("nsg")
    assert len([row for row in world.rows() if row.startswith("approvals/")]) == 1
    assert [row for row in world.rows() if row.startswith("keys/")] == ["keys/digest", "keys/signing"]


# --- what nobody needs a word for any more ---


async def test_what_was_put_right_otherwise_is_asked_for_no_more() -> None:
    world = await waiting()
    world.change_rule("allow-sql", access="Allow")
    await world.rule_event()
    await world.work_for(MINUTE)
    assert await world.service.open_approvals() == []
    assert await by_link(world) == 404


async def test_an_approval_that_was_not_needed_after_all_is_for_no_other_day() -> None:
    world = stand(spec=SPEC.replace("app_settings:", "app_settings:\n  approval: required") + NIGHTS)
    event = world.event(world.id("site").child("config", "appsettings"), "Microsoft.Web/sites/config/write")
    for port in ("1", "6380", "1"):
        world.change_settings(REDIS_PORT=port)
        await world.service.on_event({**event, "id": str(world.ambient.uuid())})
        await world.work_for(MINUTE)
        asked = await world.service.open_approvals()
        assert [each["state"] for each in asked] == ([] if port == "6380" else ["pending"])
        for each in asked:
            await world.service.decide_approval(str(each["id"]), yes=True, by="Anna")
    assert world.settings()["REDIS_PORT"] == "1"
