"""The sections about the subnet that the app is joined to, and about what filters, routes and logs its traffic."""

from homeostat.adopt.sections.part import Part, properties_at, reference, reference_of, texts_at
from homeostat.adopt.survey import Resource, Survey
from homeostat.core import json
from homeostat.core.json import Json, JsonObject
from remediators.security_rule import Terms, rule_of


def subnet(survey: Survey) -> Part:
    if survey.subnet is None:
        return Part()
    found, scope = survey.subnet, survey.scope
    name = reference(scope, found.id)
    prefixes = texts_at(found.body, "properties", "addressPrefixes")
    prefix = found.text("properties", "addressPrefix") or (prefixes[0] if len(prefixes) == 1 else "")
    if not prefix:
        return Part(left_out=(f"subnet {name}: it has {len(prefixes)} address prefixes, and a spec declares one",))
    section: dict[str, Json] = {"address_prefix": prefix}
    delegations = [json.text_at(it, "properties", "serviceName") for it in found.objects("properties", "delegations")]
    if delegations:
        section["delegation"] = delegations[0]
    for key, member in (("nsg", "networkSecurityGroup"), ("route_table", "routeTable")):
        if association := found.text("properties", member, "id"):
            section[key] = reference_of(scope, association)
    services = [json.text_at(it, "service") for it in found.objects("properties", "serviceEndpoints")]
    if services:
        section["service_endpoints"] = services
    return Part({name: {**section, "recreate": False}})


def nsg(survey: Survey) -> Part:
    if survey.nsg is None:
        why = "nsg, nsg_rules: the integration subnet has no network security group"
        return Part(left_out=(why,) if survey.subnet else ())
    name = reference(survey.scope, survey.nsg.id)
    return Part({name: {"location": survey.nsg.text("location"), "recreate": False}})


def nsg_rules(survey: Survey) -> Part:
    if survey.nsg is None:
        return Part()
    found = [(json.text_at(it, "name"), it) for it in survey.nsg.objects("properties", "securityRules")]
    ordered = sorted(found, key=lambda rule: (_rule_order(rule[1]), rule[0]))
    rules: dict[str, Json] = {name: _rule(body) for name, body in ordered if name}
    return Part({reference(survey.scope, survey.nsg.id): {"rules": rules}} if rules else {})


def _rule_order(body: JsonObject) -> tuple[str, int]:
    rule = rule_of(properties_at(body))
    return rule.direction, rule.priority


def _rule(body: JsonObject) -> JsonObject:
    rule = rule_of(properties_at(body))
    written: dict[str, Json] = {
        "priority": rule.priority,
        "direction": rule.direction,
        "access": rule.access,
        "protocol": rule.protocol,
    }
    for key, terms in (("source", rule.source), ("source_ports", rule.source_ports), ("destination", rule.destination)):
        if terms.key != {"*"}:
            written[key] = _terms(terms)
    written["ports"] = _terms(rule.ports)
    if rule.description:
        written["description"] = rule.description
    return written


def _terms(terms: Terms) -> Json:
    return terms.spelled[0] if len(terms.spelled) == 1 else list(terms.spelled)


def route_table(survey: Survey) -> Part:
    if survey.route_table is None:
        return Part(left_out=("route_table: the integration subnet has none",) if survey.subnet else ())
    table = survey.route_table
    section: dict[str, Json] = {"location": table.text("location"), "recreate": False}
    if json.at(table.body, ("properties", "disableBgpRoutePropagation")) is True:
        section["disable_bgp_route_propagation"] = True
    routes: dict[str, Json] = {json.text_at(it, "name"): _route(it) for it in table.objects("properties", "routes")}
    if routes:
        section["routes"] = routes
    return Part({reference(survey.scope, table.id): section})


def _route(body: JsonObject) -> JsonObject:
    hop = json.text_at(body, "properties", "nextHopIpAddress")
    route: dict[str, Json] = {
        "address_prefix": json.text_at(body, "properties", "addressPrefix"),
        "next_hop_type": json.text_at(body, "properties", "nextHopType"),
    }
    return {**route, "next_hop_ip": hop} if hop else route


def flow_logs(survey: Survey) -> Part:
    if not survey.flow_logs:
        return Part(left_out=("flow_logs: the network has none",) if survey.vnet else ())
    scope = survey.scope
    section: dict[str, Json] = {}
    left_out: list[str] = []
    for log in survey.flow_logs:
        watcher = log.id.parent
        assert watcher is not None, "a flow log is a network watcher's"
        target = log.text("properties", "targetResourceId")
        if "/networksecuritygroups/" in target.lower():
            left_out.append(f"flow log {log.id.name}: NSG flow logs can no longer be created")
        elif log.id.name in section:
            left_out.append(f"flow log {log.id.name} of {watcher.name}: another watcher's has the same name")
        else:
            section[log.id.name] = {
                "network_watcher": reference(scope, watcher),
                "target": reference_of(scope, target),
                "storage": reference_of(scope, log.text("properties", "storageId")),
                **_flow_log(log),
            }
    return Part(section, left_out=tuple(left_out))


def _flow_log(log: Resource) -> JsonObject:
    found: dict[str, Json] = {"enabled": json.at(log.body, ("properties", "enabled")) is True}
    days = json.at(log.body, ("properties", "retentionPolicy", "days"))
    if isinstance(days, int) and json.at(log.body, ("properties", "retentionPolicy", "enabled")) is True:
        found["retention_days"] = days
    version = json.at(log.body, ("properties", "format", "version"))
    if isinstance(version, int):
        found["format_version"] = version
    return {**found, "location": log.text("location")}
