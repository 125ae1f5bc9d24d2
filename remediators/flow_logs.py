"""Flow logs of virtual networks: the declared logs exist, are enabled, and write where they should.

A network has one flow log, so one under another name is in the way of the declared one, and is reported. NSG flow logs
cannot be created since 30 June 2025 and end on 30 September 2027, so the spec cannot declare them. A network's flow log
is reported not to record what App Service sends through VNet integration: it is no proof of the app's traffic.
https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview
https://learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import (
    FLOW_LOG,
    NETWORK_SECURITY_GROUP,
    NETWORK_WATCHER,
    STORAGE_ACCOUNT,
    SUBNET,
    VIRTUAL_NETWORK,
    ArmType,
)
from homeostat.core.ids import InvalidResourceId, ResourceId, same_id
from homeostat.core.json import Json
from homeostat.core.model import (
    Drift,
    Edit,
    Fact,
    Facts,
    Found,
    Gone,
    Item,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Section,
    Verdict,
    Want,
)
from homeostat.core.provisioning import being_written
from remediators.children import Child, Children
from remediators.common import (
    ByName,
    by_key,
    keep_the_rest,
    name_problems,
    reference_problems,
    why_unread,
)
from remediators.flow_log import Log, change, differences, log_of

INTERFACE: Final = "Microsoft.Network/networkInterfaces"
TARGETS: Final = (VIRTUAL_NETWORK.name, SUBNET.name, INTERFACE)
LONGEST_RETENTION: Final = 365
"""Days. https://learn.microsoft.com/rest/api/network-watcher/flow-logs/create-or-update"""

FORMATS: Final = (1, 2)


class FlowLogSpec(Section):
    """One flow log of a virtual network, a subnet, or a network interface."""

    network_watcher: str = Field(
        description="The region's network watcher: RESOURCE-GROUP:NAME, NAME, or a full resource id.",
        examples=["NetworkWatcherRG:NetworkWatcher_westeurope"],
    )
    target: str = Field(
        description="VNET, VNET/SUBNET, either of them in RESOURCE-GROUP:, or a full resource id.",
        examples=["vnet-appservice", "vnet-appservice/snet-appservice-integration"],
    )
    storage: str = Field(
        description="The storage account that it writes to: NAME, RESOURCE-GROUP:NAME, or a full resource id.",
        examples=["stflask"],
    )
    enabled: bool = Field(default=True, description="Whether it records.")
    retention_days: int | None = Field(
        default=None, ge=0, le=LONGEST_RETENTION, description="0 keeps records for ever. Owned only where it is given."
    )
    format_version: int | None = Field(
        default=None, ge=FORMATS[0], le=FORMATS[-1], description="Owned only where it is given."
    )
    location: str = Field(
        description="The target's region, in which it is created.", min_length=1, examples=["westeurope"]
    )
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")


class FlowLogsSection(ByName[FlowLogSpec]):
    """Flow logs, by name. They are reported not to record the traffic of App Service's VNet integration."""


@dataclass(frozen=True, slots=True)
class LogWant:
    log: Log
    location: str


@dataclass(frozen=True, slots=True)
class FlowLogs:
    """Its root is the network watcher; an item is a flow log, by name."""

    kind: str = "flow_logs"
    section: type[FlowLogsSection] = FlowLogsSection
    touches: frozenset[ArmType] = frozenset({NETWORK_WATCHER, FLOW_LOG})

    def items(self, section: FlowLogsSection, scope: Scope) -> tuple[Item[LogWant], ...]:
        return tuple(
            Item(
                scope.resource(log.network_watcher, NETWORK_WATCHER.name), name, _wanted(log, scope), (name,), log.mode
            )
            for name, log in section.entries.items()
        )

    unmanaged = keep_the_rest

    def problems(self, section: FlowLogsSection, scope: Scope) -> tuple[Problem, ...]:
        return tuple(problem for name, log in section.entries.items() for problem in _problems(name, log, scope))

    def reads(self, want: Want[LogWant], facts: Facts) -> frozenset[Read]:
        """The logs; if one is gone or has another target, also the listing, which shows what took its place."""
        own = {name: _own(want.root, name) for name in want.items}
        reads = frozenset(own.values())
        if any(_is_displaced(want.items[name].value.log, facts.get(read)) for name, read in own.items()):
            return reads | {_listing(want.root)}
        return reads

    def observe(self, want: Want[LogWant], facts: Facts) -> Children[Log]:
        """A log is absent only if its own GET says that it is gone and the existing watcher's listing lacks it."""
        listing = facts.get(_listing(want.root))
        own = {name: facts.get(_own(want.root, name)) for name in want.items}
        bodies = [fact.body for fact in own.values() if isinstance(fact, Found)]
        if isinstance(listing, Found):
            bodies = [*json.objects_at(listing.body, "value"), *bodies]
        logs = {child.id.name.lower(): child for body in bodies for child in _children(want.root, body)}
        unsure = {
            name.lower(): why_unread(listing if isinstance(fact, Gone) else fact)
            for name, fact in own.items()
            if name.lower() not in logs and not (isinstance(fact, Gone) and isinstance(listing, Found))
        }
        return Children(logs, unsure)

    def diff(self, want: Want[LogWant], have: Children[Log]) -> tuple[Drift, ...]:
        return by_key(
            drift
            for name, declared in want.items.items()
            for drift in self._drifts(_own(want.root, name).id, name, declared.value.log, have)
        )

    def _drifts(self, own: ResourceId, name: str, wanted: Log, have: Children[Log]) -> Iterator[Drift]:
        return have.drifts(self.kind, own, name, wanted.shown, partial(differences, wanted))

    def edits(self, want: Want[LogWant], have: Children[Log]) -> tuple[Edit | Obstacle, ...]:
        return tuple(
            _repair(drift, want.items[drift.item].value, have)
            for drift in self.diff(want, have)
            if drift.verdict is Verdict.DRIFTED
        )


