"""Bytes as decisions: whatever a fuzzer sends becomes odd JSON, damage to a good body, a choice between answers.

The same bytes always decide the same, and bytes that have run out decide for the simplest, so that every input ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_DEPTH: Final = 5
MAX_MEMBERS: Final = 5

NAMES: Final = (
    "properties", "value", "id", "name", "type", "etag", "tags", "location", "identity", "principalId", "status",
    "securityRules", "priority", "direction", "access", "protocol", "sourceAddressPrefix", "destinationPortRange",
    "destinationPortRanges", "subnets", "addressPrefix", "addressPrefixes", "delegations", "networkSecurityGroup",
    "routeTable", "routes", "nextHopType", "virtualNetworkSubnetId", "outboundVnetRouting", "applicationTraffic",
    "privateLinkServiceConnections", "privateLinkServiceConnectionState", "groupIds", "provisioningState", "aRecords",
    "ipv4Address", "virtualNetwork", "registrationEnabled", "privateDnsZoneConfigs", "privateDnsZoneId", "enabled",
    "retentionPolicy", "days", "publicNetworkAccess", "networkAcls", "userAssignedIdentities", "targetSwapSlot",
    "nextLink", "error", "code", "message", "targets", "all", "confirm", "until", "reason", "for", "wait", "dryRun",
)  # fmt: skip

TEXTS: Final = (
    "", " ", "*", "1", "0", "true", "Allow", "Deny", "Outbound", "Succeeded", "Updating", "Enabled", "Disabled",
    "Approved", "10.10.1.0/24", "10.10.2.4", "0.0.0.0/0", "::/0", "300.1.1.1", "10.0.0.0/99", "443", "1433-1434",
    "65536", "9-1", "-", "/", "//",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/" + "a/b" * 40,
    "@Microsoft.KeyVault(SecretUri=x)", "\ud800", "\x00", "\u202e", "\u00b2", "\u0660", "İ", "ﬃ", "é" * 300, "x" * 4000,
)  # fmt: skip

NUMBERS: Final = (0, 1, -1, 100, 4096, 65535, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, True, False, None)


class Junk:
    """Decisions drawn from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_spent(self) -> bool:
        return self._at >= len(self._data)

    def below(self, limit: int) -> int:
        """At least 0 and below `limit`, which is at most 65536."""
        if self.is_spent:
            return 0
        width = 1 if limit <= 256 else 2
        drawn = int.from_bytes(self._data[self._at : self._at + width])
        self._at += width
        return drawn % limit

    def one_of[T](self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def rest(self) -> bytes:
        left, self._at = self._data[self._at :], len(self._data)
        return left

    def text(self) -> str:
        if self.below(4):
            return self.one_of(TEXTS)
        length = self.below(24)
        drawn, self._at = self._data[self._at : self._at + length], self._at + length
        return drawn.decode("utf-8", "surrogateescape")

    def json(self, depth: int = 0) -> Any:
        """Any JSON, in the words of ARM more often than not."""
        kind = self.below(8)
        if kind <= 1 and depth < MAX_DEPTH:
            return {self._name(): self.json(depth + 1) for _ in range(self.below(MAX_MEMBERS))}
        if kind == 2 and depth < MAX_DEPTH:
            return [self.json(depth + 1) for _ in range(self.below(MAX_MEMBERS))]
        if kind == 3:
            return self.one_of(NUMBERS)
        return self.text()

    def _name(self) -> str:
        return self.one_of(NAMES) if self.below(4) else self.text()

    def damaged(self, body: Any) -> Any:
        """A copy of the body in which somewhere a member is exchanged, removed, doubled or added."""
        if isinstance(body, Mapping) and body and self.below(8):
            return self._damaged_object(body)
        if isinstance(body, list) and body and self.below(8):
            return self._damaged_list(body)
        return self.json()

    def _damaged_object(self, body: Mapping[str, Any]) -> dict[str, Any]:
        key = self.one_of(sorted(body))
        match self.below(6):
            case 0:
                return {name: value for name, value in body.items() if name != key}
            case 1:
                return {**body, key: self.json()}
            case 2:
                return {**body, self._name(): self.json()}
            case _:
                return {**body, key: self.damaged(body[key])}

    def _damaged_list(self, body: list[Any]) -> list[Any]:
        index = self.below(min(len(body), 256))
        match self.below(4):
            case 0:
                return [*body, body[index]]
            case 1:
                return [*body, self.json()]
            case _:
                return [*body[:index], self.damaged(body[index]), *body[index + 1 :]]
