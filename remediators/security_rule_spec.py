"""A security rule as a spec declares it: its fields, what can be wrong with them, and the rule that they mean.

What the schema cannot express is checked here, with messages in the spec's own terms, before ARM would refuse it.
https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.model import Mode, Problem, Section
from homeostat.core.scalars import OneOrMany, Scalar
from remediators.common import is_service_tag, name_problems
from remediators.security_rule import Rule, Terms, is_group

APPLICATION_SECURITY_GROUP = "Microsoft.Network/applicationSecurityGroups"
PRIORITIES = range(100, 4097)
DESCRIPTION_LIMIT = 140

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def _capitalised(written: object) -> object:
    return written.capitalize() if isinstance(written, str) else written


class RuleSpec(Section):
    """One security rule."""

    priority: int = Field(
        description="Lower goes first; unique among the NSG's rules of a direction.",
        json_schema_extra={"minimum": PRIORITIES.start, "maximum": PRIORITIES.stop - 1},
    )
    direction: Annotated[Literal["Inbound", "Outbound"], BeforeValidator(_capitalised)] = Field(
        description="Outbound is what the app sends, Inbound what it is sent."
    )
    access: Annotated[Literal["Allow", "Deny"], BeforeValidator(_capitalised)] = Field(
        description="What happens to traffic that the rule meets."
    )
    protocol: Annotated[Literal["Tcp", "Udp", "Icmp", "Esp", "Ah", "*"], BeforeValidator(_capitalised)] = Field(
        description="`*` is any."
    )
    source: OneOrMany = Field(
        default=("*",),
        description="A prefix, a service tag, `*`, the id of an application security group; or a list of them.",
        examples=["*", "VirtualNetwork", ["10.10.1.0/24", "10.10.2.0/24"]],
    )
    source_ports: OneOrMany = Field(default=("*",), description="A port, a range, `*`, or a list of them.")
    destination: OneOrMany = Field(default=("*",), description="As source.", examples=["Sql.WestEurope", "Internet"])
    ports: OneOrMany = Field(description="The destination's ports, as source_ports.", examples=[1433, "6380-6389"])
    description: Scalar | None = Field(
        default=None,
        description="Owned only where it is given.",
        json_schema_extra={"maxLength": DESCRIPTION_LIMIT},
    )
    mode: Mode | None = Field(default=None, description="Wins over the NSG's mode.")


def rule_from(spec: RuleSpec) -> Rule:
    return Rule(
        priority=spec.priority,
        direction=spec.direction,
        access=spec.access,
        protocol=spec.protocol,
        source=Terms.of(spec.source),
        source_ports=Terms.of(spec.source_ports),
        destination=Terms.of(spec.destination),
        ports=Terms.of(spec.ports),
        description=spec.description,
    )


def rule_problems(name: str, rule: RuleSpec, path: tuple[str, ...]) -> Iterator[Problem]:
    yield from name_problems(name, "security rule", path)
    if rule.priority not in PRIORITIES:
        yield Problem((*path, "priority"), f"priority {rule.priority} is out of range", "Use 100 to 4096.")
    if rule.description is not None and len(rule.description) > DESCRIPTION_LIMIT:
        message = f"the description has {len(rule.description)} characters, more than {DESCRIPTION_LIMIT}"
        yield Problem((*path, "description"), message, "Shorten it.")
    for key, terms in (("source_ports", rule.source_ports), ("ports", rule.ports)):
        yield from _term_problems((*path, key), terms, _is_ports, "Use a port (0-65535), a range (80-90), or `*`.")
    for key, terms in (("source", rule.source), ("destination", rule.destination)):
        remedy = "Use an address, a CIDR prefix, a service tag, `*`, or the id of an application security group."
        yield from _term_problems((*path, key), terms, _is_address, remedy)
        if len({is_group(term) for term in terms}) > 1:
            message = "prefixes and application security groups stand together"
            yield Problem((*path, key), message, "Split the rule in two.")


def _term_problems(
    path: tuple[str, ...], terms: tuple[str, ...], valid: Callable[[str], bool], remedy: str
) -> Iterator[Problem]:
    if not terms:
        yield Problem(path, "is empty", remedy)
    if len(terms) > 1 and "*" in terms:
        yield Problem(path, "`*` stands among others", "Write `*` alone, or leave it out.")
    for term in terms:
        if not valid(term):
            yield Problem(path, f"{term!r} is not valid here", remedy)


def _is_ports(term: str) -> bool:
    if term == "*":
        return True
    if not (found := _PORTS.fullmatch(term)):
        return False
    low, high = int(found[1]), int(found[2] or found[1])
    return low <= high <= 65535


def _is_address(term: str) -> bool:
    if is_group(term):
        try:
            return ResourceId.parse(term).is_type(APPLICATION_SECURITY_GROUP)
        except InvalidResourceId:
            return False
    if term == "*" or is_service_tag(term):
        return True
    try:
        ip_interface(term)
    except ValueError:
        return False
    return True
