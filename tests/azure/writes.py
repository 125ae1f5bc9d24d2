"""Writes as they are handed to the writer, and what ARM answers to them."""

import pytest

from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import (
    NETWORK_SECURITY_GROUP,
    SECURITY_RULE,
    SITE_CONFIG,
    SITE_NETWORK_CONFIG,
    VIRTUAL_NETWORK_LINK,
    ArmType,
)
from homeostat.core.ids import ResourceId
from homeostat.core.plan import Action, Verb
from homeostat.core.secret_value import Secret
from tests.azure.scripted import ARM, Answer, Conversation, resource

POLL_URL = f"{ARM}/subscriptions/s/providers/Microsoft.Network/locations/westeurope/operations/1"
POLL = "GET locations/westeurope/operations/1"
SETTINGS = resource(SITE_CONFIG.name, "app-flask", "appsettings")
INTEGRATION = resource(SITE_NETWORK_CONFIG.name, "app-flask", "virtualNetwork")
NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-app")
RULE = resource(SECURITY_RULE.name, "nsg-app", "allow-sql")
LINK = resource(VIRTUAL_NETWORK_LINK.name, "privatelink.database.windows.net", "link-app")

RUNNING = Answer(200, {"status": "InProgress"})
SUCCEEDED = Answer(200, {"status": "Succeeded"})
ACCEPTED = Answer(
    201, {"properties": {"provisioningState": "Updating"}}, {"Azure-AsyncOperation": f"{POLL_URL}?api-version=1"}
)
LINK_ACCEPTED = Answer(
    202, {}, {"Azure-AsyncOperation": f"{POLL_URL}?api-version=1", "Location": f"{POLL_URL}/result?api-version=1"}
)


def put(target: ResourceId, row: ArmType, etag: str | None = None, *, creates: bool = False) -> Action:
    return Action(target, row, Verb.PUT, (), {"properties": {"some": "value"}}, etag, creates)


def delete(target: ResourceId, row: ArmType, etag: str | None = None) -> Action:
    return Action(target, row, Verb.DELETE, (), etag=etag)


def patch(target: ResourceId, row: ArmType, etag: str | None = None) -> Action:
    return Action(target, row, Verb.PATCH, (), {"properties": {"one": "field"}}, etag)


def failed(code: str, state: str = "Failed") -> Answer:
    return Answer(200, {"status": state, "error": {"code": code, "message": "no"}})


PUT_RULE = put(RULE, SECURITY_RULE, 'W/"1"')
PUT_LINK = put(LINK, VIRTUAL_NETWORK_LINK, '"2"')
PUT_SECRET = Action(SETTINGS, SITE_CONFIG, Verb.PUT, (), {"properties": {"DB_PASSWORD": Secret("hunter2!")}})


async def refused(talk: Conversation, action: Action) -> ArmError:
    with pytest.raises(ArmError) as raised:
        await talk.arm.writer.write(action)
    return raised.value
