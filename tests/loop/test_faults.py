"""What ARM, other writers and other instances can do to a reconcile, and what it must then not do."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from homeostat.core.arm_types import SITE_CONFIG
from homeostat.core.endings import RETRIES
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.flapping import FLAPPING
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.model import Read
from homeostat.core.outcome import Outcome, Status, Trigger
from homeostat.core.plan import Action
from simulator.cloud import Timing
from tests.loop.meddling import meddled, once
from tests.loop.stand import DNS_VERSION, NSG_VERSION, SPEC, WEB_VERSION, ZONES, Stand, stand

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)
SETTINGS_PUT = r"/config/appsettings$"


def error(code: str, message: str = "no") -> Any:
    return {"error": {"code": code, "message": message}}


# --- reads ---


async def test_what_cannot_be_read_is_unknown_and_never_written() -> None:
    world = stand()
    world.strike(method="GET", status=503, body=error("ServiceUnavailable"))
    world.strike(method="POST", status=503, body=error("ServiceUnavailable"))
    for root in (await world.fleet()).roots.values():
        outcome = await world.engine.reconcile(root, Trigger("manual"))
        assert outcome.status is Status.UNKNOWN
        assert outcome.retry_at is not None
    assert world.writes() == []
    assert world.inbox.events == []


async def test_a_root_that_stays_unreadable_is_tried_ever_more_rarely_and_then_left_to_the_sweep() -> None:
    world = stand()
    world.strike(path="/networkSecurityGroups/", status=503, body=error("ServiceUnavailable"))
    await world.rule_event()
    looks: list[datetime] = []
    while due := world.waiting():
        world.ambient.time = max(world.ambient.time, due[0])
        await world.deliver()
        record = await world.record("nsg")
        if record.failures > len(looks):
            looks.append(world.ambient.now())
    waits = [later - earlier for earlier, later in pairwise(looks)]
    assert len(looks) == len(RETRIES) + 1
    assert all(wait >= planned for wait, planned in zip(waits, RETRIES, strict=True))
    assert world.writes() == []
    assert world.inbox.told() == [("Failed", "*")]
    await world.sweep()
    assert (await world.record("nsg")).mark is not None


async def test_a_kind_that_cannot_be_read_does_not_keep_the_others_from_being_healed() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")
    world.strike(method="POST", path="/config/appsettings/list", status=403, body=error("AuthorizationFailed"))
    outcome = await world.reconcile("site")
    assert (outcome.status, outcome.final) == (Status.UNKNOWN, True)
    assert world.writes() == ["PUT networkConfig/virtualNetwork 200"]
    assert ("Remediated", "vnet_integration") in world.inbox.told()
    assert ("Failed", "*") in world.inbox.told()


async def test_the_end_of_a_failure_is_told_too() -> None:
    world = stand()
    fault = world.strike(path="/networkSecurityGroups/", status=403, body=error("AuthorizationFailed"))
    await world.reconcile("nsg")
    world.exchanger.faults.remove(fault)
    assert (await world.reconcile("nsg")).status is Status.IN_SYNC
    assert world.inbox.told() == [("Failed", "*"), ("Remediated", "*")]
    assert (await world.record("nsg")).failures == 0


# --- writes ---


@pytest.mark.parametrize(
    ("status", "body", "final"),
    [
        (409, error("AnotherOperationInProgress"), False),
        (429, error("TooManyRequests"), False),
        (500, error("InternalServerError"), False),
        (503, "<html>unavailable</html>", False),
        (504, error("GatewayTimeout"), False),
        (401, error("ExpiredAuthenticationToken"), False),
        (400, error("SecurityRuleInvalidPriority"), True),
    ],
)
async def test_a_write_that_is_refused_fails_says_why_and_acknowledges_nothing(
    status: int, body: Any, *, final: bool
) -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.strike(method="PUT", status=status, body=body)
    outcome = await world.reconcile("nsg")
    assert (outcome.status, outcome.final, outcome.retry_at is None) == (Status.FAILED, final, final)
    assert str(status) in outcome.error
    assert outcome.written == ()
    assert ("Remediated", "nsg_rules") not in world.inbox.told()
    assert (("Failed", "*") in world.inbox.told()) is final
    record = await world.record("nsg")
    assert (record.failures, record.lease) == (1, None)
    assert (await world.history("nsg"))[0]["status"] == "failed"
    world.exchanger.faults.clear()
    await world.work_for(HOUR) if not final else await world.reconcile("nsg")
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_a_write_that_succeeds_although_its_answer_is_lost_is_found_done() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.strike(method="PUT", drop=True, when="after", times=1)
    await world.rule_event()
    await world.work_for(HOUR)
    assert len(world.writes()) == 1
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]


async def test_a_wait_that_arm_asks_for_is_kept() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.strike(method="PUT", status=429, body=error("TooManyRequests"), headers={"Retry-After": "1200"})
    outcome = await world.reconcile("nsg")
    assert outcome.retry_at is not None
    assert outcome.retry_at - world.ambient.now() >= timedelta(seconds=1200)


async def test_a_write_with_an_old_etag_observes_again_and_heals_what_is_then_there() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world = meddled(world, before=once(lambda: world.change_rule("allow-redis", access="Deny"), Action))
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.HEALED
    assert [call.split()[-1] for call in world.writes()] == ["412", "200"]
    rules = {name: world.rule(name)["properties"]["access"] for name in ("allow-sql", "allow-redis")}
    assert rules == {"allow-sql": "Allow", "allow-redis": "Allow"}


async def test_a_link_whose_precondition_fails_in_its_operation_is_observed_again() -> None:
    world = stand()
    body = world.operator("GET", world.link(), version=DNS_VERSION).body
    body["properties"]["registrationEnabled"] = True
    world.operator("PUT", world.link(), body, DNS_VERSION)
    tagged = {**body, "tags": {"by": "somebody"}}
    world = meddled(world, before=once(lambda: world.operator("PUT", world.link(), tagged, DNS_VERSION), Action))
    assert (await world.reconcile(ZONES[0])).status is Status.HEALED
    after = world.operator("GET", world.link(), version=DNS_VERSION).body
    assert (after["properties"]["registrationEnabled"], after["tags"]) == (False, {"by": "somebody"})


async def test_a_repair_that_somebody_undoes_each_time_trips_the_breaker_within_one_reconcile() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")

    async def undo(called: Any) -> None:
        if isinstance(called, Action):
            world.change_rule("allow-sql", access="Deny")

    outcome = await meddled(world, after=undo).reconcile("nsg")
    assert outcome.status is Status.HELD
    assert [held.hold.code for held in outcome.plan.held] == [FLAPPING]
    assert "other writer" in outcome.plan.held[0].hold.message
    assert len(world.writes()) == 3


async def test_a_repair_that_somebody_undoes_each_time_ends_and_says_so_where_the_breaker_is_patient() -> None:
    world = stand(spec=f"{SPEC}---\npolicy: fleet\nflapping: {{times: 50}}\n")
    world.change_rule("allow-sql", access="Deny")

    async def undo(called: Any) -> None:
        if isinstance(called, Action):
            world.change_rule("allow-sql", access="Deny")

    outcome = await meddled(world, after=undo).reconcile("nsg")
    assert outcome.status is Status.FAILED
    assert "another writer" in outcome.error
    assert len(world.writes()) == 3


async def test_a_rule_that_somebody_makes_at_the_same_moment_keeps_what_is_not_declared_of_it() -> None:
    world = stand()
    rule = world.id("nsg").child("securityRules", "allow-sql")
    properties = world.rule("allow-sql")["properties"]
    world.operator("DELETE", rule)

    def make() -> None:
        world.operator(
            "PUT", rule, {"properties": {**properties, "access": "Deny", "description": "Eve's"}}, NSG_VERSION
        )

    assert (await meddled(world, before=once(make, Action)).reconcile("nsg")).status is Status.HEALED
    made = world.rule("allow-sql")["properties"]
    assert (made["access"], made["description"]) == ("Allow", "Eve's")


async def test_a_foreign_setting_that_is_written_after_the_look_survives_the_repair() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    settings = Read(SITE_CONFIG, world.id("site").child("config", "appsettings"))
    left = [settings]

    async def meddle(called: Any) -> None:
        if called in left:
            left.remove(called)
            world.change_settings(THEIRS="new")

    world = meddled(world, after=meddle)
    assert (await world.reconcile("site")).status is Status.HEALED
    assert left == []
    assert world.settings()["THEIRS"] == "new"
    assert world.settings()["REDIS_PORT"] == "6380"


async def test_a_foreign_write_in_the_window_that_no_etag_guards_is_told_with_its_actor() -> None:
    world = stand()
    settings = world.id("site").child("config", "appsettings")
    world.change_settings(REDIS_PORT="1")
    theirs = []

    def write() -> None:
        world.change_settings(THEIRS="lost")
        theirs.append(
            world.event(settings, "Microsoft.Web/sites/config/write", correlationId="c", claims={"name": "Eve"})
        )

    await meddled(world, before=once(write, Action)).reconcile("site")
    assert "THEIRS" not in world.settings()
    for _ in range(2):  # Event Grid delivers at least once
        await world.service.on_event(theirs[0])
    assert len((await world.record("site")).foreign_writes) == 1
    await world.work_for(HOUR)
    assert world.failures == []
    assert [told for told in world.inbox.told() if told[0] == "PossibleOverwrite"] == [("PossibleOverwrite", None)]
    assert world.inbox.events[-1].data["actor"] == "Eve"


async def test_a_foreign_write_that_a_write_without_an_answer_undid_is_told() -> None:
    world = stand()
    settings = world.id("site").child("config", "appsettings")
    world.change_settings(REDIS_PORT="1")
    theirs = []

    def write() -> None:
        world.change_settings(THEIRS="lost")
        theirs.append(world.event(settings, "Microsoft.Web/sites/config/write", correlationId="c"))

    world.strike(method="PUT", path="/config/appsettings", drop=True, when="after", times=1)
    await meddled(world, before=once(write, Action)).reconcile("site")
    assert "THEIRS" not in world.settings()
    await world.service.on_event(theirs[0])
    await world.work_for(HOUR)
    assert [told for told in world.inbox.told() if told[0] == "PossibleOverwrite"] == [("PossibleOverwrite", None)]


async def test_our_own_write_is_no_foreign_one_when_its_event_comes() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    (ours,) = (await world.reconcile("site")).correlations
    settings = world.id("site").child("config", "appsettings")
    await world.service.on_event(world.event(settings, "Microsoft.Web/sites/config/write", correlationId=ours))
    await world.work_for(HOUR)
    assert "PossibleOverwrite" not in [what for what, _ in world.inbox.told()]
    assert len(world.writes()) == 1


async def test_unowned_rules_are_carried_over_when_the_whole_group_is_written() -> None:
    world = stand()
    theirs = world.id("nsg").child("securityRules", "theirs")
    properties = {**world.rule("allow-sql")["properties"], "direction": "Inbound", "destinationPortRange": "8080"}
    world.operator("PUT", theirs, {"properties": properties})
    before = world.rule("theirs")["properties"]
    for name in ("allow-sql", "allow-redis"):
        world.operator("DELETE", world.id("nsg").child("securityRules", name))
    assert (await world.reconcile("nsg")).status is Status.HEALED
    assert world.writes() == ["PUT networkSecurityGroups/nsg-appservice-integration 200"]
    assert world.rule("theirs")["properties"] == before


async def test_a_write_that_outlasts_the_function_settles_and_is_looked_at_later() -> None:
    world = stand(timing=Timing(operation_seconds=300, retry_after=30))
    body = {"properties": {**world.rule("allow-sql")["properties"], "access": "Deny"}}
    world.operator("PUT", world.id("nsg").child("securityRules", "allow-sql"), body)
    world.pass_time(minutes=10)
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.SETTLING
    assert outcome.retry_at is not None
    assert [action.resource.name for action in outcome.written] == ["allow-sql"]
    world.pass_time(seconds=40)
    assert (await world.reconcile("nsg")).status is Status.SETTLING, "it looks as declared, and can still fail"
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]
    await world.work_for(HOUR)
    assert (await world.record("nsg")).episodes == {}
    assert len(world.writes()) == 1
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.inbox.events[-1].data["by"] == "homeostat"


async def test_a_write_that_fails_after_the_function_ended_is_not_taken_for_done_meanwhile() -> None:
    """Its resource already looks as it should while the operation runs; simulated nights found this."""
    world = stand(timing=Timing(operation_seconds=300, retry_after=30))
    rule = world.id("nsg").child("securityRules", "allow-sql")
    broken = {"properties": {**world.rule("allow-sql")["properties"], "access": "Deny"}}
    world.operator("PUT", rule, broken)
    world.pass_time(minutes=10)
    await world.rule_event()
    await world.work_for(timedelta(minutes=3))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert (await world.record("nsg")).episodes != {}
    (running,) = (each for each in world.cloud.operations.values() if not each.done)
    running.finish(world.ambient.now())
    running.done, running.error = True, {"code": "InternalServerError", "message": "no"}
    world.operator("PUT", rule, broken)
    world.pass_time(minutes=10)
    await world.work_for(HOUR)
    assert (await world.record("nsg")).episodes == {}
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


# --- leases and pauses ---


async def test_a_root_that_another_instance_works_on_is_busy_and_neither_written_nor_remembered() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    root = world.id("nsg")
    held = await world.engine.store.lease(root, "somebody")
    assert held is not None
    before = await world.record("nsg")
    assert (await world.reconcile("nsg")).status is Status.BUSY
    assert world.writes() == []
    assert await world.record("nsg") == before
    assert await world.history("nsg") == []


async def test_an_owner_that_is_overtaken_between_two_writes_writes_no_more() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")

    async def stall() -> None:
        world.pass_time(minutes=6)
        assert await world.engine.store.lease(world.id("site"), "the next") is not None

    outcome = await meddled(world, after=once(stall, Action)).reconcile("site")
    assert outcome.status is Status.BUSY
    assert len(world.writes()) == 1
    lease = (await world.record("site")).lease
    assert lease is not None
    assert lease.owner == "the next"


async def test_no_write_begins_with_less_lease_left_than_it_may_take() -> None:
    world = stand()
    world.leave_network()
    world.change_settings(REDIS_PORT="1")

    async def begins(called: Any) -> None:
        if isinstance(called, Action):
            lease = (await world.record("site")).lease
            assert lease is not None
            assert lease.expires - world.ambient.now() >= timedelta(seconds=150)

    async def lasts(called: Any) -> None:
        if isinstance(called, Action):
            world.pass_time(seconds=200)

    assert (await meddled(world, before=begins, after=lasts).reconcile("site")).status is Status.HEALED
    assert len(world.writes()) == 2


async def test_a_write_that_is_held_up_on_its_way_is_not_sent_but_decided_upon_again() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")

    def meanwhile() -> None:
        world.pass_time(seconds=200)
        world.change_settings(NEW_SETTING="theirs")

    outcome = await meddled(world, before=once(meanwhile, Action)).reconcile("site")
    assert (outcome.status, len(world.writes())) == (Status.HEALED, 1)
    assert (world.settings()["REDIS_PORT"], world.settings()["NEW_SETTING"]) == ("6380", "theirs")


async def test_a_clock_that_is_set_back_while_the_lease_runs_prolongs_nothing() -> None:
    world = stand()
    leased = await world.engine.store.lease(world.id("nsg"), "the owner")
    assert leased is not None
    until = leased.send_by
    assert until - world.ambient.monotonic() == 190
    world.ambient.offset = timedelta(hours=-1)
    assert leased.send_by == until
    world.ambient.offset = timedelta(minutes=1)
    assert leased.send_by == until - 60


async def test_work_whose_lease_was_lost_to_somebody_who_then_dies_is_done_all_the_same() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    world.pass_time(seconds=15)

    async def overtaken(_: Any) -> None:
        world.pass_time(minutes=6)
        assert await world.engine.store.lease(world.id("nsg"), "somebody whom nobody asks again")

    await meddled(world, before=once(lambda: overtaken(None), Read)).deliver()
    assert world.writes() == []
    await world.work_for(timedelta(minutes=10))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_many_instances_with_one_root_write_once() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    root = await world.root("nsg")
    outcomes = await asyncio.gather(*(world.engine.reconcile(root, Trigger("manual")) for _ in range(8)))
    assert len(world.writes()) == 1
    assert {outcome.status for outcome in outcomes} <= {Status.HEALED, Status.BUSY, Status.IN_SYNC}
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_what_another_instance_healed_since_the_look_is_not_written_again() -> None:
    world = stand()
    world.change_settings(REDIS_PORT="1")
    other = world.second()
    world = meddled(world, after=once(lambda: other.reconcile("site"), Read))
    assert (await world.reconcile("site")).status is Status.IN_SYNC
    assert len(world.writes()) == 1
    assert world.inbox.told() == [("DriftDetected", "app_settings"), ("Remediated", "app_settings")]


async def test_a_look_that_another_reconcile_overtook_concludes_nothing() -> None:
    world = stand(spec=SPEC.replace("mode: enforce", "mode: alert"))
    fault = world.strike(path="/networkSecurityGroups/", status=503, body=error("ServiceUnavailable"))
    assert (await world.reconcile("nsg")).status is Status.UNKNOWN  # which the next look has to take back
    world.exchanger.faults.remove(fault)
    other = world.second()

    async def meanwhile() -> None:
        world.change_rule("allow-sql", access="Deny")
        assert (await other.reconcile("nsg")).status is Status.DRIFTED

    assert (await meddled(world, after=once(meanwhile, Read)).reconcile("nsg")).status is Status.IN_SYNC
    assert list((await world.record("nsg")).episodes) == ["nsg_rules"]
    assert world.inbox.told() == [("DriftDetected", "nsg_rules")]


async def test_a_mistake_of_ours_on_one_root_is_told_and_keeps_no_other_from_its_turn() -> None:
    class Mistaken(HomeostatError):
        """As an action that no row of the write table covers."""

    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.change_settings(REDIS_PORT="1")

    async def mistake(called: Any) -> None:
        if isinstance(called, Action) and called.resource.is_type(
            "Microsoft.Network/networkSecurityGroups/securityRules"
        ):
            raise Mistaken("there is no row for it")

    world = meddled(world, before=mistake)
    run_id = await world.service.start_run(["app-flask"], Trigger("manual"))
    await world.deliver()
    run = await world.service.run(run_id)
    assert run is not None
    assert (run["status"], world.settings()["REDIS_PORT"]) == ("failed", "6380")
    assert "there is no row for it" in (await world.history("nsg"))[0]["error"]
    assert "nsg_rules" in (await world.record("nsg")).episodes
    await world.work_for(HOUR)
    assert ("Failed", "*") in world.inbox.told()
    assert ("Remediated", "nsg_rules") not in world.inbox.told()


async def test_a_pause_that_comes_between_look_and_write_still_holds() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    until = world.ambient.now() + HOUR
    pause = Pause("app-flask", until, "maintenance", "Anna")
    outcome = await meddled(world, after=once(lambda: world.service.pause(pause), Read)).reconcile("nsg")
    assert (outcome.status, outcome.retry_at) == (Status.HELD, until)
    assert world.writes() == []
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Held", "nsg_rules")]


@pytest.mark.parametrize("target", ["app-flask", FLEET])
async def test_what_is_paused_is_healed_when_the_pause_ends_by_itself(target: str) -> None:
    world = stand()
    await world.service.pause(Pause(target, world.ambient.now() + HOUR, "", "Anna"))
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    await world.work_for(timedelta(minutes=59))
    assert world.writes() == []
    await world.work_for(timedelta(minutes=3))
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    told = [("DriftDetected", "nsg_rules"), ("Held", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert world.inbox.told() == told


@pytest.mark.parametrize("target", ["app-flask", FLEET])
async def test_what_is_paused_is_healed_at_once_when_a_person_resumes_it(target: str) -> None:
    world = stand()
    await world.service.pause(Pause(target, world.ambient.now() + 24 * HOUR, "", "Anna"))
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    await world.work_for(HOUR)
    await world.service.resume(target, "Anna")
    assert await world.deliver() > 0
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"


async def test_the_sweep_begins_at_once() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.sweep()
    await world.deliver()
    assert world.rule("allow-sql")["properties"]["access"] == "Allow"
    assert world.waiting() == []


# --- what is gone ---


@pytest.mark.parametrize(
    ("name", "version", "kind"), [("nsg", NSG_VERSION, "nsg_rules"), (ZONES[0], DNS_VERSION, "dns_links")]
)
async def test_a_container_that_is_gone_is_missing_then_held_and_told_once(name: str, version: str, kind: str) -> None:
    world = stand()
    remove(world, name, version)
    first = await world.reconcile(name)
    assert (first.status, first.retry_at) == (Status.MISSING, world.ambient.now() + timedelta(seconds=30))
    assert world.inbox.events == []
    await world.work_for(HOUR)
    for _ in range(3):
        outcome = await world.reconcile(name)
        assert outcome.status is Status.HELD
        assert [held.hold.code for held in outcome.plan.held] == ["container-gone"]
        world.pass_time(hours=1)
    assert world.inbox.told() == [("DriftDetected", kind), ("Held", kind)]
    assert world.writes() == []


async def test_a_web_app_that_is_gone_retires_its_target_with_one_alert() -> None:
    world = stand()
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    await world.service.on_event(world.event(world.id("site"), "Microsoft.Web/sites/delete"))
    await world.work_for(HOUR)
    for _ in range(3):
        assert (await world.reconcile("site")).status is Status.RETIRED
        world.pass_time(hours=1)
    assert world.inbox.told() == [("TargetRetired", "app-flask")]
    assert (await world.record("site")).retired
    assert world.writes() == []


async def test_no_word_of_a_persons_makes_a_moments_404_the_end_of_a_web_app() -> None:
    world = stand()
    world.strike(path="/sites/", status=404, body=error("ResourceNotFound", "not found"))
    assert (await world.reconcile("site", create=True)).status is Status.MISSING
    assert world.inbox.told() == []


async def test_a_resource_group_that_is_gone_retires_its_web_app() -> None:
    world = stand()
    world.strike(status=404, body=error("ResourceGroupNotFound", "Resource group 'rg-flask' could not be found."))
    assert (await world.reconcile("site")).status is Status.MISSING
    await world.work_for(HOUR)
    assert world.inbox.told() == [("TargetRetired", "app-flask")]


async def test_a_root_that_was_only_missed_for_a_moment_is_no_news() -> None:
    world = stand()
    fault = world.strike(path="/networkSecurityGroups/", status=404, body=error("ResourceNotFound", "not found"))
    assert (await world.reconcile("nsg")).status is Status.MISSING
    world.exchanger.faults.remove(fault)
    await world.work_for(HOUR)
    assert (await world.record("nsg")).missing_since is None
    assert world.inbox.events == []


def remove(world: Stand, name: str, version: str) -> None:
    """As an operator would: what uses the container goes first."""
    if name == "nsg":
        path = "/resourceGroups/rg-flask/providers/Microsoft.Network/virtualNetworks/vnet-appservice/subnets/"
        subnet = world.operator("GET", f"{path}snet-appservice-integration").body
        subnet["properties"].pop("networkSecurityGroup")
        world.operator("PUT", f"{path}snet-appservice-integration", subnet)
    else:
        world.operator("DELETE", world.link(name), version=version)
    world.operator("DELETE", world.id(name), version=version)


# --- alerts ---


async def test_a_dead_alert_channel_stops_no_repair_and_what_it_missed_comes_later_once() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.inbox.down = True
    outcome = await world.reconcile("nsg")
    assert outcome.status is Status.HEALED
    kept = [alert.id for alert in await world.engine.store.outbox(world.id("nsg").key)]
    assert len(kept) == 2
    world.inbox.down = False
    await world.sweep()
    assert sorted(world.inbox.ids()) == sorted(kept)
    await world.sweep()
    assert len(world.inbox.ids()) == 2


async def test_a_message_whose_alerts_could_not_be_sent_comes_again_and_sends_only_them() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    await world.rule_event()
    world.inbox.down = True
    world.pass_time(seconds=16)
    await world.deliver()
    assert len(world.failures) == 1
    assert len(world.writes()) == 1
    world.inbox.down = False
    await world.deliver()
    assert world.inbox.told() == [("DriftDetected", "nsg_rules"), ("Remediated", "nsg_rules")]
    assert len(world.writes()) == 1
    assert world.waiting() == []


async def test_a_dead_alert_channel_stops_neither_the_sweep_nor_a_resume() -> None:
    world = stand()
    world.change_rule("allow-sql", access="Deny")
    world.inbox.down = True
    await world.reconcile("nsg")
    await world.sweep()
    await world.service.resume(FLEET, "Anna")


def held_codes(outcome: Outcome) -> set[str]:
    return {held.hold.code for held in outcome.plan.held}


async def test_what_waits_for_a_held_repair_is_held_with_it() -> None:
    """Joining the network waits for nothing here: the two kinds are of different roots, and each has its own hold."""
    world = stand(spec=SPEC.replace("vnet_integration:\n", "vnet_integration:\n  mode: alert\n"))
    world.leave_network()
    world.change_settings(REDIS_PORT="1")
    outcome = await world.reconcile("site")
    assert held_codes(outcome) == {"mode-alert"}
    assert world.subnet_of_site() is None
    assert world.settings()["REDIS_PORT"] == "6380"
