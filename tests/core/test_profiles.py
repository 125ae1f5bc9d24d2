"""Documents take over what profiles say; errors name the line in the profile and the document that uses it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE
from homeostat.core.ids import ResourceId
from homeostat.core.model import Mode
from homeostat.core.profiles import merge
from homeostat.core.source import SpecError
from homeostat.core.spec import Fleet, load
from remediators import REGISTRY

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
HEAD = "target: app\nweb_app: app\nresource_group: rg\n"
RULE = "{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}"


def fleet(*texts: str) -> Fleet:
    return load({f"{n}.yaml": text for n, text in enumerate(texts)}, REGISTRY, subscription=SUBSCRIPTION)


def problems(*texts: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        fleet(*texts)
    return [str(problem) for problem in caught.value.problems]


def settings(declared: Fleet, target: str = "app") -> dict[str, str]:
    root = declared.roots[declared.targets[target].web_app]
    return {name: item.value.value for name, item in root.wants["app_settings"].items.items()}


def profile(name: str, more: str = "", **values: str) -> str:
    written = "".join(f"    {key}: {value}\n" for key, value in values.items())
    return f"profile: {name}\n{more}" + (f"app_settings:\n  settings:\n{written}" if values else "")


# --- what is taken over ---


def test_a_target_has_what_its_profile_says_and_its_own_wins() -> None:
    own = "extends: web\napp_settings: {settings: {B: mine}}\n"
    assert settings(fleet(profile("web", A="1", B="2"), HEAD + own)) == {"A": "1", "B": "mine"}


def test_a_profile_stands_for_its_place_and_its_modes_too() -> None:
    place = f"resource_group: rg\nsubscription: {SUBSCRIPTION[:-1]}7\nmode: alert\n"
    declared = fleet(profile("web", place, A="1"), "target: app\nweb_app: app\nextends: web\n")
    site = ResourceId.of(SUBSCRIPTION[:-1] + "7", "rg", SITE.name, "app")
    assert declared.targets["app"].web_app == site
    assert declared.roots[site].wants["app_settings"].mode_of("A") is Mode.ALERT


@pytest.mark.parametrize(("extends", "b"), [("[one, two]", "two"), ("[two, one]", "one"), ("one", "one")])
def test_of_several_profiles_the_later_wins(extends: str, b: str) -> None:
    texts = profile("one", B="one"), profile("two", B="two")
    assert settings(fleet(*texts, HEAD + f"extends: {extends}\n")) == {"B": b}


def test_what_a_profile_says_wins_over_what_it_extends_however_that_is_reached() -> None:
    """Two profiles extend one: what it says wins over neither."""
    texts = (
        profile("base", A="base", B="base", C="base"),
        profile("left", "extends: base\n", A="left"),
        profile("right", "extends: base\n", B="right"),
    )
    assert settings(fleet(*texts, HEAD + "extends: [left, right]\n")) == {"A": "left", "B": "right", "C": "base"}


def test_null_removes_a_key_that_is_inherited() -> None:
    own = "extends: web\napp_settings: {settings: {A: null}}\nnsg_rules: ~\n"
    base = profile("web", A="1", B="2") + f"nsg_rules: {{nsg: {{rules: {{r: {RULE}}}}}}}\n"
    declared = fleet(base, HEAD + own)
    assert settings(declared) == {"B": "2"}
    assert declared.targets["app"].kinds == ("app_settings",)


def test_null_where_nothing_is_inherited_is_the_error_that_it_always_was() -> None:
    (told,) = problems(profile("web", A="1"), HEAD + "extends: web\nnsg_rules:\n")
    assert told.startswith("1.yaml:5: nsg_rules: must be a mapping")


def test_a_list_is_replaced() -> None:
    base = f"profile: web\nnsg_rules: {{nsg: {{rules: {{r: {RULE.replace('443', '[443, 8443]')}}}}}}}\n"
    declared = fleet(base, HEAD + "extends: web\nnsg_rules: {nsg: {rules: {r: {ports: [80]}}}}\n")
    nsg = ResourceId.of(SUBSCRIPTION, "rg", NETWORK_SECURITY_GROUP.name, "nsg")
    value = declared.roots[nsg].wants["nsg_rules"].items["r"].value
    assert "80" in str(value)
    assert "8443" not in str(value)


def test_names_in_a_profile_are_relative_to_the_web_app_that_uses_it() -> None:
    base = f"profile: web\nnsg_rules: {{nsg: {{rules: {{r: {RULE}}}}}}}\n"
    second = HEAD.replace("app\n", "app-2\n").replace("rg\n", "rg-2\n")
    declared = fleet(base, HEAD + "extends: web\n", second + "extends: web\n")
    groups = {root.resource_group for root in declared.roots if root.is_type(NETWORK_SECURITY_GROUP.name)}
    assert groups == {"rg", "rg-2"}


_JSON = st.recursive(
    st.none() | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)
_MAPPINGS = st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3)


@given(_MAPPINGS)
def test_nothing_over_something_and_something_over_nothing_change_nothing(data: dict[str, Any]) -> None:
    assert merge(data, {}) == data
    assert merge({}, data) == data


@given(_MAPPINGS, _MAPPINGS)
def test_the_nearer_wins_and_nothing_else_is_touched(far: dict[str, Any], near: dict[str, Any]) -> None:
    found: Any = merge(far, near)
    assert set(found) == {key for key in {*far, *near} if not (key in far and key in near and near[key] is None)}
    for key, value in found.items():
        if key not in near:
            assert value == far[key]
        elif key not in far or not (isinstance(near[key], dict) and isinstance(far[key], dict)):
            assert value == near[key]


@given(_MAPPINGS, _MAPPINGS)
def test_a_merge_changes_neither_side(far: dict[str, Any], near: dict[str, Any]) -> None:
    before = repr((far, near))
    merge(far, near)
    assert repr((far, near)) == before


# --- variables ---


def test_a_profile_asks_for_variables_and_each_target_gives_its_own() -> None:
    base = profile("web", "variables: {env: prod, host: '${app}-${env}.example.com'}\n", HOST="${host}")
    shop = "target: shop\nweb_app: shop\nresource_group: rg\nextends: web\nvariables: {app: shop}\n"
    stock = "target: stock\nweb_app: stock\nresource_group: rg\nextends: web\nvariables: {app: stock, env: test}\n"
    declared = fleet(base, shop, stock)
    assert settings(declared, "shop") == {"HOST": "shop-prod.example.com"}
    assert settings(declared, "stock") == {"HOST": "stock-test.example.com"}


def test_the_head_of_a_document_is_known_as_variables() -> None:
    base = profile("web", T="${target}", W="${web_app}", G="${resource_group}", S="${subscription}")
    declared = fleet(
        base, "target: shop-${env}\nweb_app: shop\nresource_group: rg-${env}\nextends: web\nvariables: {env: x}\n"
    )
    assert settings(declared, "shop-x") == {"T": "shop-x", "W": "shop", "G": "rg-x", "S": SUBSCRIPTION}


def test_a_variable_may_make_a_key() -> None:
    base = "profile: web\nnsg_rules: {'nsg-${web_app}': {rules: {'allow-${web_app}': " + RULE + "}}}\n"
    declared = fleet(base, HEAD + "extends: web\n")
    nsg = ResourceId.of(SUBSCRIPTION, "rg", NETWORK_SECURITY_GROUP.name, "nsg-app")
    assert list(declared.roots[nsg].wants["nsg_rules"].items) == ["allow-app"]


def test_keys_are_compared_once_variables_are_replaced() -> None:
    base = "profile: web\nnsg_rules: {'nsg-${web_app}': {rules: {'allow-${web_app}': " + RULE + "}}}\n"
    own = (
        "extends: web\nnsg_rules: {nsg-app: {rules: {allow-app: {ports: [80]}, more: "
        + RULE.replace("100", "110")
        + "}}}\n"
    )
    declared = fleet(base, HEAD + own)
    nsg = ResourceId.of(SUBSCRIPTION, "rg", NETWORK_SECURITY_GROUP.name, "nsg-app")
    items = declared.roots[nsg].wants["nsg_rules"].items
    assert list(items) == ["allow-app", "more"]
    assert "443" not in str(items["allow-app"].value)
    assert fleet(base, HEAD + "extends: web\nnsg_rules: {nsg-app: null}\n").roots.keys() == {
        declared.targets["app"].web_app
    }


def test_what_a_nearer_layer_removes_needs_no_variables() -> None:
    base = (
        "profile: web\nnsg_rules: {nsg: {rules: {'${nobody}': "
        + RULE
        + ", keep: "
        + RULE.replace("100", "110")
        + "}}}\n"
    )
    assert fleet(base, HEAD + "extends: web\nnsg_rules: null\n").targets["app"].kinds == ()


def test_a_target_without_profiles_may_have_variables_too() -> None:
    assert settings(fleet(HEAD + "variables: {x: 1}\napp_settings: {settings: {A: 'v${x}'}}\n")) == {"A": "v1"}


def test_a_variable_that_a_profile_needs_and_nobody_gives_is_told_where_it_stands_and_for_whom() -> None:
    (told,) = problems(profile("web", A="1", B="${app}"), HEAD + "extends: web\n")
    assert told == (
        "0.yaml:5 (used at 1.yaml:1): there is no variable 'app'. "
        "Define it under `variables`, or write `$${` for a plain `${`."
    )


def test_a_variable_that_nobody_uses_may_be_impossible() -> None:
    text = profile("web", "variables: {host: '${app}.example.com'}\n", A="1")
    assert settings(fleet(text, HEAD + "extends: web\n")) == {"A": "1"}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("variables: {target: x}\n", "1.yaml:5: 'target' is built in"),
        ("variables: {a b: x}\n", "1.yaml:5: 'a b' is no variable's name"),
        ("variables: [x]\n", "1.yaml:5: variables: must be a mapping"),
        ("variables: {x: [1]}\n", "1.yaml:5: variables.x: must be one text"),
        ("variables: {x: '${y}', y: '${x}'}\nmode: '${x}'\n", "1.yaml:5: variables lead in a circle: x > y > x"),
        ("extends: {a: b}\n", "1.yaml:5: extends: must be a value or a list of values"),
    ],
)
def test_what_is_wrong_with_variables_is_told_at_its_line(written: str, told: str) -> None:
    text = HEAD + "app_settings: {settings: {A: 1}}\n" + written
    assert any(line.startswith(told) for line in problems(profile("web"), text))


def test_a_value_that_variables_make_a_secret_is_refused_and_not_shown() -> None:
    text = HEAD + "variables: {a: 'Server=x;Pass', b: 'word=hunter2!;'}\napp_settings: {settings: {DB: '${a}${b}'}}\n"
    (told,) = problems(text)
    assert told.startswith("0.yaml:5: the value of DB looks like a secret")
    assert "hunter2" not in told


@pytest.mark.parametrize("used", ["", "app_settings: {settings: {A: '${x}'}}\n"])
def test_a_variable_that_is_a_secret_is_refused_where_it_stands_used_or_not(used: str) -> None:
    told = problems(HEAD + "variables: {x: 'Server=x;Password=hunter22;'}\n" + used)
    assert told[-1].startswith("0.yaml:4: the value of variable x looks like a secret") or told[0].startswith(
        "0.yaml:4"
    )
    assert "hunter2" not in "".join(told)


# --- what is wrong ---


def test_an_error_in_a_profile_is_told_once_with_its_first_user_and_their_number() -> None:
    base = "profile: web\napp_setings: {}\napp_settings: {unmanaged: drop}\n"
    users = [HEAD.replace("app\n", f"app-{n}\n") + "extends: web\n" for n in range(3)]
    told = problems(base, *users)
    assert [line.split(":")[1] for line in told] == ["2 (used at 1.yaml", "3 (used at 1.yaml"]
    assert all("(used at 1.yaml:1 and 2 more)" in line for line in told)


def test_an_error_that_the_target_brings_in_is_told_at_the_target() -> None:
    base = f"profile: web\nnsg_rules: {{nsg: {{rules: {{r: {RULE}}}}}}}\n"
    own = "extends: web\nnsg_rules:\n  nsg:\n    rules:\n      r: {priority: 5000}\n"
    (told,) = problems(base, HEAD + own)
    assert told.startswith("1.yaml:8: priority 5000 is out of range")


def test_what_is_missing_in_the_end_is_told_where_its_owner_stands() -> None:
    half = RULE.replace("priority: 100, ", "")
    base = f"profile: web\nnsg_rules:\n  nsg:\n    rules:\n      r: {half}\n"
    (told,) = problems(base, HEAD + "extends: web\n")
    assert told.startswith("0.yaml:5 (used at 1.yaml:1): nsg_rules.nsg.rules.r.priority: is missing")


def test_a_profile_that_is_not_there_is_told_with_what_is_near() -> None:
    (told,) = problems(profile("web-baseline"), HEAD + "extends: [web-baseline, web-basline]\n")
    assert told == "1.yaml:4: there is no profile 'web-basline'. Did you mean web-baseline?"


def test_a_profile_that_is_not_there_is_not_told_where_a_text_could_not_be_read() -> None:
    """It may be in it: ten thousand lines would bury the one that counts."""
    (told,) = problems("profile: web\na: [\n", HEAD + "extends: web\n")
    assert "not YAML" in told


def test_profiles_that_extend_each_other_in_a_circle_are_told_and_do_not_hang() -> None:
    told = problems(profile("a", "extends: b\n"), profile("b", "extends: a\n"), HEAD + "extends: a\n")
    assert told == [
        f"{file}.yaml:2: profiles extend each other in a circle: {way}. Take one of them out of `extends`."
        for file, way in ((0, "a > b > a"), (1, "b > a > b"))
    ]


def test_a_profile_that_is_declared_twice_is_told_with_both_places() -> None:
    (told,) = problems(profile("web", A="1"), profile("web", A="2"))
    assert told == "1.yaml:1: profile 'web' is already declared at 0.yaml:1. Rename one of the two."


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("app_setings: {}\n", "0.yaml:2: app_setings: is not a known key"),
        ("target_: x\n", "0.yaml:2: target_: is not a known key"),
        ("web_app: x\n", "0.yaml:2: web_app: is not a known key"),
        ("nsg_rules: {nsg: {ruels: {}}}\n", "0.yaml:2: nsg_rules.nsg.ruels: is not a known key"),
        ("mode: off\n", "0.yaml:2: mode: must be"),
        ("extends: nobody\n", "0.yaml:2: there is no profile 'nobody'"),
    ],
)
def test_a_profile_that_nobody_uses_is_checked_as_far_as_it_goes(written: str, told: str) -> None:
    (line,) = problems("profile: web\n" + written)
    assert line.startswith(told)


def test_a_profile_that_nobody_uses_may_be_half_of_something() -> None:
    half = (
        "profile: web\nmode: '${mode}'\nnsg_rules: {nsg: {rules: {r: {priority: '${first}'}}}}\nvnet_integration: {}\n"
    )
    assert fleet(half).targets == {}


def test_a_profile_with_a_bad_name_is_told() -> None:
    (told,) = problems("profile: a b\n")
    assert told.startswith("0.yaml:1: profile: must match pattern")


def test_what_targets_say_through_one_profile_is_told_in_conflict_with_both_places() -> None:
    base = f"profile: web\nnsg_rules: {{'hub:nsg': {{rules: {{r: {RULE.replace('443', '"${port}"')}}}}}}}\n"
    users = [HEAD.replace("app\n", f"app-{n}\n") + f"extends: web\nvariables: {{port: {n + 1}}}\n" for n in range(2)]
    (told,) = problems(base, *users)
    assert told.startswith("0.yaml:2 (used at 2.yaml:1): nsg_rules: 'r' of networkSecurityGroups/nsg is declared")
    assert "at 0.yaml:2 (used at 1.yaml:1)" in told
