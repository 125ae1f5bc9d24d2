"""What the probes share: the app's path into its network, and messages for where a private path is broken.

The messages are those of the troubleshooting steps that operators know: a fault of DNS, of the NSG, or of the backend.
"""

from dataclasses import dataclass, field
from typing import Final

from homeostat.core import json
from homeostat.core.arm_types import VIRTUAL_NETWORK
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.model import Facts, Found, Read
from homeostat.core.probes import Probed, Result, is_private
from remediators.common import site_of, why_unread

NOT_JOINED: Final = "the app is in no virtual network, so that nothing private can be reached from it"
ELSEWHERE: Final = "Homeostat is not in the app's virtual network: HOMEOSTAT_PROBES names those that it is in"
PUBLIC_ADDRESS: Final = (
    "DNS still resolves public addresses: check the private DNS zone's link to the VNet and the endpoint's zone group, "
    "and the forwarders where the VNet has custom DNS servers"
)
NO_SUCH_NAME: Final = (
    "DNS knows no such name: the private DNS zone is linked and lacks the record, or the name is wrong"
)
NO_RESOLVER: Final = "DNS does not answer: check the VNet's custom DNS servers, and the way to them"


@dataclass(frozen=True, slots=True)
class Network:
    """The virtual network that the app is joined to. servers: its own DNS servers; if empty, the platform's."""

    id: ResourceId
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """Where the app is. network: None if it is in none, or that is unknown. unread: why it is unknown."""

    network: Network | None = None
    subnet: ResourceId | None = None
    unread: str = ""
    reads: frozenset[Read] = field(default_factory=frozenset)  # what was read for this, or is to be read next


def joined(root: ResourceId, facts: Facts) -> Joined:
    """The app's network, as far as the facts tell: first the site is read, then the network that it names."""
    site = site_of(root)
    fact = facts.get(site)
    if not isinstance(fact, Found):
        return Joined(unread=why_unread(fact), reads=frozenset({site}))
    subnet = reference_at(fact.body, "properties", "virtualNetworkSubnetId")
    vnet = subnet.parent if subnet else None
    if vnet is None:
        return Joined(reads=frozenset({site}))
    reads = frozenset({site, Read(VIRTUAL_NETWORK, vnet)})
    network = facts.get(Read(VIRTUAL_NETWORK, vnet))
    if not isinstance(network, Found):
        return Joined(subnet=subnet, unread=why_unread(network), reads=reads)
    servers = json.at(network.body, ("properties", "dhcpOptions", "dnsServers"))
    found = tuple(map(str, servers)) if isinstance(servers, list | tuple) else ()
    return Joined(Network(vnet, found), subnet, reads=reads)


def reference_at(body: json.Json, *path: str) -> ResourceId | None:
    """The resource id at a place in a body; None if there is none."""
    try:
        return ResourceId.parse(json.text_at(body, *path))
    except InvalidResourceId:
        return None


def dns_fault(probed: Probed, *, private: bool) -> str:
    """What is wrong with a name's resolution; "" if nothing is. private: a public address is wrong."""
    if probed.result is Result.NO_SUCH_NAME:
        return NO_SUCH_NAME
    if probed.result is Result.NO_RESOLVER:
        return NO_RESOLVER
    if private and probed.addresses and not all(map(is_private, probed.addresses)):
        return PUBLIC_ADDRESS
    return ""


def shown_addresses(addresses: tuple[str, ...]) -> json.Json:
    return addresses[0] if len(addresses) == 1 else list(addresses)
