"""Virtual network links of private DNS zones: the declared networks resolve names with the zone.

What counts is the effect. A zone can be linked to a network once, so a link under another name serves as well, except
for its registration flag. No tool moves a link to another network (Set-AzPrivateDnsVirtualNetworkLink takes none): a
link with the declared name and another network is reported, since a repair would delete what somebody may need.
https://learn.microsoft.com/azure/dns/private-dns-virtual-network-links
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import PRIVATE_DNS_ZONE, VIRTUAL_NETWORK_LINK, ArmType
from homeostat.core.ids import ResourceId, same_id
from homeostat.core.json import ABSENT, Json, Path
from homeostat.core.model import (
    Declared,
    Disruption,
    Drift,
    Edit,
    Fact,
    Facts,
    Found,
    Gone,
    Item,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Section,
    Unmanaged,
    Unreadable,
    Verdict,
    Want,
)
from remediators.common import (
    ByName,
    by_key,
    name_problems,
    reference_problems,
    twice,
    unknown,
    verdict_of,
    why_unread,
)

NETWORK = "Microsoft.Network/virtualNetworks"

TO_NETWORK = ("properties", "virtualNetwork", "id")
REGISTRATION = ("properties", "registrationEnabled")
STATE = ("properties", "virtualNetworkLinkState")
RECORD_SETS = ("properties", "numberOfRecordSets")

_UNDER_WAY = frozenset({"creating", "updating", "deleting", "inprogress"})


class LinkSpec(Section):
    """One virtual network that the zone is linked to."""

    vnet: str = Field(
        description="NAME, RESOURCE-GROUP:NAME, or a full resource id.", examples=["vnet-appservice", "rg-hub:vnet-hub"]
    )
    registration: bool = Field(
        default=False, description="Whether the zone registers the network's virtual machines by itself."
    )
    mode: Mode | None = Field(default=None, description="Wins over the zone's mode.")


class ZoneLinks(Section):
    """The links of one private DNS zone, by name."""

    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")
    unmanaged: Unmanaged = Field(default=Unmanaged.KEEP, description="What happens to links to other networks.")
    links: dict[str, LinkSpec] = Field(
        default_factory=dict, description="By name.", examples=[{"link-vnet-appservice": {"vnet": "vnet-appservice"}}]
    )


class DnsLinksSection(ByName[ZoneLinks]):
    """Links by zone: the zone's name, RESOURCE-GROUP:NAME, or its full resource id."""


@dataclass(frozen=True, slots=True)
class LinkWant:
    vnet: ResourceId
    registration: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A link as found. vnet: the network's id. under_way: a write to it is still under way."""

    id: ResourceId
    vnet: str
    registration: bool
    under_way: bool


@dataclass(frozen=True, slots=True)
class Have:
    """links: sorted by id. unread: why the zone's links could not be read, or "".

    is_empty: whether the zone is known to hold no records but its own.
    unsure: the links, by lower-case name, of which neither presence nor absence is certain, and why.
    """

    links: tuple[Link, ...] = ()
    unread: str = ""
    is_empty: bool = False
    unsure: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str) -> Link | None:
        return next((link for link in self.links if link.id.name.lower() == name.lower()), None)

    def serving(self, vnet: ResourceId) -> Link | None:
        return next((link for link in self.links if same_id(link.vnet, vnet.text)), None)


