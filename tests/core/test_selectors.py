"""Selectors: what they ask of Azure, which apps they take, and what becomes of those that do not fit."""

from dataclasses import replace
from typing import Any

import pytest

from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.ids import ResourceId
from homeostat.core.model import Mode
from homeostat.core.selectors import Criteria, Select, SelectedApp, Selection
from homeostat.core.source import SpecError
from homeostat.core.spec import Fleet, Specs
from remediators import REGISTRY

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
OTHER = "00000000-0000-0000-0000-000000000002"
SELECT = "select: {tags: {homeostat: prod}}\n"
PROFILE = "profile: web\napp_settings:\n  settings:\n    NAME: ${web_app} of ${resource_group}\n"
WEB = SELECT + "extends: web\n"


def app(name: str, group: str = "rg", slot: str = "", subscription: str = SUBSCRIPTION, **tags: str) -> SelectedApp:
    names = (name, slot) if slot else (name,)
    return SelectedApp(ResourceId.of(subscription, group, SLOT.name if slot else SITE.name, *names), tags)


def specs(*texts: str) -> Specs:
    found = Specs(REGISTRY)
    found.update({f"{n}.yaml": text for n, text in enumerate(texts)})
    return found


def fleet(texts: tuple[str, ...] | str, *apps: SelectedApp, subscription: str = SUBSCRIPTION) -> Fleet:
    """Every selector selects all of the apps."""
    read = specs(*((texts,) if isinstance(texts, str) else texts))
    selection: Selection = {wanted.criteria.key: apps for wanted in read.wanted(subscription)}
    return read.fleet(subscription, selection)


def problems(*texts: str, subscription: str = SUBSCRIPTION) -> list[str]:
    with pytest.raises(SpecError) as caught:
        fleet(texts, subscription=subscription)
    return [str(problem) for problem in caught.value.problems]


def left_out(declared: Fleet) -> list[str]:
    return [str(problem) for problem in declared.left_out]


def settings(declared: Fleet, target: str) -> dict[str, str]:
    root = declared.roots[declared.targets[target].web_app]
    return {name: item.value.value for name, item in root.wants["app_settings"].items.items()}


# --- criteria ---


def criteria(subscription: str = SUBSCRIPTION, **select: Any) -> Criteria:
    return Criteria.of(Select.model_validate(select), subscription)


def test_a_selector_looks_where_it_says_else_where_the_environment_says() -> None:
    tags = {"a": "b"}
    assert criteria(tags=tags).subscriptions == (SUBSCRIPTION,)
    assert criteria(tags=tags, subscriptions=[OTHER.upper()]).subscriptions == (OTHER,)
    there = criteria(management_groups=["mg-Shops"])
    assert (there.subscriptions, there.management_groups) == ((), ("mg-shops",))


def test_equal_criteria_have_one_key_in_whatever_order_they_stand() -> None:
    one = criteria(tags={"A": ["x", "y"], "b": "z"}, resource_groups=["RG-1", "rg-2"])
    other = criteria(tags={"B": "z", "a": ["y", "x"]}, resource_groups=["rg-2", "rg-1"])
    assert one.key == other.key
    assert one.key != criteria(tags={"a": ["x", "Y"], "b": "z"}, resource_groups=["rg-1", "rg-2"]).key


def test_subscriptions_and_management_groups_are_asked_for_in_requests_of_their_own() -> None:
    queries = criteria(subscriptions=[SUBSCRIPTION], management_groups=["mg"]).queries()
    assert [(query.subscriptions, query.management_groups) for query in queries] == [
        ((SUBSCRIPTION,), ()),
        ((), ("mg",)),
    ]


def test_a_request_names_at_most_a_thousand_subscriptions() -> None:
    many = [f"00000000-0000-0000-0000-{n:012}" for n in range(1500)]
    assert [len(query.subscriptions) for query in criteria(subscriptions=many).queries()] == [1000, 500]


def test_azure_is_asked_for_one_tag_and_for_groups_without_wildcards() -> None:
    (query,) = criteria(tags={"b": ["y", "x"], "a": "*"}, resource_groups=["rg-1"]).queries()
    assert (query.tag and (query.tag.name, query.tag.values), query.resource_groups) == (("a", ()), ("rg-1",))
    (query,) = criteria(resource_groups=["rg-1", "rg-2*"]).queries()
    assert (query.tag, query.resource_groups) == (None, ())


