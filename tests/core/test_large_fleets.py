"""Ten thousand targets: joined and told apart as two are, in time and memory that grow with what differs."""

import pytest

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE
from homeostat.core.ids import ResourceId
from homeostat.core.selectors import SelectedApp
from homeostat.core.source import SpecError
from homeostat.core.spec import Specs
from remediators import REGISTRY

pytestmark = pytest.mark.unit

MANY = 10_000
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
HUB = ResourceId.of(SUBSCRIPTION, "rg-hub", NETWORK_SECURITY_GROUP.name, "nsg")
RULE = "{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}"
PROFILE = f"""
profile: web
nsg_rules:
  rg-hub:nsg:
    rules:
      allow: {RULE}
"""


def document(number: int, more: str = "") -> str:
    return f"target: app-{number:05}\nweb_app: app-{number:05}\nresource_group: rg-{number // 25}\nextends: web\n{more}"


def read(**more: str) -> Specs:
    """more: texts by target, which take the place of the plain ones."""
    specs = Specs(REGISTRY)
    texts = {f"app-{number:05}": document(number) for number in range(MANY)} | more
    specs.update({"profile.yaml": PROFILE, **{f"{name}.yaml": text for name, text in texts.items()}})
    return specs


def test_equal_declarations_of_ten_thousand_become_one() -> None:
    specs = read()
    fleet = specs.fleet(SUBSCRIPTION)
    assert (len(fleet.targets), len(fleet.roots)) == (MANY, MANY + 1)
    declared = fleet.roots[HUB].wants["nsg_rules"].items["allow"]
    assert declared.owners == fleet.roots[HUB].targets == tuple(fleet.targets)


def test_of_ten_thousand_texts_only_the_one_that_changed_is_worked_out_again() -> None:
    specs = read()
    before = specs.fleet(SUBSCRIPTION)
    specs.update({"app-00007.yaml": document(7, "mode: alert\n")})
    now = specs.fleet(SUBSCRIPTION)
    assert now.roots[HUB].targets == tuple(before.targets)
    assert [name for name in now.targets if now.targets[name] is not before.targets[name]] == ["app-00007"]


def test_one_that_contradicts_nine_thousand_is_told_with_both_places() -> None:
    head, more = "nsg_rules:\n  rg-hub:nsg:\n    rules:\n", RULE.replace("100", "101")
    other = f"{head}      allow: {{ports: 80}}\n      Allow2: {more}\n"
    third = f"{head}      allow2: {more}\n"
    specs = read(**{"app-05000": document(5000, other), "app-09000": document(9000, third)})
    with pytest.raises(SpecError) as caught:
        specs.fleet(SUBSCRIPTION)
    told = [str(problem) for problem in caught.value.problems]
    assert [line.partition(" of ")[0] for line in told] == [
        "app-05000.yaml:8: nsg_rules: 'allow'",
        "app-09000.yaml:8: nsg_rules: 'allow2'",
    ]
    assert "declared otherwise at profile.yaml:6 (used at app-00000.yaml:1)" in told[0]
    assert "is spelled 'Allow2' at app-05000.yaml:9" in told[1]


def test_every_one_that_contradicts_another_is_told_once_and_not_in_pairs() -> None:
    specs = Specs(REGISTRY)
    profile = PROFILE.replace("443", '"${port}"')
    texts = {f"{n}.yaml": document(n, f"variables: {{port: {n % 7 + 1}}}\n") for n in range(2_000)}
    specs.update({"profile.yaml": profile, **texts})
    with pytest.raises(SpecError) as caught:
        specs.fleet(SUBSCRIPTION)
    (problem,) = caught.value.problems
    assert problem.place.others == 2_000 - len(range(0, 2_000, 7)) - 1


def test_one_selector_and_one_profile_make_ten_thousand_targets() -> None:
    specs = Specs(REGISTRY)
    profile = PROFILE + "app_settings: {settings: {NAME: '${web_app}', TEAM: '${tag:team}'}}\n"
    specs.update({"profile.yaml": profile, "selector.yaml": "select: {tags: {a: '*'}}\nextends: web\n"})
    (wanted,) = specs.wanted(SUBSCRIPTION)
    apps = tuple(
        SelectedApp(ResourceId.of(SUBSCRIPTION, f"rg-{n // 25}", SITE.name, f"app-{n:05}"), {"team": str(n % 3)})
        for n in range(MANY)
    )
    fleet = specs.fleet(SUBSCRIPTION, {wanted.criteria.key: apps})
    assert len(fleet.targets) == MANY
    wants = fleet.roots[apps[4711].id].wants["app_settings"]
    assert {name: item.value.value for name, item in wants.items.items()} == {"NAME": "app-04711", "TEAM": "1"}
    again = specs.fleet(SUBSCRIPTION, {wanted.criteria.key: apps[1:]})
    assert len(again.targets) == MANY - 1
    assert again.targets["app-04711"] is fleet.targets["app-04711"]


def test_what_is_remembered_does_not_grow_without_end() -> None:
    """A text that changes for ever leaves nothing behind for ever."""
    specs = Specs(REGISTRY)
    for turn in range(150):
        if specs.outgrown:
            break
        settings = "".join(f"    S{turn}_{n}: x\n" for n in range(1_000))
        specs.update({"a.yaml": f"target: a\nweb_app: aa\nresource_group: rg\napp_settings:\n  settings:\n{settings}"})
        specs.fleet(SUBSCRIPTION)
    assert specs.outgrown
