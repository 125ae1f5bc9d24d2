"""Network security groups and their rules."""

import re
from ipaddress import ip_network
from typing import Any

from simulator.arm import Call, ResourceType
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bad_request, network_body
from simulator.ids import parent_of
from simulator.messages import Json, Response
from simulator.providers.network import nrp

GROUP = "Microsoft.Network/networkSecurityGroups"
RULE = f"{GROUP}/securityRules"
DEFAULT_RULE = f"{GROUP}/defaultSecurityRules"
SUBNET = "Microsoft.Network/virtualNetworks/subnets"

_PAIRS = (
    ("sourcePortRange", "sourcePortRanges"),
    ("destinationPortRange", "destinationPortRanges"),
    ("sourceAddressPrefix", "sourceAddressPrefixes"),
    ("destinationAddressPrefix", "destinationAddressPrefixes"),
)
_APPLICATION_GROUPS = ("sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups")
_PROTOCOLS = {"tcp", "udp", "icmp", "esp", "ah", "*"}
_SERVICE_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*$")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?$")
_LONGEST_DESCRIPTION = 140


def _default(name: str, text: str, priority: int, direction: str, access: str, source: str, destination: str) -> Json:
    return {
        "name": name,
        "description": text,
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": destination,
        "access": access,
        "priority": priority,
        "direction": direction,
    }


_VNET, _BALANCER = "VirtualNetwork", "AzureLoadBalancer"
_DEFAULTS = (
    _default("AllowVnetInBound", "Allow inbound traffic from all VMs in VNET", 65000, "Inbound", "Allow", _VNET, _VNET),
    _default(
        "AllowAzureLoadBalancerInBound",
        "Allow inbound traffic from azure load balancer", 65001, "Inbound", "Allow", _BALANCER, "*",
    ),
    _default("DenyAllInBound", "Deny all inbound traffic", 65500, "Inbound", "Deny", "*", "*"),
    _default(
        "AllowVnetOutBound",
        "Allow outbound traffic from all VMs to all VMs in VNET", 65000, "Outbound", "Allow", _VNET, _VNET,
    ),
    _default(
        "AllowInternetOutBound",
        "Allow outbound traffic from all VMs to Internet", 65001, "Outbound", "Allow", "*", "Internet",
    ),
    _default("DenyAllOutBound", "Deny all outbound traffic", 65500, "Outbound", "Deny", "*", "*"),
)  # fmt: skip


# --- rules


def rule_properties(given: Json, rule_id: str) -> Json:
    """A rule as stored: validated, `access` and `direction` in Azure's casing, one of singular and plural a pair."""
    stored: Json = {}
    description = given.get("description")
    if description and len(description) > _LONGEST_DESCRIPTION:
        message = f"Security rule {rule_id} has invalid description. Value should not exceed 140 characters."
        raise bad_request("SecurityRuleInvalidDescription", message)
    if description:
        stored["description"] = description
    stored["protocol"] = _protocol(given, rule_id)
    for single, plural in _PAIRS:
        _take_pair(stored, given, single, plural, rule_id)
    stored["access"] = _one_of(given, "access", ("Allow", "Deny"), rule_id)
    stored["priority"] = _priority(given, rule_id)
    stored["direction"] = _one_of(given, "direction", ("Inbound", "Outbound"), rule_id)
    for name in _APPLICATION_GROUPS:
        if given.get(name):
            stored[name] = [{"id": each["id"]} for each in given[name]]
    return stored


def _protocol(given: Json, rule_id: str) -> str:
    protocol = str(given.get("protocol") or "")
    if protocol.lower() not in _PROTOCOLS:
        message = f"Security rule {rule_id} has invalid Protocol. Value provided: '{protocol}'."
        raise bad_request("SecurityRuleInvalidProtocol", message)
    return protocol


def _one_of(given: Json, name: str, allowed: tuple[str, ...], rule_id: str) -> str:
    wanted = str(given.get(name) or "").lower()
    for value in allowed:
        if value.lower() == wanted:
            return value
    title = name.capitalize()
    message = f"Security rule {rule_id} has invalid {title}. Value provided: '{given.get(name)}'."
    raise bad_request(f"SecurityRuleInvalid{title}", message)


def _priority(given: Json, rule_id: str) -> int:
    priority = given.get("priority")
    if isinstance(priority, int) and not isinstance(priority, bool) and 100 <= priority <= 4096:
        return priority
    message = f"Security rule {rule_id} has invalid Priority. Value provided: {priority}. Allowed range 100-4096."
    raise bad_request("SecurityRuleInvalidPriority", message)