@pytest.mark.parametrize(
    ("select", "group", "tags", "taken"),
    [
        ({"tags": {"Homeostat": "prod"}}, "rg", {"hOMEOSTAT": "prod"}, True),
        ({"tags": {"homeostat": "prod"}}, "rg", {"homeostat": "Prod"}, False),
        ({"tags": {"homeostat": ["test", "prod"]}}, "rg", {"homeostat": "prod"}, True),
        ({"tags": {"homeostat": "*"}}, "rg", {"homeostat": ""}, True),
        ({"tags": {"homeostat": "*"}}, "rg", {}, False),
        ({"tags": {"a": "1", "b": "2"}}, "rg", {"a": "1"}, False),
        ({"tags": {"a": "1", "b": "2"}}, "rg", {"a": "1", "b": "2"}, True),
        ({"resource_groups": ["RG-*"]}, "rg-shop", {}, True),
        ({"resource_groups": ["rg-?"]}, "rg-shop", {}, False),
        ({"resource_groups": ["rg-shop"], "tags": {"a": "1"}}, "RG-Shop", {"a": "1"}, True),
    ],
)
def test_an_app_must_fulfil_every_condition(
    select: dict[str, Any], group: str, tags: dict[str, str], taken: bool
) -> None:
    row: Any = {"id": app("shop", group).id.text, "tags": tags}
    assert bool(criteria(**select).selected(row)) is taken


def test_slots_are_taken_only_where_they_are_asked_for() -> None:
    row: Any = {"id": app("shop", slot="staging").id.text, "tags": {"a": "1"}}
    assert not criteria(tags={"a": "1"}).selected(row)
    assert criteria(tags={"a": "1"}, slots=True).selected(row)


@pytest.mark.parametrize("row", [{}, {"id": 7}, {"id": "/subscriptions/x"}, {"id": f"{app('a').id.text}/config/web"}])
def test_a_row_that_is_no_app_is_passed_over(row: Any) -> None:
    assert not criteria(subscriptions=[SUBSCRIPTION]).selected(row)


def test_two_spellings_of_an_app_are_told_apart_and_so_are_its_tags() -> None:
    plain, tagged = app("shop"), replace(app("shop"), tags={"team": "a", "other": "b"})
    assert replace(plain, id=ResourceId.parse(plain.id.text)).spelled == plain.spelled
    assert len({each.spelled for each in (plain, tagged, app("Shop"), app("shop", "RG"))}) == 4
    assert tagged.with_tags({"team"}).tags == {"team": "a"}


# --- selected apps ---


def test_each_selected_app_is_a_target_with_what_the_selector_says() -> None:
    declared = fleet((PROFILE, WEB + "mode: alert\n"), app("shop"), app("stock", "rg-2"))
    assert list(declared.targets) == ["shop", "stock"]
    assert settings(declared, "stock") == {"NAME": "stock of rg-2"}
    root = declared.roots[app("stock", "rg-2").id]
    assert (root.targets, root.wants["app_settings"].mode_of("NAME")) == (("stock",), Mode.ALERT)
    assert str(declared.targets["shop"].place) == "1.yaml:1"
    assert declared.left_out == ()


def test_a_selector_that_was_never_resolved_selects_nothing_and_is_checked_all_the_same() -> None:
    assert specs(PROFILE, WEB).fleet(SUBSCRIPTION) == Fleet()
    (told,) = problems(PROFILE.replace("NAME:", "A: {secert: true}\n    NAME:"), WEB)
    assert told.startswith("0.yaml:4 (used at 1.yaml:1): app_settings.settings.A.secert")


def test_where_an_app_is_wins_over_what_a_profile_says_of_it() -> None:
    rule = "{priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 443}"
    base = f"profile: web\nresource_group: rg-other\nnsg_rules: {{'nsg-${{web_app}}': {{rules: {{a: {rule}}}}}}}\n"
    own = f"extends: web\nnsg_rules: {{'nsg-${{web_app}}': {{rules: {{b: {rule.replace('100', '110')}}}}}}}\n"
    declared = fleet((base, SELECT + own), app("shop"))
    assert {root.resource_group for root in declared.roots} == {"rg"}
    (nsg,) = [root for root in declared.roots.values() if "nsg_rules" in root.wants]
    assert list(nsg.wants["nsg_rules"].items) == ["a", "b"]


