"""Documents become targets and roots; whatever is wrong with them is told at once, each with its line and remedy."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, PRIVATE_DNS_ZONE, SITE, SLOT
from homeostat.core.ids import ResourceId
from homeostat.core.model import Mode, Unmanaged
from homeostat.core.source import SpecError
from homeostat.core.spec import Fleet, json_schema, load
from remediators import REGISTRY

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
OTHER_SUBSCRIPTION = "00000000-0000-0000-0000-000000000002"

HEAD = "target: app\nweb_app: app\nresource_group: rg\n"
RULE = "{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}"
OTHER_RULE = RULE.replace("443", "8443")


def fleet(*texts: str) -> Fleet:
    """What the texts declare, as files 0.yaml, 1.yaml and so on."""
    return load({f"{n}.yaml": text for n, text in enumerate(texts)}, REGISTRY, subscription=SUBSCRIPTION)


def problems(*texts: str, subscription: str = SUBSCRIPTION) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load({f"{n}.yaml": text for n, text in enumerate(texts)}, REGISTRY, subscription=subscription)
    return [str(problem) for problem in caught.value.problems]


def document(name: str, body: str = "", mode: str = "enforce") -> str:
    return f"target: {name}\nweb_app: web-{name}\nresource_group: rg\nmode: {mode}\n{body}"


def nsg(rule: str, name: str = "allow", more: str = "", group: str = "rg-net:nsg-shared") -> str:
    return f"nsg_rules:\n  {group}:\n{more}    rules:\n      {name}: {rule}\n"


def resource(type_: str, *names: str, group: str = "rg") -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, group, type_, *names)


SITE_APP = resource(SITE.name, "app")
SHARED_NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-shared", group="rg-net")

# --- what a good spec says ------------------------------------------------------------------------------------------


def test_a_document_is_a_target_with_the_roots_that_it_depends_on() -> None:
    zone = "privatelink.database.windows.net"
    links = f"dns_links:\n  {zone}:\n    links: {{to-hub: {{vnet: vnet-hub}}}}\n"
    declared = fleet(HEAD + "app_settings:\n  settings: {A: 1}\n" + nsg(RULE) + links)
    target = declared.targets["app"]
    assert target.roots == tuple(sorted((SITE_APP, SHARED_NSG, resource(PRIVATE_DNS_ZONE.name, zone))))
    assert set(target.kinds) == {"app_settings", "nsg_rules", "dns_links"}
    assert (target.web_app, str(target.place)) == (SITE_APP, "0.yaml:1")
    assert {root.id: tuple(root.wants) for root in declared.roots.values()}[SITE_APP] == ("app_settings",)


def test_a_slot_is_a_target_of_its_own() -> None:
    slot = HEAD.replace("target: app", "target: app--staging").replace("web_app: app", "web_app: app/staging")
    declared = fleet(HEAD, slot)
    assert list(declared.targets) == ["app", "app--staging"]
    assert declared.targets["app--staging"].web_app == resource(SLOT.name, "app", "staging")


def test_a_change_of_a_slot_does_not_concern_its_site() -> None:
    declared = fleet(HEAD.replace("web_app: app", "web_app: app/staging"))
    slot = resource(SLOT.name, "app", "staging")
    assert (root := declared.route(slot.child("config", "appsettings"))) is not None
    assert root.id == slot
    assert declared.route(SITE_APP) is None


def test_a_change_is_routed_to_its_nearest_declared_ancestor_in_any_spelling() -> None:
    declared = fleet(HEAD + nsg(RULE))
    assert (root := declared.route(ResourceId.parse(f"{SHARED_NSG.text.upper()}/SECURITYRULES/X"))) is not None
    assert root.id == SHARED_NSG
    assert declared.route(resource(NETWORK_SECURITY_GROUP.name, "another")) is None


def test_the_subscription_of_a_document_wins_over_the_one_of_the_environment() -> None:
    declared = fleet(f"{HEAD}subscription: {OTHER_SUBSCRIPTION}\n")
    assert declared.targets["app"].web_app.subscription == OTHER_SUBSCRIPTION


def test_several_documents_can_stand_in_one_file() -> None:
    assert list(fleet(document("b") + "---\n" + document("a")).targets) == ["a", "b"]


def test_nothing_declared_is_an_empty_fleet() -> None:
    assert fleet("") == Fleet()


@pytest.mark.parametrize(
    ("target", "section", "rule", "expected"),
    [
        ("enforce", "", "", Mode.ENFORCE),
        ("alert", "", "", Mode.ALERT),
        ("alert", "enforce", "", Mode.ENFORCE),
        ("ignore", "alert", "enforce", Mode.ENFORCE),
        ("enforce", "enforce", "ignore", Mode.IGNORE),
    ],
)
def test_the_most_specific_mode_wins(target: str, section: str, rule: str, expected: Mode) -> None:
    of_rule = RULE.replace("}", f", mode: {rule}}}") if rule else RULE
    body = nsg(of_rule).replace("nsg_rules:\n", f"nsg_rules:\n  mode: {section}\n" if section else "nsg_rules:\n")
    want = fleet(document("app", body, target)).roots[SHARED_NSG].wants["nsg_rules"]
    assert want.mode_of("allow") is expected


def test_the_mode_of_a_group_wins_over_the_section_and_below_its_rules() -> None:
    body = "nsg_rules:\n  mode: ignore\n  rg-net:nsg-shared:\n    mode: alert\n    rules:\n"
    two = f"      a: {RULE}\n      b: {OTHER_RULE.replace('100', '110').replace('}', ', mode: enforce}')}\n"
    want = fleet(HEAD + body + two).roots[SHARED_NSG].wants["nsg_rules"]
    assert (want.mode_of("a"), want.mode_of("b")) == (Mode.ALERT, Mode.ENFORCE)


# --- what several documents say together ----------------------------------------------------------------------------


def test_equal_declarations_of_a_shared_nsg_become_one_with_both_owners() -> None:
    root = fleet(document("b", nsg(RULE)), document("a", nsg(RULE))).roots[SHARED_NSG]
    declared = root.wants["nsg_rules"].items["allow"]
    assert (root.targets, declared.owners, str(declared.place)) == (("a", "b"), ("a", "b"), "0.yaml:8")


def test_two_targets_can_each_declare_rules_of_a_shared_nsg() -> None:
    root = fleet(document("a", nsg(RULE)), document("b", nsg(OTHER_RULE.replace("100", "110"), "more"))).roots[
        SHARED_NSG
    ]
    owners = {name: item.owners for name, item in root.wants["nsg_rules"].items.items()}
    assert owners == {"allow": ("a",), "more": ("b",)}


def test_conflicting_declarations_are_told_with_both_places() -> None:
    (told,) = problems(document("a", nsg(RULE)), document("b", nsg(OTHER_RULE)))
    assert told.startswith("1.yaml:8: nsg_rules: 'allow' of networkSecurityGroups/nsg-shared is declared otherwise")
    assert "at 0.yaml:8" in told


def test_two_spellings_of_one_name_are_told_with_both_places() -> None:
    """To ARM they are one rule, which would be renamed to and fro."""
    (told,) = problems(document("a", nsg(RULE)), document("b", nsg(RULE, "ALLOW")))
    assert told.startswith("1.yaml:8: nsg_rules: 'ALLOW' of networkSecurityGroups/nsg-shared is spelled 'allow' at 0.")


@pytest.mark.parametrize("spelling", ["rg-net:nsg-shared", "RG-NET:NSG-Shared", SHARED_NSG.text.upper()])
def test_one_resource_in_several_spellings_is_one_root(spelling: str) -> None:
    declared = fleet(document("a", nsg(RULE)), document("b", nsg(RULE, group=spelling)))
    assert declared.roots[SHARED_NSG].targets == ("a", "b")


def test_the_most_cautious_mode_of_several_owners_wins() -> None:
    want = fleet(document("a", nsg(RULE)), document("b", nsg(RULE), "alert")).roots[SHARED_NSG].wants["nsg_rules"]
    assert (want.mode, want.mode_of("allow")) == (Mode.ALERT, Mode.ALERT)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("remove", "keep", Unmanaged.KEEP),
        ("remove", "report", Unmanaged.REPORT),
        ("remove", "remove", Unmanaged.REMOVE),
    ],
)
def test_what_is_unmanaged_is_treated_as_its_most_cautious_owner_asks(
    first: str, second: str, together: Unmanaged
) -> None:
    texts = [document(name, nsg(RULE, more=f"    unmanaged: {it}\n")) for name, it in (("a", first), ("b", second))]
    assert {fleet(*order).roots[SHARED_NSG].wants["nsg_rules"].unmanaged for order in (texts, texts[::-1])} == {
        together
    }


def test_a_section_without_items_still_has_its_policy_for_what_is_unmanaged() -> None:
    want = fleet(HEAD + "app_settings:\n  unmanaged: report\n").roots[SITE_APP].wants["app_settings"]
    assert (want.unmanaged, dict(want.items)) == (Unmanaged.REPORT, {})


def test_a_target_that_is_declared_twice_is_told_with_both_places() -> None:
    (told,) = problems(document("a"), document("a"))
    assert told == "1.yaml:1: target 'a' is already declared at 0.yaml:1. Rename one of the two."


# --- what is wrong --------------------------------------------------------------------------------------------------


def test_five_different_errors_are_told_at_once_each_with_its_line() -> None:
    text = """\
