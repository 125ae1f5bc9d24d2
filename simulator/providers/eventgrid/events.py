"""From an activity record to an Event Grid event, in either schema, and to whom it goes.

Field names and shapes are those of "Azure subscription as an Event Grid source" and of the API description
Microsoft.Resources 2018-01-01. An event carries no resource: it says what was done to which id, by whom.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simulator.activity import Activity
from simulator.cloud import HOMEOSTAT, Cloud
from simulator.identity import identity_id
from simulator.ids import address
from simulator.messages import Json, Principal

type Schema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]

EVENT_TYPES = tuple(
    f"Microsoft.Resources.Resource{verb}{status}"
    for verb in ("Write", "Delete", "Action")
    for status in ("Success", "Failure", "Cancel")
)
_VERBS = {"write": "Write", "delete": "Delete", "action": "Action"}
_CLAIMS = "http://schemas.microsoft.com/identity/claims"
_PERSON = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"


@dataclass(frozen=True, slots=True)
class Event:
    """One event, before it is written in a schema. `id` is the same for every subscription and every redelivery."""

    id: str
    type: str
    subject: str
    time: str
    data: Json

    def rendered(self, schema: Schema, topic: str) -> Json:
        """As delivered to a subscription on `topic` (a subscription's or a resource group's id)."""
        if schema == "CloudEventSchemaV1_0":
            return {
                "id": self.id,
                "source": topic,
                "subject": self.subject,
                "type": self.type,
                "time": self.time,
                "specversion": "1.0",
                "data": self.data,
            }
        return {
            "id": self.id,
            "topic": topic,
            "subject": self.subject,
            "eventType": self.type,
            "eventTime": self.time,
            "data": self.data,
            "dataVersion": "2",
            "metadataVersion": "1",
        }


def event_of(cloud: Cloud, activity: Activity) -> Event | None:
    """The event that a record raises; None for an operation that raises none."""
    verb = _VERBS.get(activity.operation_name.rpartition("/")[2].lower())
    if verb is None:
        return None
    subject = _subject(activity)
    identity = f"{activity.correlation_id}|{activity.operation_name}|{subject}|{activity.at.isoformat()}"
    return Event(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
        type=f"Microsoft.Resources.Resource{verb}{activity.status}",
        subject=subject,
        time=activity.at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
        data=_data(cloud, activity, subject),
    )


def _subject(activity: Activity) -> str:
    """The resource's id; for an action without the action's own segment, as the activity log has it."""
    head, _, last = activity.resource_id.rpartition("/")
    *_, verb, kind = activity.operation_name.split("/")
    return head if kind.lower() == "action" and last.lower() == verb.lower() else activity.resource_id


def _data(cloud: Cloud, activity: Activity, subject: str) -> Json:
    data: Json = {
        "authorization": {
            "scope": subject,
            "action": activity.operation_name,
            "evidence": {"role": "Contributor", "principalId": activity.caller.object_id.replace("-", "")},
        },
        "claims": _claims(cloud, activity.caller),
        "correlationId": activity.correlation_id,
        "resourceProvider": activity.operation_name.partition("/")[0],
        "resourceUri": subject,
        "operationName": activity.operation_name,
        "status": "Succeeded" if activity.status == "Success" else "Failed",
        "subscriptionId": address(subject).subscription or cloud.subscription,
        "tenantId": cloud.tenant,
    }
    if not activity.long_running:  # the record of a completion knows no request
        data["httpRequest"] = {
            "clientRequestId": activity.client_request_id,
            "clientIpAddress": "127.0.0.1",
            "method": activity.method,
            "url": activity.url,
        }
    return data


def _claims(cloud: Cloud, caller: Principal) -> dict[str, str]:
    """The claims of an event: a person's have name and upn, a managed identity's the identity's resource id instead.

    Another application's have only its id.
    """
    claims = {
        "aud": "https://management.core.windows.net/",
        "iss": f"https://sts.windows.net/{caller.tenant_id}/",
        "appid": caller.app_id,
        f"{_CLAIMS}/objectidentifier": caller.object_id,
        f"{_CLAIMS}/tenantid": caller.tenant_id,
        f"{_PERSON}/nameidentifier": caller.object_id,
        "idtyp": "user" if caller.upn else "app",
        "ver": "1.0",
    }
    if caller.upn:
        claims |= {"name": caller.name, f"{_PERSON}/name": caller.upn, f"{_PERSON}/upn": caller.upn}
    elif caller.object_id == HOMEOSTAT.object_id:
        claims["xms_mirid"] = identity_id(cloud)
    return claims


# --- which subscription an event is for


def wanted(event: Event, topic: str, rules: Mapping[str, Any]) -> bool:
    """Whether an event on `topic` passes a subscription's filter, in the form that ARM stores it."""
    if not f"{event.subject}/".lower().startswith(f"{topic.rstrip('/')}/".lower()):
        return False
    types = rules.get("includedEventTypes")
    if types and "All" not in types and event.type not in types:
        return False
    subject, begins, ends = event.subject, rules.get("subjectBeginsWith") or "", rules.get("subjectEndsWith") or ""
    if not rules.get("isSubjectCaseSensitive"):
        subject, begins, ends = subject.lower(), begins.lower(), ends.lower()
    if not subject.startswith(begins) or not subject.endswith(ends):
        return False
    return all(_passes(event, each) for each in rules.get("advancedFilters") or ())


ADVANCED: Mapping[str, Callable[[str, str], bool]] = {
    "StringIn": lambda value, each: value == each,
    "StringContains": lambda value, each: each in value,
    "StringBeginsWith": lambda value, each: value.startswith(each),
    "StringEndsWith": lambda value, each: value.endswith(each),
}
"""The advanced filters that are simulated, by operatorType; each also with its `StringNot...` twin."""


def _passes(event: Event, rule: Mapping[str, Any]) -> bool:
    operator = str(rule["operatorType"])
    negated = operator.startswith("StringNot")
    matches = ADVANCED[operator.replace("StringNot", "String")]
    value = _value(event, str(rule["key"]).split("."))
    found = value is not None and any(matches(value.lower(), str(each).lower()) for each in _values(rule))
    return found is not negated


def _values(rule: Mapping[str, Any]) -> Sequence[Any]:
    values: Sequence[Any] = rule.get("values") or ()
    return values


def _value(event: Event, path: list[str]) -> str | None:
    value: Any = {
        "id": event.id,
        "subject": event.subject,
        "eventtype": event.type,
        "type": event.type,
        "data": event.data,
    }
    for index, name in enumerate(path):
        if not isinstance(value, dict):
            return None
        value = value.get(name.lower() if index == 0 else name)
    return None if value is None else str(value)