def test_a_selector_may_say_everything_itself() -> None:
    declared = fleet(SELECT + "app_settings: {settings: {A: '${target}'}}\n", app("shop"))
    assert settings(declared, "shop") == {"A": "shop"}


def test_the_name_is_made_of_variables_in_small_letters_and_a_slot_has_two_dashes() -> None:
    text = "select: {tags: {a: b}, slots: true}\nname: ${env}-${web_app}\nvariables: {env: prod}\n"
    text += "app_settings: {settings: {A: '${target}'}}\n"
    declared = fleet(text, app("Shop"), app("Shop", slot="Staging"))
    assert list(declared.targets) == ["prod-shop", "prod-shop--staging"]
    assert settings(declared, "prod-shop--staging") == {"A": "prod-shop--staging"}
    assert declared.targets["prod-shop--staging"].web_app == app("shop", slot="staging").id


def test_a_tag_of_the_app_is_a_variable_whatever_its_case() -> None:
    declared = fleet(SELECT + "app_settings: {settings: {A: '${tag:Team}'}}\n", app("shop", team="${x}"))
    assert settings(declared, "shop") == {"A": "${x}"}


def test_it_is_known_which_tags_a_selector_needs() -> None:
    read = specs(PROFILE + "    T: ${tag:Cost Center}\n", WEB + "variables: {x: '${tag:Team}'}\n")
    (wanted,) = read.wanted(SUBSCRIPTION)
    assert wanted.tags == {"cost center", "team"}


def test_a_document_of_its_own_wins_over_a_selector() -> None:
    own = "target: mine\nweb_app: SHOP\nresource_group: RG\nmode: ignore\n"
    declared = fleet((PROFILE, WEB, own), app("shop"), app("stock"))
    assert list(declared.targets) == ["mine", "stock"]
    assert declared.left_out == ()


# --- apps that do not fit ---


def test_an_app_that_two_selectors_select_is_left_out_and_told_at_both_places() -> None:
    other = "select: {resource_groups: [rg]}\nname: x-${web_app}\n"
    read = specs(PROFILE, WEB, other)
    first, second = read.wanted(SUBSCRIPTION)
    selection = {first.criteria.key: (app("shop"), app("stock")), second.criteria.key: (app("shop"),)}
    declared = read.fleet(SUBSCRIPTION, selection)
    assert list(declared.targets) == ["stock"]
    assert [line.partition(". ")[0] for line in left_out(declared)] == [
        "1.yaml:1: sites/shop in rg is left out: it is selected at 2.yaml:1 too",
        "2.yaml:1: sites/shop in rg is left out: it is selected at 1.yaml:1 too",
    ]


def test_an_app_without_a_tag_that_is_needed_is_left_out_and_the_others_are_not() -> None:
    text = SELECT + "app_settings:\n  settings:\n    A: ${tag:team}\n"
    declared = fleet(text, app("shop"), app("stock", team="x"))
    assert list(declared.targets) == ["stock"]
    (told,) = left_out(declared)
    assert told.startswith("0.yaml:4: sites/shop in rg is left out: the app has no tag for ${tag:team}")


def test_an_app_whose_tag_makes_no_sense_is_left_out() -> None:
    rule = "{priority: '${tag:first}', direction: Outbound, access: Allow, protocol: Tcp, ports: 443}"
    text = SELECT + f"nsg_rules: {{'nsg-${{web_app}}': {{rules: {{r: {rule}}}}}}}\n"
    declared = fleet(text.replace("'nsg-", "'nsg-"), app("shop", first="high"), app("stock", first="100"))
    assert list(declared.targets) == ["stock"]
    assert len(left_out(declared)) == 1


def test_an_app_whose_name_is_no_targets_name_is_left_out() -> None:
    declared = fleet(SELECT + "name: ${web_app}-${resource_group}\n", app("shop"), app("stock", "r" * 60))
    assert list(declared.targets) == ["shop-rg"]
    (told,) = left_out(declared)
    assert told.startswith(f"0.yaml:2: sites/stock in {'r' * 60} is left out: name: makes what is no target's name")


