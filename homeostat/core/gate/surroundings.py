"""Guards of what happens around a write: a pause by tag, an operation or a deployment under way.

They use what was read right before the write. What could not be read holds, as it might have said to hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from homeostat.core import json
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import root_of
from homeostat.core.gate.situation import Situation
from homeostat.core.gate.standing import PAUSED
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Edit, Fact, Found, Read, Unreadable
from homeostat.core.plan import Hold, Numbers

PAUSE_TAG: Final[str] = "homeostat-pause-until"
PAUSE_TAG_UNREADABLE: Final = "pause-tag-unreadable"
DEPLOYMENT_IN_PROGRESS: Final = "deployment-in-progress"
DEPLOYMENTS_UNREADABLE: Final = "deployments-unreadable"
UNREADABLE: Final = "unreadable"

SOON: Final = timedelta(minutes=2)
LATER: Final = timedelta(hours=1)
"""When to look again: SOON at what ends by itself, LATER at what a person has to put right."""

LONGEST_DEPLOYMENT: Final = timedelta(hours=2)
"""A deployment that runs for longer no longer holds: ARM lets one run for days, and drift must not stay that long."""


# --- a pause by tag -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PauseTag:
    resource: ResourceId
    text: str


def pause_tags(situation: Situation) -> Iterator[PauseTag]:
    """The pause tags of the root, and of its parts that were read anyway. Names of tags ignore case.

    https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
    """
    around, here = situation.around, situation.around.id
    yield from _tags(here, around.root)
    for read, fact in around.bodies.items():
        if isinstance(read, Read) and root_of(read.id) == here and (read.every or read.id != here):
            yield from _listed(fact) if read.every else _tags(read.id, fact)


def _listed(listing: Fact) -> Iterator[PauseTag]:
    for body in json.objects_at(listing.body, "value") if isinstance(listing, Found) else ():
        try:
            resource = ResourceId.parse(json.text_at(body, "id"))
        except InvalidResourceId:
            continue  # a listing of something other than resources, such as references: it has no tags
        yield from _tags(resource, Found(body))


def _tags(resource: ResourceId, fact: Fact) -> Iterator[PauseTag]:
    tags = json.at(fact.body, ("tags",)) if isinstance(fact, Found) else None
    for name, text in tags.items() if isinstance(tags, Mapping) else ():
        if name.lower() == PAUSE_TAG:
            yield PauseTag(resource, text if isinstance(text, str) else "")


def pause_end(text: str) -> datetime | None:
    """When a pause by tag ends, in UTC: at the time, which must have a zone, or at the end of the date, in UTC.

    None for any other text, also for a time without a zone: a wrong guess would write too early.
    """
    text = text.strip()
    try:
        if "T" not in text.upper() and " " not in text:
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def not_paused_by_tag(edit: Edit, situation: Situation) -> Hold | None:
    """Whoever may tag a resource may pause it. A tag that cannot be understood holds as well."""
    del edit  # a pause is for the whole root
    around = situation.around
    if isinstance(around.root, Unreadable):
        return _unread(f"{around.id.short}, which may be paused by tag,", around.root.error, situation)
    last: tuple[datetime, PauseTag] | None = None
    for tag in pause_tags(situation):
        end = pause_end(tag.text)
        if end is None:
            return _not_understood(tag, situation)
        if end > situation.now and (last is None or end > last[0]):
            last = end, tag
    if last is None:
        return None
    end, tag = last
    message = f"paused until {end.isoformat()} by tag on {tag.resource.short}"
    days = (end - situation.now).days
    numbers: Numbers = {"until": end.isoformat(), "days": days, "tag": PAUSE_TAG, "resource": tag.resource.text}
    # A tag can be removed without an event that leads here.
    return Hold(PAUSED, message, numbers, min(end, situation.now + LATER))


def _not_understood(tag: PauseTag, situation: Situation) -> Hold:
    message = (
        f"the tag {PAUSE_TAG} on {tag.resource.short} is not understood: write a time with its zone, "
        "2030-01-31T06:00:00Z, or a date, 2030-01-31, at whose end in UTC the pause ends; or remove the tag"
    )
    numbers = {"tag": PAUSE_TAG, "resource": tag.resource.text}
    return Hold(PAUSE_TAG_UNREADABLE, message, numbers, situation.now + LATER)


# --- what is under way ----------------------------------------------------------------------------------------------


def at_rest(edit: Edit, situation: Situation) -> Hold | None:
    """What is being changed is not written: the change may restore what is missing, or overwrite the repair."""
    del edit  # the whole root is locked meanwhile
    fact = situation.around.root
    body: Json = fact.body if isinstance(fact, Found) else None
    state, operation = (json.text_at(body, "properties", key) for key in ("provisioningState", "inProgressOperationId"))
    if not operation and state.lower() not in {"updating", "inprogress"}:
        return None
    message = f"{situation.around.id.short} is being changed: {f'operation {operation}' if operation else state}"
    return Hold(DEPLOYMENT_IN_PROGRESS, message, {"operation": operation or state}, situation.now + SOON)


def no_deployment(edit: Edit, situation: Situation) -> Hold | None:
    """While a deployment runs in the resource group nothing is written there, unless it runs for too long."""
    del edit  # a deployment concerns the whole resource group
    match situation.around.deployments:
        case None:
            return None
        case Found(body):
            return _running(body, situation)
        case Unreadable(error):
            remedy = "Allow Microsoft.Resources/deployments/read, or say `deployments: ignore` in the policy"
            return _unread(
                "the deployments of its resource group", error, situation, code=DEPLOYMENTS_UNREADABLE, remedy=remedy
            )
        case _:
            return None  # the group is gone: no deployment to wait for


def _running(body: Json, situation: Situation) -> Hold | None:
    fresh = [
        (json.text_at(each, "name"), since)
        for each in json.objects_at(body, "value")
        if json.text_at(each, "properties", "provisioningState").lower() == "running"
        if situation.now - (since := _since(each, situation.now)) < LONGEST_DEPLOYMENT
    ]
    if not fresh:
        return None
    name, since = min(fresh, key=lambda each: (each[1], each[0]))
    message = f"the deployment {name} runs in {situation.around.id.resource_group} since {since.isoformat()}"
    numbers: Numbers = {"deployment": name, "since": since.isoformat(), "deployments": len(fresh)}
    return Hold(DEPLOYMENT_IN_PROGRESS, f"{message}; after two hours it no longer holds", numbers, situation.now + SOON)


def _since(deployment: Json, now: datetime) -> datetime:
    """When it began to run; now if that is not said, so that it holds."""
    try:
        moment = datetime.fromisoformat(json.text_at(deployment, "properties", "timestamp"))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return now


# --- what could not be read -----------------------------------------------------------------------------------------


def own_is_known(edit: Edit, situation: Situation) -> Hold | None:
    """Until Homeostat knows what it runs on, it writes nothing that could be part of that."""
    del edit  # any resource might be its own
    failed = situation.around.own
    return _unread("Homeostat's own site, which tells what it runs on,", failed.error, situation) if failed else None


def _unread(what: str, error: ArmError, situation: Situation, *, code: str = UNREADABLE, remedy: str = "") -> Hold:
    again = situation.now + (LATER if error.is_final else max(SOON, error.retry_after or SOON))
    message = f"{what} could not be read: {error}"
    return Hold(
        code, f"{message}. {remedy}" if remedy else message, {"status": error.status, "error": error.code}, again
    )
