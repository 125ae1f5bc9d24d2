"""What people and other tools do to the place. They use ARM as anybody does: they read, think and write.

A `Change` says what they do. The functions below turn the body that was read into the body to write.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from simulator.cloud import OPERATOR, TENANT, Cloud
from simulator.gateway import handle
from simulator.messages import Headers, Principal, Request, Response
from tests.nights.declared import DELEGATION, RANGE
from tests.nights.place import GROUP, LINK, NSG, ROOTS, SUBNET, TABLE, VNET
from tests.nights.schedule import Change

_WEB, _NETWORK, _DNS = "2025-05-01", "2024-05-01", "2024-06-01"

PEOPLE: Final = {
    "anna": OPERATOR,
    "terraform": Principal(
        name="sp-terraform",
        object_id="00000000-0000-4000-8000-0000000000b7",
        app_id="00000000-0000-4000-8000-0000000000c7",
        tenant_id=TENANT,
    ),
}

WHO_ASKS: Final = "anna"
"""The person who asks for runs, rollbacks, re-tests and approvals."""

type Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind of change is made. `make` turns the body that was read into the body to PUT, or None to delete."""

    path: Callable[[Change], str]
    version: str
    make: Callable[[Body, Change], Body | None]
    method: str = ""  # where it is neither PUT nor DELETE


def _rule(change: Change) -> str:
    return f"{ROOTS[NSG]}/securityRules/{change.name}"


def _group(_: Change) -> str:
    return ROOTS[NSG]


def _table(_: Change) -> str:
    return ROOTS[TABLE]


def _route(change: Change) -> str:
    return f"{ROOTS[TABLE]}/routes/{change.name}"


def _site(change: Change) -> str:
    return ROOTS[change.where]


def _subnet(_: Change) -> str:
    return SUBNET


def _zone(change: Change) -> str:
    return ROOTS[change.where]


def _settings(change: Change) -> str:
    return f"{ROOTS[change.where]}/config/appsettings"


def _link(change: Change) -> str:
    return f"{ROOTS[change.where]}/virtualNetworkLinks/{change.name or LINK}"


def _swap(change: Change) -> str:
    return f"{ROOTS[change.where]}/{change.name}"


def _record(change: Change) -> str:
    return f"{ROOTS[change.where]}/A/{change.name}"


def _integration(change: Change) -> str:
    return f"{ROOTS[change.where]}/networkConfig/virtualNetwork"


def _with_field(body: Body, change: Change) -> Body:
    """A rule with `name=value`. A missing rule is created with that and what else a rule needs."""
    key, _, text = change.value.partition("=")
    value: Any = int(text) if key == "priority" else text
    there = body.get("properties") or _rule_properties("100")
    return {"properties": {**there, key: value}}


def _new_rule(_: Body, change: Change) -> Body:
    return {"properties": _rule_properties(change.value)}


def _rule_properties(priority: str) -> Body:
    return {
        "priority": int(priority),
        "direction": "Outbound",
        "access": "Allow",
        "protocol": "Udp",
        "sourceAddressPrefix": "10.10.1.0/24",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "10.10.9.9",
        "destinationPortRange": "53",
    }


def _tagged(body: Body, change: Change) -> Body:
    """The whole group with a tag, as the portal and Terraform write it."""
    return {**body, "tags": {**(body.get("tags") or {}), change.name: change.value}}


def _untagged(body: Body, change: Change) -> Body:
    return {**body, "tags": {name: value for name, value in (body.get("tags") or {}).items() if name != change.name}}


def _let_go(body: Body, _: Change) -> Body:
    """The subnet without its security group and route table."""
    kept = {
        name: value for name, value in body["properties"].items() if name not in {"networkSecurityGroup", "routeTable"}
    }
    return {"properties": kept}


def _subnetted(body: Body, change: Change) -> Body:
    """The subnet as it is, or recreated, with a service endpoint that tells who wrote it."""
    delegation = {"name": "d", "properties": {"serviceName": DELEGATION}}
    anew: Body = {"addressPrefix": RANGE, "delegations": [] if change.name == "undelegated" else [delegation]}
    return {"properties": {**(body.get("properties") or anew), "serviceEndpoints": [{"service": change.value}]}}


def _located(body: Body, change: Change) -> Body:
    """A recreated container, with a tag that tells who created it."""
    return {"location": "westeurope", "properties": {}, **body, "tags": {"owner": change.value}}


def _global(body: Body, change: Change) -> Body:
    return {**body, "location": "global", "tags": {"owner": change.value}}


def _routed(_: Body, change: Change) -> Body:
    return {"properties": {"addressPrefix": change.value, "nextHopType": "VnetLocal"}}


def _renewed(body: Body, change: Change) -> Body:
    """The whole group with one more rule, as a tool writes it that keeps the group as one document."""
    properties = body.get("properties") or {}
    rules = [each for each in properties.get("securityRules") or () if each["name"] != change.name]
    added = {"name": change.name, "properties": _rule_properties(change.value)}
    return {**body, "properties": {**properties, "securityRules": [*rules, added]}}