@dataclass(frozen=True, slots=True)
class DnsLinks:
    """Its root is the zone; an item is a link, by name."""

    kind: str = "dns_links"
    section: type[DnsLinksSection] = DnsLinksSection
    touches: frozenset[ArmType] = frozenset({PRIVATE_DNS_ZONE, VIRTUAL_NETWORK_LINK})

    def items(self, section: DnsLinksSection, scope: Scope) -> tuple[Item[LinkWant], ...]:
        return tuple(
            Item(
                scope.resource(zone, PRIVATE_DNS_ZONE.name),
                name,
                LinkWant(scope.resource(link.vnet, NETWORK), link.registration),
                (zone, "links", name),
                link.mode or links.mode,
            )
            for zone, links in section.entries.items()
            for name, link in links.links.items()
        )

    def unmanaged(self, section: DnsLinksSection, scope: Scope) -> Mapping[ResourceId, Unmanaged]:
        return {scope.resource(zone, PRIVATE_DNS_ZONE.name): links.unmanaged for zone, links in section.entries.items()}

    def problems(self, section: DnsLinksSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for zone, links in section.entries.items()
            for problem in (
                *reference_problems(scope, zone, PRIVATE_DNS_ZONE.name, (zone,)),
                *twice(links.links, (zone, "links")),
                *_link_problems(links, scope, (zone, "links")),
            )
        )

    def reads(self, want: Want[LinkWant], facts: Facts) -> frozenset[Read]:
        listing = facts.get(_listing(want.root))
        if listing is None:
            return frozenset({_listing(want.root)})
        if _parent_is_missing(listing):
            return frozenset({_listing(want.root), Read(PRIVATE_DNS_ZONE, want.root)})
        if not isinstance(listing, Found):
            return frozenset({_listing(want.root)})
        have = Have(_links(want.root, listing))
        missing = [name for name, link in want.items.items() if not (have.named(name) or have.serving(link.value.vnet))]
        zone = [Read(PRIVATE_DNS_ZONE, want.root)] if missing else []
        return frozenset({_listing(want.root), *zone, *(_own(want.root, name) for name in missing)})

    def observe(self, want: Want[LinkWant], facts: Facts) -> Have:
        """A link is absent only if the existing zone's listing lacks it and its own GET says that it is gone."""
        listing = facts.get(_listing(want.root))
        if not isinstance(listing, Found):
            return Have(unread=why_unread(listing))
        own = {name: facts.get(_own(want.root, name)) for name in want.items}
        listed = {link.id: link for link in _links(want.root, listing)}
        seen = {
            link.id: link for fact in own.values() if isinstance(fact, Found) for link in _link(want.root, fact.body)
        }
        have = Have(tuple(sorted((listed | seen).values(), key=lambda link: link.id)))
        return Have(
            have.links,
            is_empty=_is_empty(facts.get(Read(PRIVATE_DNS_ZONE, want.root))),
            unsure={
                name.lower(): why_unread(fact)
                for name, fact in own.items()
                if not have.named(name) and not isinstance(fact, Gone)
            },
        )

    def diff(self, want: Want[LinkWant], have: Have) -> tuple[Drift, ...]:
        owned = (
            drift
            for name, declared in want.items.items()
            for drift in self._differences(want.root, name, declared, have)
        )
        return by_key((*owned, *self._extras(want, have)))

    def _differences(self, zone: ResourceId, name: str, declared: Declared[LinkWant], have: Have) -> Iterator[Drift]:
        wanted, own = declared.value, _own(zone, name).id
        whole = _summary(wanted.vnet.text, registration=wanted.registration)
        if have.unread:
            yield unknown(self.kind, own, (), name, whole, have.unread)
        elif link := have.serving(wanted.vnet):
            yield from self._flags(link, name, wanted)
        elif link := have.named(name):
            verdict = verdict_of(under_way=link.under_way)
            yield Drift(self.kind, link.id, TO_NETWORK, name, wanted.vnet.text, link.vnet, verdict)
        elif reason := have.unsure.get(name.lower()):
            yield unknown(self.kind, own, (), name, whole, reason)
        else:
            yield Drift(self.kind, own, (), name, whole, ABSENT)

    def _flags(self, link: Link, name: str, wanted: LinkWant) -> Iterator[Drift]:
        """How a link to the right network differs. Until its write has ended, names do not resolve."""
        note = "" if link.id.name.lower() == name.lower() else f"the network is linked as {link.id.name}"
        if link.registration != wanted.registration:
            verdict = verdict_of(under_way=link.under_way)
            yield Drift(self.kind, link.id, REGISTRATION, name, wanted.registration, link.registration, verdict, note)
        elif link.under_way:
            yield Drift(self.kind, link.id, STATE, name, "Completed", "InProgress", Verdict.SETTLING, note)

    def _extras(self, want: Want[LinkWant], have: Have) -> Iterator[Drift]:
        if want.unmanaged is Unmanaged.KEEP:
            return
        names = {name.lower() for name in want.items}
        networks = {declared.value.vnet.key for declared in want.items.values()}
        for link in have.links:
            if link.id.name.lower() not in names and link.vnet.lower() not in networks:
                found = _summary(link.vnet, registration=link.registration)
                yield Drift(self.kind, link.id, (), "", ABSENT, found, Verdict.UNMANAGED)

    def edits(self, want: Want[LinkWant], have: Have) -> tuple[Edit | Obstacle, ...]:
        makers: dict[ResourceId, str] = {}  # for each network without a link, the first declared one
        return tuple(edit for drift in self.diff(want, have) for edit in _repair(drift, want, have, makers))