def test_apps_with_one_name_are_left_out_both_and_one_that_a_document_has_is_never() -> None:
    twins = app("shop"), app("shop", "rg-2")
    declared = fleet((PROFILE, WEB, "target: stock\nweb_app: other\nresource_group: rg\n"), *twins, app("stock"))
    assert list(declared.targets) == ["stock"]
    assert [line.partition(". ")[0].partition("out: ")[2] for line in left_out(declared)] == [
        "the name 'shop' is another selected app's too",
        "the name 'shop' is another selected app's too",
        "the name 'stock' is declared at 2.yaml:1",
    ]


# --- what is wrong with a selector ---


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("select: {}\n", "0.yaml:1: select: must not be empty"),
        ("select:\n", "0.yaml:1: select: must be a mapping"),
        ("select: {tag: {a: b}}\n", "0.yaml:1: select.tag: is not a known key"),
        ("select: {subscriptions: [mine]}\n", "0.yaml:1: select.subscriptions.0: must match pattern"),
        ("select: {tags: {a: '${nobody}'}}\n", "0.yaml:1: there is no variable 'nobody'"),
        ("select: {tags: {a: '${web_app}'}}\n", "0.yaml:1: there is no variable 'web_app'"),
        (SELECT + "name: shop\n", "0.yaml:2: name: would be the same for all apps"),
        (SELECT + "target_: x\n", "0.yaml:2: target_: is not a known key"),
        (SELECT + "web_app: x\n", "0.yaml:2: web_app: is not for a selector"),
        (SELECT + "name: ${web_app}.x\n", "0.yaml:2: name: makes what is no target's name"),
        (SELECT + "mode: off\n", "0.yaml:2: mode: must be"),
        (SELECT + "extends: nobody\n", "0.yaml:2: there is no profile 'nobody'"),
        (SELECT + "nsg_rules: {nsg: {ruels: {}}}\n", "0.yaml:2: nsg_rules.nsg.ruels: is not a known key"),
        (SELECT + "app_settings: {settings: {A: '${nobody}'}}\n", "0.yaml:2: there is no variable 'nobody'"),
    ],
)
def test_what_is_wrong_with_a_selector_is_told_whatever_it_selects(text: str, told: str) -> None:
    (line,) = problems(text)
    assert line.startswith(told)


def test_a_selector_that_does_not_know_where_to_look_is_told() -> None:
    (told,) = problems(SELECT, subscription="")
    assert told.startswith("0.yaml:1: it is not known where to look for apps")


def test_the_conditions_may_use_variables_of_profiles() -> None:
    text = "select: {tags: {homeostat: '${env}'}}\nextends: web\n"
    (wanted,) = specs("profile: web\nvariables: {env: test}\n", text).wanted(SUBSCRIPTION)
    assert wanted.criteria.tags == (("homeostat", ("test",)),)


# --- the same again ---


def test_what_did_not_change_is_not_worked_out_again() -> None:
    read = specs(PROFILE, WEB, "target: a\nweb_app: aa\nresource_group: rg\n")
    selection = {read.wanted(SUBSCRIPTION)[0].criteria.key: (app("shop"),)}
    before = read.fleet(SUBSCRIPTION, selection)
    read.update({"0.yaml": PROFILE, "1.yaml": WEB, "2.yaml": "target: b\nweb_app: bb\nresource_group: rg\n"})
    after = read.fleet(SUBSCRIPTION, selection)
    assert after.targets["shop"] is before.targets["shop"]
    assert list(after.targets) == ["b", "shop"]


def test_a_place_follows_its_line() -> None:
    read = specs(PROFILE, WEB)
    selection = {read.wanted(SUBSCRIPTION)[0].criteria.key: (app("shop"),)}
    read.fleet(SUBSCRIPTION, selection)
    read.update({"0.yaml": "# a comment\n" + PROFILE})
    declared = read.fleet(SUBSCRIPTION, selection).roots[app("shop").id].wants["app_settings"].items["NAME"]
    assert str(declared.place) == "0.yaml:5 (used at 1.yaml:1)"


def test_a_text_that_is_gone_is_gone() -> None:
    read = specs("target: a\nweb_app: aa\nresource_group: rg\n", "a: [\n")
    with pytest.raises(SpecError):
        read.fleet(SUBSCRIPTION)
    read.update({}, gone=["1.yaml"])
    assert list(read.fleet(SUBSCRIPTION).targets) == ["a"]
    read.update({}, gone=["0.yaml"])
    assert read.fleet(SUBSCRIPTION).targets == {}
