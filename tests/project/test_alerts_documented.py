"""docs/alerts.md against the alerts that the real loop sends: every field is there, and of the type that is said."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from homeostat.core.alerts import AlertType
from homeostat.core.gate.situation import FLEET, Pause
from homeostat.ports.alerts import CloudEventData
from simulator.faults import parse
from tests.loop.stand import SPEC, WEB_VERSION, Stand, stand

pytestmark = pytest.mark.wire

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>[^|]+) \| (?P<meaning>[^|]+) \|$", re.MULTILINE)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Field:
    type: str
    optional: bool


def fields_of(heading: str) -> Mapping[str, Field]:
    """The table below a heading."""
    text = re.split(rf"^#+ {re.escape(heading)}$", PAGE, flags=re.MULTILINE)[1]
    section = re.split(r"^#", text, maxsplit=1, flags=re.MULTILINE)[0]
    return {
        row["name"]: Field(row["type"].removesuffix(", optional").strip(), row["type"].strip().endswith(", optional"))
        for row in ROW.finditer(section)
    }


def differences(value: Any, type_: str, where: str) -> list[str]:
    """How a value differs from what the page says of it."""
    if type_ == "any":
        return []
    if type_.startswith("list of "):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        each = type_.removeprefix("list of ")
        return [found for number, item in enumerate(value) for found in differences(item, each, f"{where}[{number}]")]
    if part := re.fullmatch(r"\[(\w+)\]\(#\w+\)", type_):
        return differing_fields(value, part[1], where)
    return [] if IS_A[type_](value) else [f"{where} is {value!r} and no {type_}"]


def differing_fields(value: Mapping[str, Any], heading: str, where: str) -> list[str]:
    documented = fields_of(heading)
    missing = {name for name, field in documented.items() if not field.optional} - value.keys()
    return [
        *(f"{where}.{name} is not documented" for name in value.keys() - documented.keys()),
        *(f"{where}.{name} is documented and missing" for name in missing),
        *(
            found
            for name, field in documented.items()
            if name in value
            for found in differences(value[name], field.type, f"{where}.{name}")
        ),
    ]


def is_time(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() == timedelta()


IS_A: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "time": is_time,
    "time or null": lambda value: value is None or is_time(value),
}

# --- how each type comes about ---


async def repaired(world: Stand) -> None:
    world.change_settings(REDIS_PORT="6379")
    world.leave_network()
    await world.reconcile("site")


async def held(world: Stand) -> None:
    await world.service.pause(Pause(FLEET, world.ambient.now() + HOUR, "a change freeze", "Eve"))
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")


async def waiting_for_approval(world: Stand) -> None:
    world.specs.by_name["homeostat.yaml"] = SPEC.replace("nsg_rules:", "nsg_rules:\n  approval: required")
    world.change_rule("allow-sql", access="Deny")
    await world.reconcile("nsg")
    assert "approvals" in world.inbox.events[-1].data


async def failed_and_over(world: Stand) -> None:
    refusal = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    world.exchanger.faults.extend(parse([{"path": "/networkSecurityGroups/", "status": 403, "body": refusal}]))
    await world.reconcile("nsg")
    world.exchanger.faults.clear()
    await world.reconcile("nsg")


async def overwritten(world: Stand) -> None:
    """Another writer's event tells of a write in the instant of ours, which no ETag protects."""
    world.change_settings(REDIS_PORT="6379")
    await world.reconcile("site")
    event = world.event(world.id("site").child("config", "appsettings"), "Microsoft.Web/sites/config/write")
    event["data"] |= {"correlationId": "theirs", "claims": {"name": "Eve"}}
    await world.service.on_event(event)
    await world.work_for(HOUR)


async def retired(world: Stand) -> None:
    world.operator("DELETE", world.id("site"), version=WEB_VERSION)
    await world.service.on_event(world.event(world.id("site"), "Microsoft.Web/sites/delete"))
    await world.work_for(HOUR)


async def declared_no_more(world: Stand) -> None:
    await world.sweep()
    world.specs.by_name.clear()
    world.pass_time(minutes=1)
    await world.sweep()


async def swept(world: Stand) -> None:
    await world.sweep()
    await world.work_for(HOUR)


async def swept_on_a_persons_word(world: Stand) -> None:
    await world.service.sweep_asks.ask("Anna", "moved")
    await world.work_for(HOUR)
    assert "asked" in world.inbox.swept()[0]


SCENES: Mapping[Callable[[Stand], Awaitable[None]], set[AlertType]] = {
    repaired: {AlertType.DRIFT_DETECTED, AlertType.REMEDIATED},
    held: {AlertType.DRIFT_DETECTED, AlertType.HELD},
    waiting_for_approval: {AlertType.DRIFT_DETECTED, AlertType.HELD},
    failed_and_over: {AlertType.FAILED, AlertType.REMEDIATED},
    overwritten: {AlertType.DRIFT_DETECTED, AlertType.REMEDIATED, AlertType.POSSIBLE_OVERWRITE},
    retired: {AlertType.TARGET_RETIRED},
    declared_no_more: {AlertType.NO_LONGER_MANAGED, AlertType.SWEEP_COMPLETED},
    swept: {AlertType.SWEEP_COMPLETED},
    swept_on_a_persons_word: {AlertType.SWEEP_COMPLETED},
}


@pytest.mark.parametrize(("scene", "types"), SCENES.items(), ids=lambda value: getattr(value, "__name__", ""))
async def test_what_is_sent_is_what_the_page_says(
    scene: Callable[[Stand], Awaitable[None]], types: set[AlertType]
) -> None:
    world = stand()
    await scene(world)
    events = [*world.inbox.events, *world.inbox.sweeps]
    assert {event.type for event in events} == types
    assert [found for event in events for found in undocumented(event)] == []


def undocumented(event: CloudEventData) -> list[str]:
    return differing_fields(event.data, event.type, event.type)


def test_every_type_of_alert_is_on_the_page_and_in_a_scene() -> None:
    headings = set(re.findall(r"^## (Homeostat\.\S+)$", PAGE, re.MULTILINE))
    assert headings == {type_.value for type_ in AlertType} == set().union(*SCENES.values())
