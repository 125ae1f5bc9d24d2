"""A route as it is compared, whichever spelling a spec or a body uses, and as it is written.

Ranges and addresses are compared by their meaning, service tags and types of next hops without regard to case.
https://learn.microsoft.com/rest/api/virtualnetwork/routes/get
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from homeostat.core import json
from homeostat.core.json import ABSENT, Json, JsonObject, Path, Value

MEMBERS: Final[Mapping[str, str]] = {
    "address_prefix": "addressPrefix",
    "next_hop_type": "nextHopType",
    "next_hop_ip": "nextHopIpAddress",
}
"""The spec's fields of a route by their names in a body."""


@dataclass(frozen=True, slots=True)
class Route:
    """next_hop_ip: "" if there is none."""

    address_prefix: str
    next_hop_type: str
    next_hop_ip: str = ""

    @property
    def key(self) -> "Route":
        """Equal for what ARM treats as the same route."""
        return Route(prefix_key(self.address_prefix), self.next_hop_type.lower(), _address_key(self.next_hop_ip))

    @property
    def shown(self) -> Json:
        return {name: value for name in MEMBERS if (value := getattr(self, name))}

    @property
    def body(self) -> JsonObject:
        return {"properties": {member: value for name, member in MEMBERS.items() if (value := getattr(self, name))}}


def route_of(body: Json) -> Route:
    return Route(*(json.text_at(body, "properties", member) for member in MEMBERS.values()))


def prefix_key(text: str) -> str:
    """Equal for spellings of one range, or of one service tag."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text.lower()


def _address_key(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text.lower()


def differences(wanted: Route, found: Route) -> Mapping[Path, tuple[Value, Value]]:
    """The paths of the fields that differ, as the spec's keys, with what is wanted and what is there."""
    return {
        (key,): (getattr(wanted, key) or ABSENT, getattr(found, key) or ABSENT)
        for key in MEMBERS
        if getattr(wanted.key, key) != getattr(found.key, key)
    }


def changes(path: Path, wanted: Route) -> Iterator[tuple[Path, Value]]:
    """The body's fields that a drift at `path` sets, with their values."""
    if not path:
        yield (), wanted.body
        return
    (key,) = path
    yield ("properties", MEMBERS[key]), getattr(wanted, key) or ABSENT
