"""Recorded conversations with Microsoft.Web and its backends, replayed: what came back then comes back here."""

import pytest

from tests.simulator.replay import Allowed, Conversation, replay

pytestmark = pytest.mark.wire

_STACKS: dict[int | str, str] = {
    "webAppStacks|functionAppStacks": "the catalogue of language stacks is no part of a network posture"
}
_INSIGHTS: dict[int | str, str] = {"Microsoft.Insights": "Application Insights is not simulated"}
_OLD_NETWORK = Allowed(
    "Microsoft.Network announces Retry-After today and did not when this was recorded",
    what="retry-after",
    path="Microsoft.Network",
)

CONVERSATIONS = (
    Conversation("webapp_config_appsettings", left_out=_STACKS),
    Conversation("webapp_vnet_e2e", left_out=_STACKS, allowed=(_OLD_NETWORK,)),
    Conversation("webapp_vnet_route_all", left_out=_STACKS, allowed=(_OLD_NETWORK,)),
    Conversation("functionapp_vnet_e2e", left_out=_STACKS | _INSIGHTS, allowed=(_OLD_NETWORK,)),
    Conversation(
        "aso_web_site_2025",
        allowed=(
            Allowed("Flex Consumption's deployment is no part of a network posture", detail="functionAppConfig"),
            Allowed("a rollout of the day, which means nothing to clients", detail="inFlightFeatures"),
            Allowed(
                "its type is not simulated, which is found out first", path="ManagedIdentity|roleAssignments|containers"
            ),
        ),
    ),
    Conversation(
        "private_endpoint_sql",
        allowed=(
            _OLD_NETWORK,
            Allowed("a policy of the recording's subscription tagged the group meanwhile", detail=r"tags\."),
        ),
    ),
)


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.name)
def test_a_recorded_conversation_goes_the_same_way_again(conversation: Conversation) -> None:
    assert [str(each) for each in replay(conversation)] == []
