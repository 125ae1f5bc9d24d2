"""A tiny ARM for the remediators' tests: resource bodies, what a read of them says, and what a write makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from homeostat.core import json
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import ARM_TYPES, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import AnyRemediator, Drift, Edit, Fact, Facts, Found, Gone, Obstacle, Read, Unreadable, Want
from homeostat.core.plan import Action, Verb, merge

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"

type World = Mapping[ResourceId, Json]
"""The bodies of resources; children that their parent's body embeds stand only there."""


def resource(type_: str, *names: str, group: str = "rg-flask") -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, group, type_, *names)


def body_of(id_: ResourceId, properties: Json, **envelope: Json) -> dict[str, Json]:
    return {"id": id_.text, "name": id_.name, "type": id_.type, **envelope, "properties": properties}


def answer(world: World, read: Read) -> Fact:
    """What ARM says to a read."""
    if read.every:
        found = [body for id_, body in world.items() if id_.parent == read.id and id_.is_type(read.type.name)]
        return Found({"value": found})
    if read.id in world:
        return Found(world[read.id], "etag")
    parent = read.id.parent
    if read.type.embedded and parent is not None and parent in world:
        for child in json.objects_at(world[parent], *read.type.embedded):
            if json.text_at(child, "name").lower() == read.id.name.lower():
                return Found(child, "etag")
    return Gone()


def gather(remediator: AnyRemediator, want: Want[Any], world: World, refused: ArmError | None = None) -> Facts:
    """All facts that a remediator asks for; every read fails with `refused` where that is given."""
    facts: dict[Read, Fact] = {}
    for _ in range(4):
        asked = {read for read in remediator.reads(want, facts) - facts.keys() if isinstance(read, Read)}
        facts |= {read: Unreadable(refused) if refused else answer(world, read) for read in asked}
    assert remediator.reads(want, facts) <= facts.keys(), "reads must come to an end within four stages"
    return facts


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a world yields."""

    drifts: tuple[Drift, ...]
    answers: tuple[Edit | Obstacle, ...]
    facts: Facts

    @property
    def edits(self) -> tuple[Edit, ...]:
        return tuple(entry for entry in self.answers if isinstance(entry, Edit))

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        return tuple(entry for entry in self.answers if isinstance(entry, Obstacle))


def look(remediator: AnyRemediator, want: Want[Any], world: World, refused: ArmError | None = None) -> Look:
    facts = gather(remediator, want, world, refused)
    have = remediator.observe(want, facts)
    return Look(remediator.diff(want, have), remediator.edits(want, have), facts)


def healed(world: World, seen: Look) -> World:
    """The world after everything that the look found has been repaired."""
    for action in merge(seen.edits, seen.facts):
        world = carried_out(world, action)
    return world


def carried_out(world: World, action: Action) -> World:
    """The world after one write: what is left out of a PUT is gone, what only the server sets is kept."""
    action = replace(action, body=json.revealed(action.body))
    id_ = action.resource
    if id_.is_type("Microsoft.Web/sites/networkConfig") or id_.is_type("Microsoft.Web/sites/slots/networkConfig"):
        site = id_.parent
        assert site is not None
        subnet = json.text_at(action.body, "properties", "subnetResourceId")
        return {**world, site: json.with_value(world[site], ("properties", "virtualNetworkSubnetId"), subnet)}
    if action.type.embedded:
        return _with_child(world, action)
    if action.verb is Verb.DELETE:
        return {key: body for key, body in world.items() if key != id_}
    if action.verb is Verb.PATCH:
        return {**world, id_: merged(world[id_], action.body)}
    return {**world, id_: _as_stored(world.get(id_, {}), action.body, action)}


def merged(body: Json, patch: Json) -> Json:
    """JSON merge patch (RFC 7396), which takes members away by null."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(body) if isinstance(body, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _with_child(world: World, action: Action) -> World:
    parent = action.resource.parent
    assert parent is not None
    children: list[Json] = []
    pending = action.verb is Verb.PUT
    for child in json.objects_at(world[parent], *action.type.embedded):
        if json.text_at(child, "name").lower() != action.resource.name.lower():
            children.append(child)
        elif action.verb is Verb.PUT:
            children.append(_as_stored(child, action.body, action))
            pending = False
    if pending:
        children.append(_as_stored({}, action.body, action))
    return {**world, parent: json.with_value(world[parent], action.type.embedded, children)}


def _as_stored(before: Json, sent: Json, action: Action) -> Json:
    """The server keeps its own members and gives every embedded child its id and name."""
    assert isinstance(before, Mapping)
    assert isinstance(sent, Mapping)
    kept = {key: value for key, value in before.items() if key in {"id", "name", "type", "etag", "location", "kind"}}
    own = {"id": action.resource.text, "name": action.resource.name, "type": action.resource.type}
    stored: Json = {**own, **kept, **sent}
    for name in action.type.read_only:
        if (value := json.at(before, ("properties", name))) is not json.ABSENT:
            stored = json.with_value(stored, ("properties", name), value)
    for row in ARM_TYPES.values():
        if row.embedded and row.name.rpartition("/")[0] == action.type.name:
            stood = {json.text_at(child, "name"): child for child in json.objects_at(before, *row.embedded)}
            sent_children = json.objects_at(stored, *row.embedded)
            children = [
                _embedded(action.resource, row, child, stood.get(json.text_at(child, "name"), {}))
                for child in sent_children
            ]
            stored = json.with_value(stored, row.embedded, children) if children else stored
    if connections := json.objects_at(stored, *_CONNECTIONS):  # which their backend approves by itself
        approved = [json.with_value(each, _CONNECTION_STATUS, "Approved") for each in connections]
        stored = json.with_value(stored, _CONNECTIONS, approved)
    return stored


_CONNECTIONS = ("properties", "privateLinkServiceConnections")
_CONNECTION_STATUS = ("properties", "privateLinkServiceConnectionState", "status")


def _embedded(parent: ResourceId, row: ArmType, sent: Json, before: Json) -> Json:
    id_ = parent.child(row.collection, json.text_at(sent, "name"))
    child: Json = {"id": id_.text, "type": id_.type, **(sent if isinstance(sent, Mapping) else {})}
    for name in row.read_only:
        if (value := json.at(before, ("properties", name))) is not json.ABSENT:
            child = json.with_value(child, ("properties", name), value)
    return json.with_value(child, ("properties", "provisioningState"), "Succeeded")


def reversed_everywhere(body: Json) -> Json:
    """The same body with every object's members and every list's elements in the opposite order."""
    if isinstance(body, Mapping):
        return {key: reversed_everywhere(body[key]) for key in reversed(list(body))}
    if isinstance(body, list | tuple):
        return [reversed_everywhere(item) for item in reversed(body)]
    return body