def _take_pair(stored: Json, given: Json, single: str, plural: str, rule_id: str) -> None:
    one, many = given.get(single), given.get(plural) or []
    checks = _check_ports if "Port" in single else _check_prefix
    for value in [one] if one else many:
        checks(value, rule_id)
    if one and many:
        message = (
            f"Security rule with Id {rule_id} cannot specify both {single[0].upper()}{single[1:]} and "
            f"{plural[0].upper()}{plural[1:]} parameters."
        )
        raise bad_request("SecurityRuleParameterConflict", message)
    if one:
        stored[single] = one
    elif many:
        stored[plural] = list(many)
    elif not any(given.get(name) for name in _APPLICATION_GROUPS if name.startswith(single[:6])) or "Port" in single:
        message = (
            f"Required security rule parameters are missing for security rule with Id: {rule_id}. Security rule must "
            f"specify either {single[0].upper()}{single[1:]} or {plural[0].upper()}{plural[1:]}."
        )
        raise bad_request("SecurityRuleParameterNotSpecified", message)


def _check_ports(value: Any, rule_id: str) -> None:
    text = str(value)
    match = _PORTS.match(text)
    if text == "*":
        return
    if match is not None:
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last <= 65535:
            return
    message = (
        f"Security rule {rule_id} has invalid Port range. Value provided: {text}. Value should be an integer OR "
        "integer range with '-' delimiter. Valid range 0-65535."
    )
    raise bad_request("SecurityRuleInvalidPortRange", message)


def _check_prefix(value: Any, rule_id: str) -> None:
    text = str(value)
    if text == "*" or text.isdecimal() or _SERVICE_TAG.match(text):  # a number is an IPv4 address to Azure
        return
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        message = f"Security rule {rule_id} has invalid Address prefix. Value provided: {text}"
        raise bad_request("SecurityRuleInvalidAddressPrefix", message) from error


def _check_unique(rules: list[tuple[str, Json]]) -> None:
    """400 SecurityRuleConflict when two rules of a direction have one priority."""
    seen: dict[tuple[str, int], str] = {}
    for name, rule in rules:
        other = seen.setdefault((rule["direction"], rule["priority"]), name)
        if other != name:
            message = (
                f"Security rule {name} conflicts with rule {other}. Rules cannot have the same Priority and Direction."
            )
            raise bad_request("SecurityRuleConflict", message)


def _show_rule(call: Call, rule: Resource) -> Json:
    return nrp.view(call.cloud, rule, _rule_view(rule.properties))


def _rule_view(stored: Json) -> Json:
    plurals = {plural: stored.get(plural, []) for _, plural in _PAIRS}
    return {**{key: value for key, value in stored.items() if key not in plurals}, **plurals}


