"""Managed identities of the web app or slot: what it signs in with instead of passwords.

A removed identity is not restored by adding one: a new system-assigned identity is a new principal, without the grants
of the old one. So that is done only if a spec or a person says so, while attaching a user-assigned identity, which
still exists elsewhere, is an ordinary repair. No identity is ever removed.
https://learn.microsoft.com/azure/app-service/overview-managed-identity
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import SITE, SLOT, ArmType
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import ABSENT, Json, Value
from homeostat.core.model import (
    Drift,
    Edit,
    Facts,
    Found,
    Item,
    KindSection,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Verdict,
    Want,
)
from remediators.common import (
    by_key,
    in_operation,
    keep_the_rest,
    reference_problems,
    site_of,
    unknown,
    verdict_of,
    why_unread,
)

USER_ASSIGNED_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"

SYSTEM = "system_assigned"
SYSTEM_ASSIGNED, USER_ASSIGNED = "SystemAssigned", "UserAssigned"
IDENTITY, TYPE, USERS = ("identity",), ("identity", "type"), ("identity", "userAssignedIdentities")


class IdentitySection(KindSection):
    """The identities that the web app signs in with."""

    system_assigned: bool | None = Field(
        default=None, description="Whether it has an identity of its own; not looked at where it is not given."
    )
    user_assigned: tuple[str, ...] = Field(
        default=(),
        description="Identities that must be there, others are kept: NAME, RESOURCE-GROUP:NAME, or a full resource id.",
        examples=[["rg-identity:id-flask"]],
    )
    recreate: bool = Field(
        default=False,
        description="Whether a system-assigned identity is made again unattended; it comes without its grants.",
    )


@dataclass(frozen=True, slots=True)
class SystemWant:
    present: bool
    recreate: bool


@dataclass(frozen=True, slots=True)
class UserWant:
    id: ResourceId


type IdentityWant = SystemWant | UserWant


@dataclass(frozen=True, slots=True)
class Have:
    """users: the ids of the attached identities as in the body, sorted. unread: why the site is unknown, or ""."""

    system: bool = False
    users: tuple[str, ...] = ()
    in_operation: bool = False
    unread: str = ""
    keys: frozenset[str] = field(default=frozenset())

    def has(self, identity: ResourceId) -> bool:
        return identity.key in self.keys


@dataclass(frozen=True, slots=True)
class Identity:
    """Its root is the site or the slot; an item is the system-assigned identity, or a user-assigned one, by its id."""

    kind: str = "identity"
    section: type[IdentitySection] = IdentitySection
    touches: frozenset[ArmType] = frozenset({SITE, SLOT})

    def items(self, section: IdentitySection, scope: Scope) -> tuple[Item[IdentityWant], ...]:
        users = (scope.resource(each, USER_ASSIGNED_IDENTITY) for each in section.user_assigned)
        found: list[Item[IdentityWant]] = [
            Item(scope.web_app, user.key, UserWant(user), ("user_assigned", place)) for place, user in enumerate(users)
        ]
        if section.system_assigned is not None:
            wanted = SystemWant(section.system_assigned, section.recreate)
            found.append(Item(scope.web_app, SYSTEM, wanted, (SYSTEM,)))
        return tuple(found)

    unmanaged = keep_the_rest

    def problems(self, section: IdentitySection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(
            problem
            for place, each in enumerate(section.user_assigned)
            for problem in (
                *reference_problems(scope, each, USER_ASSIGNED_IDENTITY, ("user_assigned", place)),
                *_named_before(section, scope, place),
            )
        )

    def reads(self, want: Want[IdentityWant], facts: Facts) -> frozenset[Read]:  # noqa: ARG002 - one read needs no other
        return frozenset({site_of(want.root)})

    def observe(self, want: Want[IdentityWant], facts: Facts) -> Have:
        site = facts.get(site_of(want.root))
        if not isinstance(site, Found):
            return Have(unread=why_unread(site))
        users = json.at(site.body, USERS)
        ids = tuple(sorted(users, key=str.lower)) if isinstance(users, Mapping) else ()
        return Have(
            system=SYSTEM_ASSIGNED.lower() in _kinds(json.text_at(site.body, *TYPE)),
            users=ids,
            in_operation=in_operation(site),
            keys=frozenset(each.rstrip("/").lower() for each in ids),
        )

    def diff(self, want: Want[IdentityWant], have: Have) -> tuple[Drift, ...]:
        found = (drift for name, item in want.items.items() for drift in self._difference(want, name, item.value, have))
        return by_key(found)

    def _difference(self, want: Want[IdentityWant], name: str, wanted: IdentityWant, have: Have) -> Iterator[Drift]:
        should, there = _shown(wanted), _found(wanted, have)
        path = TYPE if isinstance(wanted, SystemWant) else (*USERS, name)
        if have.unread:
            yield unknown(self.kind, want.root, path, name, should, have.unread)
        elif should != there:
            verdict = verdict_of(under_way=have.in_operation)
            yield Drift(self.kind, want.root, path, name, should, there, verdict)

    def edits(self, want: Want[IdentityWant], have: Have) -> tuple[Edit | Obstacle, ...]:
        drifted = [drift for drift in self.diff(want, have) if drift.verdict is Verdict.DRIFTED]
        return tuple(answer for drift in drifted for answer in _repairs(drift, want, have))


REMEDIATOR = Identity()


def _kinds(text: str) -> set[str]:
    """`SystemAssigned, UserAssigned`, with or without a space, in any order and case; `None` and empty mean none."""
    return {each.strip().lower() for each in text.split(",")} - {"", "none"}


def _shown(wanted: IdentityWant) -> Value:
    if isinstance(wanted, UserWant):
        return wanted.id.text
    return SYSTEM_ASSIGNED if wanted.present else ABSENT


def _found(wanted: IdentityWant, have: Have) -> Value:
    if isinstance(wanted, UserWant):
        return wanted.id.text if have.has(wanted.id) else ABSENT
    return SYSTEM_ASSIGNED if have.system else ABSENT


def _repairs(drift: Drift, want: Want[IdentityWant], have: Have) -> Iterator[Edit | Obstacle]:
    """The PATCH lists the user-assigned identities in full, so that it is right whether they are merged or replaced.

    The edits for the system-assigned identity have deeper paths than that for the user-assigned ones, and so override
    it where both are made: each is right with the other and without it.
    """
    wanted, reaches = want.items[drift.item].value, frozenset({Milestone.IDENTITY_EXISTS})
    users = _users_after(want, have, also=wanted)
    match wanted:
        case SystemWant(present=False):
            message = "an identity is never taken away by itself: remove it, if nothing signs in with it any more"
            yield Obstacle(drift, "removal-by-hand", message)
        case SystemWant(recreate=recreate):
            both = _type(system=True, users=bool(users))
            yield Edit(drift, TYPE, both, reaches=reaches, recreate=recreate)
            if users:
                yield Edit(drift, USERS, users, reaches=reaches, recreate=recreate)
        case UserWant():
            identity: Json = {"type": _type(system=have.system, users=True), "userAssignedIdentities": users}
            yield Edit(drift, IDENTITY, identity, reaches=reaches)


def _users_after(want: Want[IdentityWant], have: Have, also: IdentityWant) -> dict[str, Json]:
    """The user-assigned identities after the repair: those that are there, then the missing ones."""
    wanted = [
        (item.value.id, want.mode_of(name)) for name, item in want.items.items() if isinstance(item.value, UserWant)
    ]
    missing = [
        identity.text
        for identity, mode in wanted
        if not have.has(identity) and (mode is Mode.ENFORCE or also == UserWant(identity))
    ]
    return {each: {} for each in (*have.users, *sorted(missing, key=str.lower))}


def _type(*, system: bool, users: bool) -> str:
    return ", ".join(name for name, there in ((SYSTEM_ASSIGNED, system), (USER_ASSIGNED, users)) if there)


def _named_before(section: IdentitySection, scope: Scope, place: int) -> Iterator[Problem]:
    try:
        ids = [scope.resource(each, USER_ASSIGNED_IDENTITY) for each in section.user_assigned[: place + 1]]
    except InvalidResourceId:
        return
    if ids[-1] in ids[:-1]:
        message = f"{section.user_assigned[place]!r} stands here twice"
        yield Problem(("user_assigned", place), message, "Keep one of the two.")
