"""What a survey found, in the words of the spec's header."""

from collections.abc import Iterator

from homeostat.adopt.sections.part import reference
from homeostat.adopt.survey import Endpoint, Resource, Survey, backend_of
from homeostat.core import json


def findings(survey: Survey) -> Iterator[str]:
    """One line for each thing that the app depends on."""
    counted = "settings that could not be read" if survey.settings is None else _count(len(survey.settings), "setting")
    yield f"{survey.site.id.short} with {counted}"
    if survey.subnet is not None:
        yield f"subnet {reference(survey.scope, survey.subnet.id)}, which it is joined to"
    if survey.nsg is not None:
        yield f"network security group {_named(survey, survey.nsg)} with {_count(len(_rules(survey.nsg)), 'rule')}"
    if survey.route_table is not None:
        routes = survey.route_table.objects("properties", "routes")
        yield f"route table {_named(survey, survey.route_table)} with {_count(len(routes), 'route')}"
    for log in survey.flow_logs:
        yield f"flow log {log.id.name}"
    for endpoint in survey.endpoints:
        yield f"private endpoint {_named(survey, endpoint.resource)}{_target(survey, endpoint)}"
    for zone in survey.zones:
        yield f"private DNS zone {_named(survey, zone.resource)}, linked to the network"


def _named(survey: Survey, resource: Resource) -> str:
    return reference(survey.scope, resource.id)


def _rules(nsg: Resource) -> tuple[object, ...]:
    return nsg.objects("properties", "securityRules")


def _target(survey: Survey, endpoint: Endpoint) -> str:
    target = backend_of(endpoint.resource)
    if target is None:
        return ""
    return f" to {reference(survey.scope, target)}, {_approval(endpoint.resource)}"


def _approval(endpoint: Resource) -> str:
    for kind in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for connection in endpoint.objects("properties", kind):
            return json.text_at(connection, "properties", "privateLinkServiceConnectionState", "status").lower()
    return "not connected"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