def _put_rule(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    rule_id = existing.id if existing is not None else call.display_id()
    properties = rule_properties(nrp.properties_of(call.body()), rule_id)
    siblings = call.cloud.children(parent_of(rule_id), RULE)
    others = [(each.name, each.properties) for each in siblings if each.key != rule_id.lower()]
    _check_unique([*others, (call.address.name, properties)])
    changed = existing is None or existing.properties != properties
    rule = existing or call.cloud.put(Resource(rule_id, RULE))
    rule.body["properties"] = properties
    return nrp.written(call, rule, _show_rule, created=existing is None, changed=changed)


def _delete_rule(call: Call) -> Response:
    return nrp.deleted(call, check=lambda _: None, finish=lambda rule: call.cloud.remove(rule.id))


# --- groups


def subnets_of(cloud: Cloud, member: str, resource_id: str) -> list[Resource]:
    """The subnets whose `member` (networkSecurityGroup or routeTable) is this resource."""
    wanted = resource_id.lower()
    found = cloud.of_type(SUBNET)
    return [each for each in found if (each.properties.get(member) or {}).get("id", "").lower() == wanted]


def _show_group(call: Call, group: Resource) -> Json:
    rules = [_show_rule(call, each) for each in call.cloud.children(group.id, RULE)]
    shown: Json = {"resourceGuid": group.properties["resourceGuid"], "securityRules": rules}
    shown["defaultSecurityRules"] = [_show_default(call, group, each) for each in _DEFAULTS]
    subnets = subnets_of(call.cloud, "networkSecurityGroup", group.id)
    if subnets:
        shown["subnets"] = [{"id": each.id} for each in subnets]
    logs = flow_logs_of(call.cloud, group.id)
    if logs:
        shown["flowLogs"] = logs
    return nrp.view(call.cloud, group, shown)


def flow_logs_of(cloud: Cloud, target_id: str) -> list[Json]:
    """References to the flow logs of a target."""
    found = cloud.of_type("Microsoft.Network/networkWatchers/flowLogs")
    wanted = target_id.lower()
    return [{"id": each.id} for each in found if each.properties["targetResourceId"].lower() == wanted]


def _show_default(call: Call, group: Resource, rule: Json) -> Json:
    stored = {key: value for key, value in rule.items() if key != "name"}
    return {
        "name": rule["name"],
        "id": f"{group.id}/defaultSecurityRules/{rule['name']}",
        "etag": nrp.tag(call.cloud, group),
        "type": DEFAULT_RULE,
        "properties": {"provisioningState": group.provisioning, **_rule_view(stored)},
    }


def _put_group(call: Call) -> Response:
    nrp.guard(call)
    existing = call.resource
    body = call.body()
    given = nrp.list_of(nrp.properties_of(body), "securityRules") or []
    head = nrp.envelope_of(call, body, existing)
    group_id = existing.id if existing is not None else call.display_id()
    rules = [_rule_of(each, group_id) for each in given]
    _check_unique([(rule.name, rule.properties) for rule in rules])
    before = [(each.id, each.properties) for each in call.cloud.children(group_id, RULE)]
    guid = existing.properties["resourceGuid"] if existing is not None else call.cloud.guid()
    group = existing or call.cloud.put(Resource(group_id, GROUP))
    group.body = {**head, "properties": {"resourceGuid": guid}}
    for rule_id, _ in before:
        call.cloud.remove(rule_id)
    for rule in rules:
        call.cloud.put(rule)
    changed = existing is None or before != [(each.id, each.properties) for each in rules]
    return nrp.written(call, group, _show_group, created=existing is None, changed=changed, family=rules)


def _rule_of(given: Json, group_id: str) -> Resource:
    name = given.get("name")
    if not name:
        raise ArmError(400, "InvalidRequestFormat", "Cannot parse the request.", details=[_NAMELESS])
    rule_id = f"{group_id}/securityRules/{name}"
    return Resource(rule_id, RULE, {"properties": rule_properties(nrp.properties_of(given), rule_id)})


_NAMELESS = {"code": "MissingName", "message": "A security rule has no name."}


def _check_unused(call: Call, group: Resource) -> None:
    users = subnets_of(call.cloud, "networkSecurityGroup", group.id)
    if users:
        message = (
            f"Network security group {group.id} cannot be deleted because it is in use by the following resources: "
            f"{', '.join(each.id for each in users)}. In order to delete the Network security group, remove the "
            "association with the resource(s). To learn how to do this, see aka.ms/deletensg."
        )
        raise bad_request("InUseNetworkSecurityGroupCannotBeDeleted", message)


def _delete_group(call: Call) -> Response:
    return nrp.deleted(
        call,
        check=lambda group: _check_unused(call, group),
        finish=lambda group: call.cloud.remove(group.id),
    )


# --- default rules, which are nowhere stored


def _group_of_default(call: Call) -> Resource:
    parent = call.address.path.lower().partition("/defaultsecurityrules")[0]
    group = call.cloud.get(parent)
    assert group is not None  # the gateway has looked
    return group


def _get_default(call: Call) -> Response:
    group = _group_of_default(call)
    for rule in _DEFAULTS:
        if rule["name"].lower() == call.address.name.lower():
            return Response.json(200, _show_default(call, group, rule), {"etag": nrp.tag(call.cloud, group)})
    raise nrp.child_not_found(call.id)


def _list_defaults(call: Call) -> Response:
    group = _group_of_default(call)
    return Response.json(200, {"value": [_show_default(call, group, each) for each in _DEFAULTS]})


TYPES = (
    ResourceType(
        name=GROUP,
        api_versions=nrp.VERSIONS,
        get=nrp.get_root,
        put=_put_group,
        patch=nrp.patch_tags,
        delete=_delete_group,
        render=_show_group,
        error_body=network_body,
        tracked=True,
    ),
    ResourceType(
        name=RULE,
        api_versions=nrp.VERSIONS,
        get=nrp.get_child,
        put=_put_rule,
        delete=_delete_rule,
        render=_show_rule,
        error_body=network_body,
    ),
    ResourceType(
        name=DEFAULT_RULE,
        api_versions=nrp.VERSIONS,
        get=_get_default,
        list=_list_defaults,
        error_body=network_body,
    ),
)
