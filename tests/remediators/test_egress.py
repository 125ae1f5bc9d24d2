"""What rules come to together agrees with looking at every packet, one by one."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediators.egress import PLATFORM_RULES, Address, Packet, allows, deciding, undoing
from remediators.security_rule import Rule, Terms

pytestmark = pytest.mark.unit

ASG = "/subscriptions/s/resourcegroups/g/providers/microsoft.network/applicationsecuritygroups/asg"

SQL, CLOUD = "sql sql.westeurope sql.eastus", "azurecloud azurecloud.westeurope storage storage.westeurope"
TAGS = f"{SQL} {CLOUD}"


def six(tags: str) -> str:
    """Those members of the tags that have IPv6 addresses."""
    return " ".join(f"{tag}@6" for tag in tags.split())


MEMBERS: Mapping[str, frozenset[str]] = {
    term: frozenset(members.split())
    for term, members in {
        "*": "10.0.0.4 10.1.2.3 168.63.129.16 20.1.2.3 20.9.9.9 52.0.0.1 fd00::1 2001:db8::1 "
        f"{TAGS} {six(TAGS)} {ASG} {six(ASG)}",
        "10.0.0.0/8": "10.0.0.4 10.1.2.3",
        "10.1.2.3": "10.1.2.3",
        "20.0.0.0/8": "20.1.2.3 20.9.9.9",
        "20.1.0.0/16": "20.1.2.3",
        "0.0.0.0/0": f"10.0.0.4 10.1.2.3 168.63.129.16 20.1.2.3 20.9.9.9 52.0.0.1 {TAGS} {ASG}",
        "::/0": f"fd00::1 2001:db8::1 {six(TAGS)} {six(ASG)}",
        "fd00::/8": "fd00::1",
        "VirtualNetwork": f"10.0.0.4 10.1.2.3 168.63.129.16 fd00::1 {ASG} {six(ASG)}",
        "Internet": f"20.1.2.3 20.9.9.9 52.0.0.1 2001:db8::1 {TAGS} {six(TAGS)}",
        "AzureLoadBalancer": "168.63.129.16",
        "Sql": f"{SQL} {six(SQL)}",
        "SQL.WestEurope": "sql.westeurope sql.westeurope@6",
        "Sql.EastUS": "sql.eastus sql.eastus@6",
        "Storage": "storage storage.westeurope storage@6 storage.westeurope@6",
        "AzureCloud": f"{TAGS} {six(TAGS)}",
        "AzureCloud.WestEurope": " ".join(
            f"{tag}.westeurope {tag}.westeurope@6" for tag in ("sql", "azurecloud", "storage")
        ),
        ASG: f"{ASG} {six(ASG)}",
    }.items()
}
"""What every term that the random rules use covers of the addresses below, written by hand."""


def address(name: str) -> Address:
    tag, is_six, _ = name.partition("@")
    return Address(tag=tag, version=6) if is_six else Address.of(tag)


def name_of(found: Address) -> str:
    return f"{found}@6" if found.tag and found.version == 6 else str(found)


ADDRESSES = sorted(MEMBERS["*"])
PORTS: Mapping[str, range] = {
    "*": range(65536),
    "443": range(443, 444),
    "400-500": range(400, 501),
    "1433": range(1433, 1434),
}
TRIED_PORTS = (0, 400, 443, 1433)  # one of each class that those tell apart
SOURCE_TERMS = ("*", "10.0.0.0/8", "VirtualNetwork", "Internet")
SOURCES = ("10.0.0.4", "168.63.129.16", "20.1.2.3")  # likewise
PROTOCOLS = ("Tcp", "Udp", "Icmp")


def by_hand(rule: Rule, packet: Packet) -> bool:
    """Whether a rule covers a packet, by the table above."""

    def is_in(terms: Terms, end: Address) -> bool:
        return any(name_of(end) in MEMBERS[term] for term in terms.spelled)

    return (
        rule.direction == packet.direction
        and rule.protocol in {"*", packet.protocol}
        and is_in(rule.source, packet.source)
        and is_in(rule.destination, packet.destination)
        and any(packet.port in PORTS[term] for term in rule.ports.spelled)
        and any(packet.source_port in PORTS[term] for term in rule.source_ports.spelled)
    )


def first(rules: list[tuple[str, Rule]], packet: Packet) -> tuple[str, Rule] | None:
    met = [(name, rule) for name, rule in rules if by_hand(rule, packet)]
    return min(met, key=lambda entry: entry[1].priority, default=None)


terms = st.lists(st.sampled_from(sorted(MEMBERS.keys() - {"*"})), min_size=1, max_size=2, unique=True) | st.just(["*"])
ports = st.lists(st.sampled_from(sorted(PORTS)), min_size=1, max_size=2, unique=True)


@st.composite
def rule_sets(draw: st.DrawFn) -> tuple[dict[str, Rule], dict[str, Rule]]:
    """Some declared and some other rules, each with a priority of its own."""
    found: tuple[dict[str, Rule], dict[str, Rule]] = ({}, {})
    for priority in range(100, 100 + draw(st.integers(1, 7))):
        rule = Rule(
            priority=priority,
            direction=draw(st.sampled_from(["Outbound", "Outbound", "Inbound"])),
            access=draw(st.sampled_from(["Allow", "Deny"])),
            protocol=draw(st.sampled_from(["*", "Tcp", "Udp"])),
            source=Terms.of([draw(st.sampled_from(SOURCE_TERMS))]),
            source_ports=Terms.of([draw(st.sampled_from(["*", "443"]))]),
            destination=Terms.of(draw(terms)),
            ports=Terms.of(draw(ports)),
            description=None,
        )
        found[draw(st.integers(0, 1))][f"rule-{priority}"] = rule
    return found


EVERY_PACKET = [
    Packet(address(destination), port, protocol, address(source), source_port, direction)
    for destination in ADDRESSES
    for source in SOURCES
    for port in TRIED_PORTS
    for protocol in PROTOCOLS
    for source_port in (443, 50000)
    for direction in ("Outbound", "Inbound")
]
"""One of every class that the random rules can tell apart."""


@given(rules=rule_sets(), packet=st.lists(st.sampled_from(EVERY_PACKET), min_size=20, max_size=20))
def test_what_gets_through_agrees_with_a_look_at_every_rule(
    rules: tuple[dict[str, Rule], dict[str, Rule]], packet: list[Packet]
) -> None:
    named = [*rules[0].items(), *rules[1].items()]
    for each in packet:
        expected = first([*named, *(("platform", rule) for rule in PLATFORM_RULES)], each)
        assert expected is not None
        assert deciding([rule for _, rule in named], each) == expected[1]
        assert allows([rule for _, rule in named], each) == (expected[1].access == "Allow")


def undone_by_hand(declared: Mapping[str, Rule], others: Mapping[str, Rule]) -> set[str]:
    """The other rules that decide on some packet otherwise than the declared rules alone, packet by packet."""
    found: set[str] = set()
    ours, everything = list(declared.items()), [*declared.items(), *others.items()]
    for packet in EVERY_PACKET:
        promise, decision = first(ours, packet), first(everything, packet)
        if promise and decision and decision[0] in others and decision[1].access != promise[1].access:
            found.add(decision[0])
    return found


@settings(deadline=None)  # each looks at every packet
@given(rules=rule_sets())
def test_the_rules_that_undo_a_promise_are_those_that_a_look_at_every_packet_finds(
    rules: tuple[dict[str, Rule], dict[str, Rule]],
) -> None:
    declared, others = rules
    found = undoing(declared, others)
    assert set(found) == undone_by_hand(declared, others)
    for name, each in found.items():
        everything = [*declared.values(), *others.values()]
        assert deciding(everything, each.packet) == others[name]
        assert deciding(declared.values(), each.packet) == declared[each.declared]
        assert each.lets_through == (others[name].access == "Allow") == (declared[each.declared].access == "Deny")


@settings(deadline=None)  # each looks at every packet
@given(rules=rule_sets())
def test_without_the_rules_that_undo_it_every_promise_is_kept(rules: tuple[dict[str, Rule], dict[str, Rule]]) -> None:
    declared, others = rules
    while found := undoing(declared, others):
        others = {name: rule for name, rule in others.items() if name not in found}
    assert undone_by_hand(declared, others) == set()


# --- cases that people meet ------------------------------------------------------------------------------------------


def rule(  # a rule in a line
    priority: int,
    access: str,
    destination: str = "*",
    ports: str = "*",
    protocol: str = "*",
    direction: str = "Outbound",
) -> Rule:
    star = Terms.of(["*"])
    goes_to, through = Terms.of([destination]), Terms.of(ports.split())
    return Rule(priority, direction, access, protocol, star, star, goes_to, through, None)


GUIDE = {
    "allow-sql": rule(100, "Allow", ports="1433", protocol="Tcp"),
    "allow-https": rule(120, "Allow", ports="443", protocol="Tcp"),
    "deny-all": rule(4096, "Deny"),
}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(rule(300, "Allow", ports="22"), "lets through what deny-all denies", id="opens a port"),
        pytest.param(rule(300, "Allow"), "lets through what deny-all denies", id="opens all"),
        pytest.param(rule(90, "Deny", ports="1433"), "blocks what allow-sql allows", id="blocks a backend"),
        pytest.param(rule(110, "Deny", "Sql"), "blocks what allow-https allows", id="blocks the second backend"),
        pytest.param(rule(90, "Deny", "Internet", "400-500"), "blocks what allow-https allows", id="blocks a part"),
        pytest.param(rule(3000, "Allow", "AzureCloud.WestEurope"), "lets through", id="opens a region"),
        pytest.param(rule(101, "Allow", "10.0.0.0/8", "1433 1434", "Tcp"), "port 1434", id="opens one port more"),
        pytest.param(rule(110, "Allow", "*", "443", "Udp"), "Udp from", id="opens another protocol"),
    ],
)
def test_a_rule_that_undoes_the_guide_s_is_told_of_in_words(other: Rule, words: str) -> None:
    (found,) = undoing(GUIDE, {"theirs": other}).values()
    assert words in str(found)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(rule(4095, "Deny"), id="denies what is denied"),
        pytest.param(rule(99, "Allow", ports="443", protocol="Tcp"), id="allows what is allowed"),
        pytest.param(rule(110, "Deny", ports="1433", protocol="Tcp"), id="comes too late to block"),
        pytest.param(rule(300, "Deny", ports="443 1433", protocol="Tcp"), id="comes too late to block either"),
        pytest.param(rule(110, "Deny", ports="1433"), id="denies another protocol too, which is denied anyway"),
        pytest.param(rule(90, "Allow", direction="Inbound"), id="another direction"),
    ],
)
def test_a_rule_that_changes_nothing_of_what_is_promised_is_not_told_of(other: Rule) -> None:
    assert undoing(GUIDE, {"theirs": other}) == {}


def test_a_rule_that_is_overshadowed_is_not_told_of_until_its_shadow_is_gone() -> None:
    others = {"wide": rule(200, "Allow", ports="20-30"), "narrow": rule(210, "Allow", ports="22")}
    assert set(undoing(GUIDE, others)) == {"wide"}
    assert set(undoing(GUIDE, {"narrow": others["narrow"]})) == {"narrow"}


def test_several_rules_can_overshadow_one_together() -> None:
    others = {
        "deny-low": rule(200, "Deny", ports="0-30000"),
        "deny-high": rule(210, "Deny", ports="30001-65535"),
        "open": rule(220, "Allow"),
    }
    assert undoing({"deny-all": GUIDE["deny-all"]}, others) == {}


def test_where_nothing_is_declared_nothing_is_promised() -> None:
    assert undoing({}, {"theirs": rule(100, "Deny")}) == {}
    assert undoing({"allow-sql": GUIDE["allow-sql"]}, {"theirs": rule(110, "Deny")}) == {}


def test_a_rule_whose_priority_is_taken_comes_after_its_holder() -> None:
    assert set(undoing({"allow": rule(100, "Allow")}, {"theirs": rule(100, "Deny")})) == {"theirs"}


def test_the_platform_lets_out_to_the_network_and_the_internet_and_nothing_in_from_there() -> None:
    inside, outside = Address.of("10.10.2.4"), Address.of("20.1.2.3")
    assert allows([], Packet(inside, 1433))
    assert allows([], Packet(outside, 443))
    assert not allows([], Packet(inside, 443, source=outside, direction="Inbound"))


def test_a_thousand_rules_are_judged_against_each_other() -> None:
    declared = {f"d{i}": rule(100 + 2 * i, "Allow", f"10.{i % 250}.{i // 250}.0/24", str(1000 + i)) for i in range(499)}
    others = {
        f"o{i}": rule(101 + 2 * i, "Deny" if i % 2 else "Allow", f"10.{i % 250}.0.0/16", f"{900 + i}-{1100 + i}")
        for i in range(500)
    }
    found = undoing({**declared, "deny-all": rule(4096, "Deny")}, others)
    assert len(found) == 250, "those that open ports; what the others deny is denied anyway, or allowed before"
