"""Recorded conversations with Microsoft.Network and private DNS, told to the simulator again."""

import pytest

from simulator.cloud import Resource
from tests.simulator.replay import SUBSCRIPTION, Allowed, Conversation, replay

pytestmark = pytest.mark.wire

_BASE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"

_NO_RETRY_AFTER = Allowed(
    "Azure sends Retry-After with these answers only since 2024; the conversation is older",
    what="retry-after",
    detail="absent expected, present came",
)
_GROUP_TAGS = Allowed(
    "a policy of the recorded subscription added tags to the group in between", detail=r"^tags\.", path="resourcegroups"
)
_OLD_GROUP = Allowed("resource groups lack their type before api-version 2019-05-01", detail="^type added")
_OLD_RULE = Allowed(
    "api-versions before 2017-06-01, which no SDK of today sends, know no plural members",
    detail=r"(Ranges|Prefixes) added",
)
_NO_ASG = "application security groups are not simulated"
_NO_NIC = "network interfaces are made by private endpoints only; the one that is logged is seeded"
_OLD_SUBNET = Allowed(
    "api-versions up to 2019-04-01 have no policies and a `purpose` in their place",
    detail=r"(purpose missing|NetworkPolicies added|enableVmProtection missing)",
)
_FEWER_DELEGATIONS = Allowed("a region offers more delegations than the simulator", path="availableDelegations")
_FAILED_WATCHER = Allowed(
    "one of the recorded subscription's watchers had failed", what="value", path="networkWatchers$", detail="Failed"
)
_OTHERS = Allowed(
    "the list of a whole subscription holds what other tests of the recorder left there",
    path=rf"^/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/networkSecurityGroups$",
)


def _storage(group: str, name: str) -> Resource:
    return Resource(
        f"{_BASE}/{group}/providers/Microsoft.Storage/storageAccounts/{name}",
        "Microsoft.Storage/storageAccounts",
        {"location": "centraluseuap", "properties": {}},
    )


_FLOW_GROUP = f"{_BASE}/test_nw_flow_log_000001/providers/Microsoft.Network"

CONVERSATIONS = [
    Conversation("aso_subnet_then_vnet_updated_2025"),
    Conversation(
        "aso_nsg_2025",
        allowed=[
            Allowed(
                "the group's deletion had got no further than the NSG when this DELETE arrived; here it is complete",
                what="value",
                detail="ResourceNotFound.* expected, .*ResourceGroupNotFound",
            )
        ],
    ),
    Conversation("aso_private_dns_2024", held=frozenset({29})),
    Conversation(
        "private_endpoint_sql",
        allowed=[
            _NO_RETRY_AFTER,
            _GROUP_TAGS,
        ],
    ),
    Conversation(
        "private_endpoint_zone_group",
        seeds=[_storage("fanqiu_cli_test_network_private_endpoints000001", "saplr000002")],
        allowed=[_NO_RETRY_AFTER, _GROUP_TAGS],
    ),
    Conversation(
        "privatedns_link_ifmatch_failure", headers={11: {"If-Match": '"another-etag"'}}, allowed=[_NO_RETRY_AFTER]
    ),
    Conversation(
        "privatedns_record_ifmatch_failure", headers={10: {"If-Match": "another-etag"}}, allowed=[_NO_RETRY_AFTER]
    ),
    Conversation(
        "nsg_cli",
        left_out={"applicationSecurityGroups": _NO_ASG, 94: _NO_ASG, 98: _NO_ASG},
        allowed=[_NO_RETRY_AFTER, _OLD_GROUP, _OLD_RULE, _OTHERS],
    ),
    Conversation("subnet_delegation_cli", allowed=[_NO_RETRY_AFTER, _OLD_GROUP, _OLD_SUBNET, _FEWER_DELEGATIONS]),
    Conversation(
        "flowlog_vnet_update_cli",
        left_out={"networkInterfaces": _NO_NIC, 15: _NO_NIC},
        # Recorded under the subnet's address, with the VNet's bodies.
        addresses=dict.fromkeys((9, 10, 12), f"{_FLOW_GROUP}/virtualNetworks/vnet1"),
        seeds=[
            _storage("test_nw_flow_log_000001", "testflowlog000002"),
            Resource(
                f"{_FLOW_GROUP}/networkInterfaces/nic1",
                "Microsoft.Network/networkInterfaces",
                {"location": "centraluseuap"},
            ),
            Resource(
                f"{_BASE}/NetworkWatcherRG/providers/Microsoft.Network/networkWatchers/NetworkWatcher_centraluseuap",
                "Microsoft.Network/networkWatchers",
                {"location": "centraluseuap"},
            ),
        ],
        allowed=[_NO_RETRY_AFTER, _FAILED_WATCHER],
    ),
]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.name)
def test_a_recorded_conversation_goes_the_same_way(conversation: Conversation) -> None:
    assert [str(each) for each in replay(conversation)] == []
