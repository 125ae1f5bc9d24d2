"""An explanation says in plain words what is declared, what is open, who did it, what is held and what is next."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from homeostat.core.gate.situation import FLEET, Pause
from homeostat.core.model import Mode
from homeostat.render import explanation
from remediators import WITHOUT_PROBES
from simulator.cloud import OPERATOR
from tests.loop.happenings import Happenings
from tests.loop.stand import SPEC, WEB_VERSION, Stand, stand
from tests.loop.test_attribution import by_event, by_sweep, seen
from tests.loop.test_healing import break_rule, change_setting

pytestmark = pytest.mark.wire

HOUR = timedelta(hours=1)


async def told(world: Stand, root: str = "nsg") -> Any:
    """The part of one root."""
    whole: Any = await world.service.explain("app-flask")
    (part,) = [each for each in whole["roots"] if each["root"] == world.id(root).text]
    return part


async def words(world: Stand) -> str:
    return explanation.render(await world.service.explain("app-flask"))


async def test_before_the_first_look_nothing_is_claimed() -> None:
    world = stand()
    (kind,) = (await told(world))["kinds"]
    assert (kind["kind"], kind["state"], kind["since"]) == ("nsg_rules", "not seen as declared yet", None)
    assert sorted(item["at"] for item in kind["declared"]) == [f"homeostat.yaml:{line}" for line in range(22, 26)]
    assert "  next: the next event, or the nightly sweep\n" in await words(world)


async def test_what_is_in_order_says_when_it_was_seen_so() -> None:
    world, _ = await seen()
    (kind,) = (await told(world))["kinds"]
    assert (kind["state"], kind["held"], kind["changedBy"]) == ("as declared", [], None)
    assert f"  nsg_rules: as declared, seen {kind['since']}\n" in await words(world)


async def test_what_was_repaired_says_when_and_after_whose_change() -> None:
    world, happenings = await seen()
    break_rule(world)
    await by_event(world, happenings)
    (kind,) = (await told(world))["kinds"]
    assert kind["repaired"]["changedBy"]["name"] == OPERATOR.upn
    text = await words(world)
    assert f"after a change by {OPERATOR.upn} (user) with Azure CLI at " in text
    assert "healed by event, wrote PUT networkSecurityGroups/nsg-appservice-integration/securityRules/allow-sql" in text


async def test_a_hold_says_who_changed_it_why_it_is_not_written_and_until_when() -> None:
    world, happenings = await seen()
    until = world.ambient.now() + 3 * HOUR
    await world.service.pause(Pause(FLEET, until, "a freeze", "Eve"))
    change_setting(world)
    await by_event(world, happenings)
    text = await words(world)
    assert f"paused until {until.isoformat()} by Eve: a freeze\n" in text
    assert "  app_settings: held, since " in text
    assert f"    changed by {OPERATOR.upn} (user) with Azure CLI from 127.0.0.1 at " in text
    assert '    REDIS_PORT: want "6380", have "6379"\n' in text
    assert "    not written (REDIS_PORT), paused: the fleet is paused until " in text
    assert f"; looked at again at {until.isoformat()}\n" in text
    assert (await told(world, "site"))["next"] == {"at": until.isoformat(), "why": "marked by retry"}


async def test_a_drift_of_a_new_spec_says_from_which_version_to_which() -> None:
    world, happenings = await seen(SPEC.replace("mode: enforce", "mode: alert"))
    was = (await world.fleet()).spec_version
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("mode: enforce", "mode: alert").replace("443", "8443")
    world.pass_time(minutes=1)
    await by_sweep(world, happenings)
    text, now = await words(world), (await world.fleet()).spec_version
    assert f"    declared otherwise than when it was last seen so; now by spec version {now}\n" in text
    assert f"changed by spec version {now}, which declares otherwise than spec version {was}\n" in text
    assert "not written (allow-https), mode-alert: the spec says mode alert: reported, not repaired" in text


async def test_what_is_unknown_is_said_to_be() -> None:
    world = stand(spec=SPEC.replace("mode: enforce", "mode: alert"))
    break_rule(world)
    await world.reconcile("nsg")
    assert "    changed by an unknown writer: no event told of it, and Azure does not say who\n" in await words(world)


async def test_a_root_that_fails_says_since_when_and_with_which_error() -> None:
    world, _ = await seen()
    world.strike(
        path="/networkSecurityGroups/", status=403, body={"error": {"code": "AuthorizationFailed", "message": "no"}}
    )
    await world.rule_event()
    await world.work_for(timedelta(hours=1))
    part = await told(world)
    assert part["failing"]["failures"] == 1
    assert "AuthorizationFailed" in part["failing"]["error"]
    assert "  failing since " in await words(world)


async def test_a_root_that_settles_says_when_it_is_taken_up() -> None:
    world, happenings = await seen()
    break_rule(world)
    (event,) = await happenings.deliver()
    due = (world.ambient.now() + world.engine.settle.after).isoformat()
    assert (await told(world))["next"] == {"at": due, "why": f"marked by {event['id']}"}


async def test_a_root_that_is_worked_on_says_so() -> None:
    world, _ = await seen()
    assert await world.engine.store.lease(world.id("nsg"), "somebody") is not None
    assert (await told(world))["next"]["why"] == "it is being worked on"


async def test_a_cap_and_what_is_ignored_and_what_is_gone_are_said() -> None:
    world, happenings = await seen(SPEC.replace("app_settings:\n", "app_settings:\n  mode: ignore\n"))
    assert "  app_settings: not looked at\n" in await words(world)
    assert "HOMEOSTAT_MODE is alert: nothing is written" in await words(world.capped(Mode.ALERT))
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    await by_event(world, happenings)
    assert "  The web app is gone: nothing of it is created again.\n" in await words(world)


async def test_a_rule_that_nobody_declares_is_told_with_what_it_undoes() -> None:
    world, happenings = await seen()
    body = {"priority": 105, "direction": "Outbound", "access": "Allow", "protocol": "Tcp"}
    ends = {"sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*"}
    rule = {"properties": {**body, **ends, "destinationPortRange": "22"}}
    world.operator("PUT", world.id("nsg").child("securityRules", "foreign"), rule)
    await by_event(world, happenings)
    text = await words(world)
    assert "      lets through what deny-all-outbound denies, such as Tcp " in text
    assert "      nobody declares it\n" in text


async def test_a_probe_that_nobody_asks_says_why() -> None:
    spec = SPEC + "\ntcp_reachability:\n  endpoints: ['sql-flask.database.windows.net:1433']\n"
    world = stand(spec=spec)
    world.service = replace(world.service, engine=replace(world.service.engine, registry=WITHOUT_PROBES))
    assert "  tcp_reachability: not asked: HOMEOSTAT_PROBES is off\n" in await words(world)


async def test_a_shared_root_names_who_shares_it() -> None:
    other = SPEC.replace("app-flask", "app-other").partition("dns_links")[0]
    world = stand()
    world.specs.by_name["other.yaml"] = other
    assert (await told(world))["sharedWith"] == ["app-other"]
    assert "  shared with app-other\n" in await words(world)


async def test_it_is_shown_without_anything_that_a_terminal_obeys() -> None:
    world = stand(spec=SPEC.replace("mode: enforce", "mode: alert"))
    happenings = Happenings(world)
    change_setting(world)
    event = next(each for each in happenings.take() if each["eventType"].endswith("WriteSuccess"))
    event["data"]["claims"] = {"name": "\x1b[31mEve\x1b[0m"}
    await world.service.on_event(event)
    await world.work_for(HOUR)
    assert "\x1b" not in await words(world)