REMEDIATOR = DnsLinks()

# Once a zone is linked, its names lead to the endpoints: by then there must be a way to them.
_PRIVATE_WAY = frozenset(
    {
        Milestone.ZONES_EXIST,
        Milestone.ENDPOINTS_APPROVED,
        Milestone.RECORDS_EXIST,
        Milestone.EGRESS_ALLOWED,
        Milestone.ROUTES_EXIST,
    }
)


def _listing(zone: ResourceId) -> Read:
    return Read(VIRTUAL_NETWORK_LINK, zone, every=True)


def _own(zone: ResourceId, name: str) -> Read:
    return Read(VIRTUAL_NETWORK_LINK, zone.child("virtualNetworkLinks", name))


def _parent_is_missing(listing: Fact) -> bool:
    missing = {ErrorClass.MISSING, ErrorClass.MISSING_PARENT}
    return isinstance(listing, Gone) or (isinstance(listing, Unreadable) and listing.error.error_class in missing)


def _links(zone: ResourceId, listing: Found) -> tuple[Link, ...]:
    return tuple(link for body in json.objects_at(listing.body, "value") for link in _link(zone, body))


def _link(zone: ResourceId, body: Json) -> Iterator[Link]:
    if not (name := json.text_at(body, "name")):
        return
    states = (json.text_at(body, "properties", "provisioningState"), json.text_at(body, *STATE))
    yield Link(
        id=_own(zone, name).id,
        vnet=json.text_at(body, *TO_NETWORK),
        registration=json.at(body, REGISTRATION) is True,  # null and absent are false
        under_way=any(state.lower() in _UNDER_WAY for state in states),
    )


def _summary(vnet: str, *, registration: bool) -> Json:
    return {"vnet": vnet, "registration": registration}


def _is_empty(zone: Fact | None) -> bool:
    """A new zone has one record set, its SOA. The count may be missing, and then says nothing."""
    return isinstance(zone, Found) and json.at(zone.body, RECORD_SETS) == 1


def _repair(drift: Drift, want: Want[LinkWant], have: Have, makers: dict[ResourceId, str]) -> Iterator[Edit | Obstacle]:
    if drift.verdict is Verdict.UNMANAGED and want.unmanaged is Unmanaged.REMOVE:
        yield Edit(drift, (), ABSENT, Disruption.CONNECTIVITY)
    if drift.verdict is not Verdict.DRIFTED:
        return
    wanted = want.items[drift.item].value
    if drift.path == TO_NETWORK:
        message = (
            f"{drift.resource.name} links another network, which cannot be changed: delete it, or declare another name"
        )
        yield Obstacle(drift, "link-points-elsewhere", message, frozenset({Milestone.NAMES_RESOLVE}))
    elif drift.path == REGISTRATION:
        yield Edit(drift, REGISTRATION, wanted.registration)
    elif (maker := makers.setdefault(wanted.vnet, drift.item)) != drift.item:
        yield Obstacle(drift, "declared-twice", f"{maker} links the same network, and a zone links a network once")
    elif have.is_empty and not wanted.registration and want.root.name.lower().startswith("privatelink."):
        message = (
            "the zone holds no records yet: linked now, it would hide the public names before the private are there"
        )
        yield Obstacle(drift, "zone-empty", message, frozenset({Milestone.NAMES_RESOLVE}))
    else:
        yield Edit(drift, (), _body(wanted), after=_PRIVATE_WAY, reaches=frozenset({Milestone.NAMES_RESOLVE}))


def _body(wanted: LinkWant) -> Json:
    return {
        "location": "global",
        "properties": {"virtualNetwork": {"id": wanted.vnet.text}, "registrationEnabled": wanted.registration},
    }


def _link_problems(links: ZoneLinks, scope: Scope, path: Path) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name, link in links.links.items():
        yield from name_problems(name, "link", (*path, name))
        broken = reference_problems(scope, link.vnet, NETWORK, (*path, name, "vnet"))
        yield from broken
        if not broken and (other := first.setdefault(scope.resource(link.vnet, NETWORK).key, name)) != name:
            message = f"{name} and {other} link the same network, and a zone can link a network once"
            yield Problem((*path, name, "vnet"), message, "Keep one of the two.")