target: app
web_app: app
resource_group: rg
mode: enforced
tags: none
app_settings:
  settings:
    SQL: sql.privatelink.database.windows.net
    SQL: x
nsg_rules:
  nsg-app:
    rules:
      allow: {direction: Outbound, access: Allow, protocol: Tcp, ports: 443}
      deny: {priority: 5000, direction: Outbound, access: Deny, protocol: "*", ports: "*"}
vnet_integration: {subnet: lonely}
"""
    told = problems(text)
    assert [line.partition(" ")[0] for line in told] == [f"0.yaml:{line}:" for line in (4, 5, 8, 9, 13, 14, 15)]


@pytest.mark.parametrize("body", ["mode: enforced\n", "tags: none\n", "vnet_integration: {}\n", "dns_links:\n"])
def test_no_error_of_the_schema_hides_what_a_remediator_has_to_say(body: str) -> None:
    text = HEAD + body + 'app_settings:\n  settings:\n    DB: "Server=x;Password=hunter22;"\n'
    (of_schema, of_secret) = problems(text)
    assert of_schema.startswith("0.yaml:4: ")
    assert of_secret.startswith(f"0.yaml:{text.count('\n')}: the value of DB looks like a secret")


def test_a_document_without_a_name_is_checked_to_its_end() -> None:
    told = problems("web_app: app\nnsg_rules:\n  nsg-app:\n    rules:\n      a: " + RULE.replace("100", "1") + "\n")
    assert [line.partition(":")[2] for line in told] == [
        "1: resource_group: is missing. Add it.",
        "1: target: is missing. For example: `target: app-flask`.",
        "5: priority 1 is out of range. Use 100 to 4096.",
    ]


def test_a_wrong_document_is_still_compared_with_the_others() -> None:
    told = problems(document("a", nsg(RULE)), document("b", nsg(OTHER_RULE) + "tags: x\n"))
    assert [line.partition(" ")[0] for line in told] == ["1.yaml:8:", "1.yaml:9:"]


def test_a_broken_file_does_not_hide_the_others() -> None:
    told = problems("a: [\n", document("b", "tags: x\n"))
    assert [line.partition(":")[0] for line in told] == ["0.yaml", "1.yaml"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD.replace("app\n", "App_1\n", 1), "1: target: must match pattern"),
        (HEAD.replace("web_app: app", "web_app: a/b/c"), "2: web_app: must match pattern"),
        (HEAD.replace("web_app: app", "web_app:"), "2: web_app: must be one text"),
        (HEAD.replace("resource_group: rg", "resource_group: r/g"), "3: resource_group: must match pattern"),
        (HEAD + "subscription: mine\n", "4: subscription: must match pattern"),
        (HEAD + "mode: off\n", "4: mode: must be 'enforce', 'alert' or 'ignore'"),
        (HEAD + "app_setings: {}\n", "4: app_setings: is not a known key. Did you mean `app_settings`?"),
        (HEAD + "app_settings:\n", "4: app_settings: must be a mapping. Indent"),
        (HEAD + "app_settings: []\n", "4: app_settings: must be a mapping"),
        (HEAD + "app_settings:\n  settings:\n", "5: app_settings.settings: must be a mapping"),
        (
            HEAD + "app_settings:\n  unmanaged: drop\n",
            "5: app_settings.unmanaged: must be 'keep', 'report' or 'remove'",
        ),
        (HEAD + "app_settings:\n  settings: {A: [1]}\n", "5: app_settings.settings.A.value: must be one text"),
        (HEAD + "app_settings:\n  settings:\n    A:\n", "6: A has no value."),
        (
            HEAD + "app_settings:\n  settings:\n    A: {secret: maybe}\n",
            "6: app_settings.settings.A.secret: must be true",
        ),
        (HEAD + "vnet_integration: {}\n", "4: vnet_integration.subnet: is missing. Add it."),
        (HEAD + "vnet_integration:\n  subnet: one\n", "5: 'one' names no Microsoft.Network/virtualNetworks/subnets"),
        (
            HEAD + nsg(RULE.replace("100", "high")),
            "7: nsg_rules.rg-net:nsg-shared.rules.allow.priority: must be a whole",
        ),
        (HEAD + nsg(RULE.replace("443", "[]")), "7: is empty. Use a port"),
        (
            HEAD + nsg(RULE.replace("443", "{a: 1}")),
            "7: nsg_rules.rg-net:nsg-shared.rules.allow.ports: must be a value",
        ),
        (HEAD + "dns_links:\n  z: {links: {l: {}}}\n", "5: dns_links.z.links.l.vnet: is missing"),
        ("- a\n- b\n", "1: the document: must be a mapping"),
        ("just text\n", "1: the document: must be a mapping"),
    ],
)
def test_each_kind_of_error_has_its_line_and_its_words(text: str, told: str) -> None:
    (first, *_) = problems(text)
    assert first.startswith(f"0.yaml:{told}")


def test_no_error_repeats_a_value_that_may_be_a_secret() -> None:
    text = HEAD + "mode: hunter2\nsubscription: hunter2\nnsg_rules: hunter2\napp_settings:\n  settings:\n"
    text += "    A: {secret: hunter2}\n    B: {secret: true, value: hunter2}\n    PASSWORD: {valeu: hunter2}\n"
    assert not [line for line in problems(text) if "hunter2" in line]


def test_a_web_app_without_a_subscription_is_told_how_to_name_one() -> None:
    (told,) = problems(HEAD, subscription="")
    assert told.endswith("Add `subscription: ID`, or set AZURE_SUBSCRIPTION_ID.")


def test_a_reference_that_names_nothing_is_told_once_and_at_its_line() -> None:
    (told,) = problems(HEAD + "dns_links:\n  zone.net:\n    links:\n      l: {vnet: a/b}\n")
    assert told.startswith("0.yaml:7: 'a/b' names no Microsoft.Network/virtualNetworks.")


# --- the schema for editors -----------------------------------------------------------------------------------------

SCHEMA = Draft202012Validator(json_schema(REGISTRY))

NIGHTS = 'windows: {nights: {effect: allow, cron: "0 22 * * *", duration: 6h, disruption: restart}}\n'

GOOD = (
    HEAD,
    HEAD + NIGHTS + "approval: required\n",
    HEAD + "windows: {}\nvnet_integration: {subnet: v/s, approval: required}\n",
    HEAD + "mode: alert\nsubscription: 00000000-0000-0000-0000-00000000000F\n",
    HEAD.replace("web_app: app", "web_app: app/staging"),
    HEAD + "app_settings:\n  settings: {A: 1, B: on, C: 1.5, D: '', E: {value: x, mode: ignore}, F: {secret: true}}\n",
    HEAD + "app_settings: {unmanaged: report, mode: alert}\n",
    HEAD + nsg(RULE),
    HEAD + nsg(RULE.replace("443", "[443, '8000-8010']").replace("}", ", source: [10.0.0.0/8, VirtualNetwork]}")),
    HEAD + "dns_links:\n  rg:zone.net: {mode: alert, links: {l: {vnet: rg:v, registration: true}}}\n",
    HEAD + "vnet_integration: {subnet: v/s, mode: ignore}\n",
)
BAD = (
    HEAD.replace("target: app\n", ""),
    HEAD.replace("target: app", "target: App"),
    HEAD.replace("web_app: app", "web_app: a/b/c"),
    HEAD + "mode: off\n",
    HEAD + "tags: x\n",
    HEAD + "windows:\n",
    HEAD + "approval:\n",
    HEAD + "approval: maybe\n",
    HEAD + NIGHTS.replace("6h", "6 hours"),
    HEAD + NIGHTS.replace(", duration: 6h", ""),
    HEAD + "app_settings:\n",
    HEAD + "app_settings: {unmanaged: drop}\n",
    HEAD + "app_settings: {settings: {A: [1]}}\n",
    HEAD + "app_settings: {settings: {A: }}\n",
    HEAD + "app_settings: {settings: {A: {secert: true}}}\n",
    HEAD + nsg(RULE.replace("Allow", "Permit")),
    HEAD + nsg(RULE.replace("100", "99")),
    HEAD + nsg(RULE.replace("443", "[]")),
    HEAD + nsg(RULE.replace("priority: 100, ", "")),
    HEAD + "dns_links: {zone.net: {links: {l: {}}}}\n",
    HEAD + "vnet_integration: {}\n",
    "- a\n",
)


def accepted(text: str) -> bool:
    """By the schema, as an editor reads the text."""
    editors: Any = yaml.safe_load(text)
    return SCHEMA.is_valid(editors)


def test_the_schema_is_a_valid_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize("text", GOOD)
def test_an_editor_accepts_what_is_good(text: str) -> None:
    assert fleet(text).targets
    assert accepted(text)


@pytest.mark.parametrize("text", BAD)
def test_an_editor_refuses_what_is_bad(text: str) -> None:
    assert problems(text)
    assert not accepted(text)


def test_every_key_of_the_schema_says_what_it_is() -> None:
    defined: Any = json_schema(REGISTRY)
    sections = list(defined["$defs"].values())
    silent = [
        f"{section.get('title')}.{name}"
        for section in sections
        for name, key in section.get("properties", {}).items()
        if not (key.get("description") or "$ref" in json.dumps(key))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (
            f"nsg_rules: {{rg-net:nsg: {{rules: {{r: {RULE}}}}}}}",
            f"nsg_rules: {{rg-net:nsg: {{rules: {{q: {OTHER_RULE}}}}}}}",
            "nsg_rules: 'r' has priority 100 of the Outbound rules, as has 'q' at ",
        ),
        (
            "route_table: {rt: {location: w, routes: {r: {address_prefix: 10.0.0.0/8, next_hop_type: Internet}}}}",
            "route_table: {rt: {location: w, routes: {q: {address_prefix: 10.0.0.0/8, next_hop_type: None}}}}",
            "route_table: 'r' has the prefix 10.0.0.0/8, as has 'q' at ",
        ),
        (
            "subnet: {rg-net:vnet/r: {address_prefix: 10.0.1.0/24}}",
            "subnet: {rg-net:vnet/q: {address_prefix: 10.0.0.0/16}}",
            "subnet: 'r' has the range 10.0.1.0/24, which overlaps with 10.0.0.0/16 of 'q' at ",
        ),
    ],
    ids=["nsg_rules", "route_table", "subnet"],
)
def test_what_targets_declare_of_a_shared_root_and_azure_does_not_take_together_is_told(
    one: str, other: str, told: str
) -> None:
    """Azure refuses such a group whole, and so every repair of it, whoever declared what is to be repaired."""
    (found,) = problems(document("a", one), document("b", other))
    assert found.startswith(f"0.yaml:5: {told}1.yaml:5."), found


def test_what_one_target_declares_twice_is_told_once() -> None:
    rules = "r: {priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 1}"
    again = f"nsg_rules: {{rg-net:nsg: {{rules: {{{rules}, q{rules[1:]}}}}}}}"
    assert len(problems(document("a", again), document("b", again))) == 2  # one in each document
