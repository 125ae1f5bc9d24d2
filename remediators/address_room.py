"""Address ranges: those of a subnet and its network, and why a range does not fit among the others.

ARM gives a single range in the singular, even if it was written as a list of one. It refuses a subnet outside its
network or overlapping another; foreseen here, that is a hold with a clear message instead of a failed write.
https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from homeostat.core import json
from homeostat.core.json import Json, Value
from homeostat.core.model import Found

type Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Room:
    """A network's address space: its ranges, and the ranges of its subnets by lower-case name."""

    spaces: tuple[Network, ...]
    taken: Mapping[str, tuple[Network, ...]]


def network_of(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(found for text in texts if (found := network_of(text)))


def prefixes_of(body: Json) -> tuple[str, ...]:
    """A single range is in the singular, or alone in the plural."""
    one, many = json.text_at(body, "properties", "addressPrefix"), json.at(body, ("properties", "addressPrefixes"))
    return _texts(many) or ((one,) if one else ())


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def room_of(network: Found) -> Room:
    return Room(
        spaces=networks_of(_texts(json.at(network.body, ("properties", "addressSpace", "addressPrefixes")))),
        taken={
            json.text_at(subnet, "name").lower(): networks_of(prefixes_of(subnet))
            for subnet in json.objects_at(network.body, "properties", "subnets")
        },
    )


def misfit(range_: Network, name: str, room: Room) -> tuple[str, str] | None:
    """Why a subnet of this name and range does not fit into the network: a hold's code and message."""
    if not any(_within(range_, space) for space in room.spaces):
        spaces = ", ".join(map(str, room.spaces)) or "nothing"
        return "address-outside-network", f"{range_} lies outside its network's address space, {spaces}"
    for other, taken in sorted(room.taken.items()):
        if other != name.lower() and any(range_.overlaps(each) for each in taken):
            return "address-overlap", f"{range_} overlaps with the subnet {other}"
    return None


def _within(network: Network, space: Network) -> bool:
    return network.version == space.version and space.supernet_of(network)  # type: ignore[arg-type]  # versions agree