def _routed_by(_: Body, change: Change) -> Body:
    return {"properties": {"outboundVnetRouting": {change.name: change.value == "on"}}}


def _set(body: Body, change: Change) -> Body:
    return {"properties": {**(body.get("properties") or {}), change.name: change.value}}


def _unset(body: Body, change: Change) -> Body:
    return {
        "properties": {name: value for name, value in (body.get("properties") or {}).items() if name != change.name}
    }


def _linked(body: Body, change: Change) -> Body:
    """A link with registration=true, or with a tag."""
    there = body.get("properties") or {"virtualNetwork": {"id": VNET}, "registrationEnabled": False}
    key, _, value = change.value.partition("=")
    if key == "registration":
        return {**body, "location": "global", "properties": {**there, "registrationEnabled": value == "true"}}
    return {**body, "location": "global", "properties": there, "tags": {**(body.get("tags") or {}), key: value}}


def _address(_: Body, change: Change) -> Body:
    return {"properties": {"ttl": 300, "aRecords": [{"ipv4Address": change.value}]}}


def _deployment(change: Change) -> str:
    return f"{GROUP}/providers/Microsoft.Resources/deployments/{change.name}"


def _deployed(_body: Body, _change: Change) -> Body:
    return {"properties": {"mode": "Incremental", "template": {"resources": []}}}


def _other(_: Body, change: Change) -> Body:
    return {"targetSlot": change.value, "preserveVnet": True}


def _nothing(_body: Body, _change: Change) -> None:
    return None


WAYS: Final[Mapping[str, Way]] = {
    "rule field": Way(_rule, _NETWORK, _with_field),
    "rule gone": Way(_rule, _NETWORK, _nothing),
    "new rule": Way(_rule, _NETWORK, _new_rule),
    "group tag": Way(_group, _NETWORK, _tagged),
    "no group tag": Way(_group, _NETWORK, _untagged),
    "group with rule": Way(_group, _NETWORK, _renewed),
    "group gone": Way(_group, _NETWORK, _nothing),
    "group made": Way(_group, _NETWORK, _located),
    "table gone": Way(_table, _NETWORK, _nothing),
    "table made": Way(_table, _NETWORK, _located),
    "route": Way(_route, _NETWORK, _routed),
    "route gone": Way(_route, _NETWORK, _nothing),
    "subnet alone": Way(_subnet, _NETWORK, _let_go),
    "subnet gone": Way(_subnet, _NETWORK, _nothing),
    "subnet made": Way(_subnet, _NETWORK, _subnetted),
    "zone gone": Way(_zone, _DNS, _nothing),
    "zone made": Way(_zone, _DNS, _global),
    "setting": Way(_settings, _WEB, _set),
    "no setting": Way(_settings, _WEB, _unset),
    "link": Way(_link, _DNS, _linked),
    "link gone": Way(_link, _DNS, _nothing),
    "record": Way(_record, _DNS, _address),
    "record gone": Way(_record, _DNS, _nothing),
    "deployment": Way(_deployment, "2025-04-01", _deployed),
    "routing": Way(_site, _WEB, _routed_by, "PATCH"),
    "swap": Way(_swap, _WEB, _other, "POST"),
    "leave network": Way(_integration, _WEB, _nothing),
}


@dataclass(frozen=True, slots=True)
class Base:
    """What a person read before thinking."""

    body: Body
    etag: str


def look(cloud: Cloud, who: str, change: Change, now: datetime) -> Base:
    """What the person reads. Something that does not exist reads as an empty body, and the write creates it."""
    way = WAYS[change.what]
    path = way.path(change)
    if path.endswith("/appsettings"):
        answer = _ask(cloud, who, "POST", f"{path}/list", way.version, now, {})
    elif way.make is _nothing or way.method:
        answer = Response(404)
    else:
        answer = _ask(cloud, who, "GET", path, way.version, now)
    if answer.status >= 400:
        return Base({}, "")
    body = answer.parsed()
    return Base(body, answer.headers.get("etag") or body.get("etag") or "")


def act(
    cloud: Cloud, who: str, change: Change, base: Base, now: datetime, *, honest: bool, correlation: str
) -> Response:
    way = WAYS[change.what]
    body = way.make(base.body, change)
    headers = {"x-ms-correlation-request-id": correlation}
    if honest and base.etag:
        headers["if-match"] = base.etag
    method = way.method or ("DELETE" if body is None else "PUT")
    return _ask(cloud, who, method, way.path(change), way.version, now, body, headers)


def _ask(
    cloud: Cloud,
    who: str,
    method: str,
    path: str,
    version: str,
    now: datetime,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    return handle(
        cloud,
        Request(method, path, {"api-version": version}, Headers(headers or {}), content, PEOPLE[who]),
        now,
    )
