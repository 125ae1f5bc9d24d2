"""What the backends' providers have in common, and where each differs from the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from simulator.arm import Call, ResourceType, existing, shown
from simulator.cloud import Resource
from simulator.messages import Json, Response
from simulator.operations import Protocol
from simulator.providers.fields import location_of, object_at, text_at
from simulator.providers.private_link import Target

_SECRETS = {"administratorLoginPassword"}  # taken and never shown
_MEMBERS = ("kind", "identity", "sku", "tags")  # of a body beside properties


@dataclass(frozen=True, slots=True)
class Backend:
    """How one provider differs from the others.

    `defaults` are shown where nothing was set; `computed` follows from the resource; `since` hides a property from
    older api-versions. With a `protocol` a write is a long-running operation, answered with `created` or `updated`.
    """

    name: str
    api_versions: tuple[str, ...]
    link: Target | None
    defaults: Json = field(default_factory=dict)
    computed: Callable[[Call, Resource], Json] = lambda _call, _resource: {}
    since: Mapping[str, str] = field(default_factory=dict)
    location: Callable[[str], str] = lambda location: location.lower().replace(" ", "")
    protocol: Protocol | None = None
    created: int = 200
    updated: int = 200
    deleted: int = 200
    accepted_body: bool = False  # a 202 that names the operation in its body
    shown_type: str = ""  # where answers spell the type otherwise
    kind: str = ""

    def put(self, call: Call) -> Response:
        """Create or replace; what a PUT leaves out returns to its default."""
        body = call.body()
        parent = call.parent() if self.name.count("/") > 1 else None
        location = parent.body["location"] if parent is not None else location_of(body)
        before = call.resource
        stored = Resource(before.id if before is not None else call.display_id(), self.name)
        stored.body = {"location": location, "properties": object_at(body, "properties")}
        stored.body |= _members(call, body, before)
        return self._write(call, lambda: call.cloud.put(stored), self.updated if before else self.created)

    def patch(self, call: Call) -> Response:
        """Merge (RFC 7396), tags apart, which are replaced."""
        resource, body = existing(call), call.body()
        given, members = object_at(body, "properties"), _members(call, body, resource)

        def change() -> Resource:
            resource.body.update(members)
            resource.body["properties"] = merged(resource.properties, given)
            call.cloud.touch()
            return resource

        return self._write(call, change, self.updated)

    def delete(self, call: Call) -> Response:
        gone = call.resource
        if gone is None:
            return Response.empty(204)
        if self.protocol is None or self.deleted == 200:
            call.cloud.remove(gone.id)
            return Response.empty(200)
        headers = call.accept(
            self.protocol,
            location=gone.body["location"],
            finish=lambda _: call.cloud.remove(gone.id),
            delete=True,
        )
        return Response.empty(202, headers)

    def render(self, call: Call, resource: Resource) -> Json:
        properties = {**self.defaults, **resource.properties, **self.computed(call, resource)}
        kept = {
            name: value
            for name, value in properties.items()
            if name not in _SECRETS
            and (value != {} or name in self.defaults)
            and self.since.get(name, "") <= call.api_version
        }
        kind = self.shown_type or resource.type
        identifier = resource.id.replace(f"/{self.name}/", f"/{kind}/", 1)
        head = {"id": identifier, "name": resource.name, "type": kind}
        head["location"] = self.location(resource.body["location"])
        if self.kind:
            head["kind"] = self.kind
        return head | {name: resource.body[name] for name in _MEMBERS if name in resource.body} | {"properties": kept}

    def types(self) -> tuple[ResourceType, ...]:
        own = ResourceType(
            name=self.name,
            api_versions=self.api_versions,
            put=self.put,
            patch=self.patch,
            delete=self.delete,
            render=self.render,
            tracked=self.name.count("/") == 1,
            private_link=self.link,
        )
        return (own, *(self.link.types(self.api_versions) if self.link is not None else ()))

    def _write(self, call: Call, change: Callable[[], Resource], status: int) -> Response:
        if self.protocol is None or status == 200:
            return Response.json(status, shown(call, change()))
        location = call.resource.body["location"] if call.resource else text_at(call.body(), "location") or ""
        if status == 201:  # visible at once, and busy
            resource = change()
            result = partial(shown, call, resource)
            headers = call.accept(self.protocol, location=location, root=resource.id, result=result)
            return Response.json(201, shown(call, resource), headers)

        def finish(_: datetime) -> None:
            change()

        headers = call.accept(self.protocol, location=location, finish=finish, result=partial(_result, call))
        if not self.accepted_body:
            return Response.empty(202, headers)
        body = {"operation": "UpsertLogicalServer", "startTime": call.now.isoformat()}
        return Response.json(202, body, headers)


def merged(old: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    base = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        else:
            base[name] = merged(base.get(name), value)
    return base


def _result(call: Call) -> Json | None:
    resource = call.resource
    return shown(call, resource) if resource is not None else None


def _members(call: Call, body: Json, before: Resource | None) -> Json:
    """What a body says beside its properties; a system-assigned identity gets or keeps its principal."""
    members = {member: body[member] for member in _MEMBERS if member in body}
    identity = object_at(body, "identity")
    if "SystemAssigned" in (text_at(identity, "type") or ""):
        known = (before.body.get("identity") or {}) if before is not None else {}
        principal = known.get("principalId") or call.cloud.guid()
        members["identity"] = {**identity, "principalId": principal, "tenantId": call.cloud.tenant}
    return members