REMEDIATOR = FlowLogs()


# --- from the spec and from bodies to logs ---------------------------------------------------------------------------


def _own(watcher: ResourceId, name: str) -> Read:
    return Read(FLOW_LOG, watcher.child("flowLogs", name))


def _listing(watcher: ResourceId) -> Read:
    return Read(FLOW_LOG, watcher, every=True)


def _target(reference: str, scope: Scope) -> ResourceId:
    return scope.resource(reference, SUBNET.name if "/" in reference else VIRTUAL_NETWORK.name)


def _wanted(spec: FlowLogSpec, scope: Scope) -> LogWant:
    storage = scope.resource(spec.storage, STORAGE_ACCOUNT.name)
    target = _target(spec.target, scope)
    return LogWant(
        Log(target.text, storage.text, spec.enabled, spec.retention_days, spec.format_version), spec.location
    )


def _children(watcher: ResourceId, body: Json) -> Iterator[Child[Log]]:
    if name := json.text_at(body, "name"):
        yield Child(_own(watcher, name).id, log_of(body), being_written(body))


def _is_displaced(wanted: Log, fact: Fact | None) -> bool:
    return isinstance(fact, Gone) or (isinstance(fact, Found) and not same_id(log_of(fact.body).target, wanted.target))


# --- repairs ---------------------------------------------------------------------------------------------------------


def _repair(drift: Drift, wanted: LogWant, have: Children[Log]) -> Edit | Obstacle:
    if drift.path in {(), ("target",)} and (other := _with_target(wanted.log.target, have)):
        message = (
            f"{other.id.name} is the flow log of {wanted.log.target}, which can have one: declare it, or remove it"
        )
        return Obstacle(drift, "target-has-flow-log", message)
    if not drift.path:
        return Edit(drift, (), {"location": wanted.location, "properties": wanted.log.properties})
    path, value = change(drift.path, wanted.log)
    return Edit(drift, path, value)


def _with_target(target: str, have: Children[Log]) -> Child[Log] | None:
    return next((child for child in have.present.values() if same_id(child.value.target, target)), None)


# --- problems of the spec --------------------------------------------------------------------------------------------


def _problems(name: str, log: FlowLogSpec, scope: Scope) -> Iterator[Problem]:
    yield from name_problems(name, "flow log", (name,))
    yield from reference_problems(scope, log.network_watcher, NETWORK_WATCHER.name, (name, "network_watcher"))
    yield from reference_problems(scope, log.storage, STORAGE_ACCOUNT.name, (name, "storage"))
    yield from _target_problems(log.target, scope, (name, "target"))


def _target_problems(reference: str, scope: Scope, path: tuple[str, ...]) -> Iterator[Problem]:
    remedy = "Write VNET, VNET/SUBNET, RESOURCE-GROUP:VNET, or the full id of a virtual network, subnet or interface."
    try:
        target = _target(reference, scope)
    except InvalidResourceId:
        yield Problem(path, f"{reference!r} names no virtual network and no subnet", remedy)
        return
    if target.is_type(NETWORK_SECURITY_GROUP.name):
        message = (
            "flow logs of network security groups cannot be created since 30 June 2025, and end on 30 September 2027"
        )
        yield Problem(path, message, "Declare a VNet flow log: name the virtual network or the subnet instead.")
    elif not any(target.is_type(type_) for type_ in TARGETS):
        yield Problem(path, f"{reference!r} is the id of a {target.type}, which has no flow logs", remedy)
    elif not all(target.names):
        yield Problem(path, f"{reference!r} has an empty name in it", remedy)
