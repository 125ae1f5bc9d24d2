"""Declared settings hold their values, no other setting is touched, and no secret is shown."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from homeostat.core import json
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import (
    AnyRemediator,
    Disruption,
    Edit,
    Facts,
    Found,
    Milestone,
    Mode,
    Scope,
    Unmanaged,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.plan import merge, rebase
from homeostat.core.secret_value import MASK
from remediators.app_settings import OTHER_SECRET, REMEDIATOR, AppSettingsSection, Setting
from tests.remediators.contract import LOCKED, Case, RemediatorContract, want_of
from tests.remediators.world import World, body_of, healed, look, resource

pytestmark = pytest.mark.unit

APP = resource("Microsoft.Web/sites", "app-flask")
CONFIG = APP.child("config", "appsettings")
REFERENCES = APP.child("config", "configreferences")
KEY_VAULT = "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/api-key)"


def settings(values: Mapping[str, Json]) -> World:
    return {CONFIG: body_of(CONFIG, dict(values), location="West Europe", tags={"etag": "mine"})}


def resolving(status: str, *setting_names: str) -> World:
    """How App Service says that the Key Vault references in these settings resolve."""
    ids = [REFERENCES.child("appsettings", name) for name in setting_names]
    return {id_: body_of(id_, {"reference": KEY_VAULT, "status": status, "details": "why"}) for id_ in ids}


def wanted(values: Mapping[str, str | None], unmanaged: Unmanaged = Unmanaged.KEEP) -> Want[Any]:
    return want_of(APP, {name: Setting(value) for name, value in values.items()}, unmanaged)


names = st.sampled_from(["SQL_SERVER_FQDN", "REDIS_PORT", "KEY_VAULT_URI", "Feature.X", "API_KEY", "s", "etag"])
values = st.sampled_from(["", "6380", "true", "sql-flask.database.windows.net", KEY_VAULT, " padded ", "ü"])
strangers = st.sampled_from(["WEBSITE_NODE_DEFAULT_VERSION", "OTHER", "provisioningState", "AzureWebJobsStorage"])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    declared = draw(st.dictionaries(names, values, min_size=1))
    foreign = draw(st.dictionaries(strangers, values))
    there = draw(st.permutations([*declared.items(), *foreign.items()]))
    broken = dict(there)
    for name in draw(st.sets(st.sampled_from(sorted(declared)))):
        match draw(st.sampled_from(["changed", "deleted", "respelled"])):
            case "changed":
                broken[name] += "!"
            case "deleted":
                del broken[name]
            case _ if name.swapcase() not in broken:
                broken = {(name.swapcase() if key == name else key): value for key, value in broken.items()}
    vault = resolving("Resolved", *declared)
    return Case(wanted(declared), {**settings(dict(there)), **vault}, {**settings(broken), **vault})


class TestContract(RemediatorContract):
    remediator: ClassVar[AnyRemediator] = REMEDIATOR

    @staticmethod
    def cases() -> st.SearchStrategy[Case]:
        return cases()

    @staticmethod
    def unowned(world: World, want: Want[Any]) -> Json:
        body = world[CONFIG]
        owned = {name.lower() for name in want.items}
        properties = json.at(body, ("properties",))
        assert isinstance(properties, Mapping)
        return json.with_value(
            body, ("properties",), {name: value for name, value in properties.items() if name.lower() not in owned}
        )


def test_several_drifts_are_one_write_that_carries_the_others_over_in_their_order() -> None:
    world = settings({"Z": "1", "A": "old", "WEBSITE_X": "2", "B": "old"})
    seen = look(REMEDIATOR, wanted({"A": "new", "B": "new", "C": "new"}), world)
    (action,) = merge(seen.edits, seen.facts)
    expected = {"Z": "1", "A": "new", "WEBSITE_X": "2", "B": "new", "C": "new"}
    sent = json.at(action.body, ("properties",))
    assert isinstance(sent, Mapping)
    assert list(sent.items()) == list(expected.items())
    assert action.disruption is Disruption.RESTART


def test_a_setting_that_came_in_between_survives_the_write() -> None:
    seen = look(REMEDIATOR, wanted({"A": "new"}), settings({"A": "old"}))
    (action,) = merge(seen.edits, seen.facts)
    fresher = rebase(action, Found(settings({"A": "older", "DEPLOYED": "just now"})[CONFIG]))
    assert json.at(fresher.body, ("properties",)) == {"A": "new", "DEPLOYED": "just now"}


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        pytest.param({"A": "6380"}, {"A": "6380"}, id="a number is text"),
        pytest.param({"A": ""}, {"A": ""}, id="the empty text"),
        pytest.param({"A": None}, {"A": "whatever it is"}, id="a secret's value"),
        pytest.param({"A": KEY_VAULT}, {"A": KEY_VAULT}, id="a reference as text"),
        pytest.param({"A": "1"}, {"A": "1", "WEBSITE_CONTENTSHARE": "x", "MINE": "y"}, id="settings of others"),
    ],
)
def test_what_only_looks_different_is_no_drift(declared: dict[str, str | None], found: dict[str, Json]) -> None:
    assert look(REMEDIATOR, wanted(declared), {**settings(found), **resolving("Resolved", "A")}).drifts == ()


@pytest.mark.parametrize("properties", [None, {}, {"A": None}], ids=["null", "empty", "a null value"])
def test_no_settings_at_all_means_that_each_is_missing(properties: Json) -> None:
    seen = look(REMEDIATOR, wanted({"A": "1"}), {CONFIG: body_of(CONFIG, properties)})
    assert [(drift.path, drift.want, drift.have) for drift in seen.drifts] == [(("properties", "A"), "1", ABSENT)]


def test_a_name_in_another_spelling_is_renamed_and_never_stands_twice() -> None:
    world = settings({"sql_host": "x", "Z": "1"})
    seen = look(REMEDIATOR, wanted({"SQL_HOST": "x"}), world)
    assert [drift.note for drift in seen.drifts] == ["it is there as sql_host"]
    assert json.at(healed(world, seen)[CONFIG], ("properties",)) == {"Z": "1", "SQL_HOST": "x"}


def test_a_secret_in_another_spelling_keeps_its_value() -> None:
    world = settings({"db_password": "hunter2"})
    after = healed(world, look(REMEDIATOR, wanted({"DB_PASSWORD": None}), world))
    assert json.at(after[CONFIG], ("properties",)) == {"DB_PASSWORD": "hunter2"}


def test_a_missing_secret_cannot_be_made_up() -> None:
    seen = look(REMEDIATOR, wanted({"DB_PASSWORD": None, "A": "1"}), settings({}))
    assert [(entry.code, entry.drift.item) for entry in seen.obstacles] == [("no-secret-value", "DB_PASSWORD")]
    assert [edit.drift.item for edit in seen.edits] == ["A"]


@pytest.mark.parametrize(
    ("name", "want", "have"),
    [
        ("DB_PASSWORD", KEY_VAULT, "hunter2"),
        ("API_KEY", KEY_VAULT, "no-secret-by-its-looks"),
        ("PLAIN", KEY_VAULT, "hunter2"),
        ("STORAGE", "none", "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=bWFkZSB1cA==;"),
        ("DB_PASSWORD", "swordfish", "hunter2"),
        ("DB_PASSWORD", None, ABSENT),
    ],
)
def test_no_secret_is_shown_anywhere(name: str, want: str | None, have: json.Absent | str) -> None:
    world = settings({} if have is ABSENT else {name: have})
    seen = look(REMEDIATOR, wanted({name: want}), world)
    (drift,) = seen.drifts
    assert drift.have in {OTHER_SECRET, ABSENT}
    assert drift.want in {MASK, KEY_VAULT, "none"}
    everything = f"{seen.drifts} {seen.answers} {merge(seen.edits, seen.facts)} {wanted({name: want})}"
    assert not any(secret in everything for secret in ("hunter2", "bWFkZSB1cA", "swordfish", "no-secret-by"))


def test_a_key_vault_reference_waits_for_the_way_to_the_vault_and_plain_text_does_not() -> None:
    seen = look(REMEDIATOR, wanted({"API_KEY": KEY_VAULT, "REDIS_PORT": "6380"}), settings({}))
    assert {edit.drift.item: edit.after for edit in seen.edits} == {
        "API_KEY": {Milestone.NAMES_RESOLVE, Milestone.INTEGRATED, Milestone.IDENTITY_EXISTS},
        "REDIS_PORT": frozenset(),
    }


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Initialized", Verdict.SETTLING),
        ("FetchTimedOut", Verdict.SETTLING),
        ("MSINotEnabled", Verdict.DRIFTED),
        ("AccessToKeyVaultDenied", Verdict.DRIFTED),
        ("SomethingNew", Verdict.DRIFTED),
        ("", Verdict.UNKNOWN),
    ],
)
def test_a_reference_that_stands_and_does_not_resolve_is_told_and_not_written_again(
    status: str, verdict: Verdict
) -> None:
    seen = look(
        REMEDIATOR, wanted({"API_KEY": KEY_VAULT}), {**settings({"API_KEY": KEY_VAULT}), **resolving(status, "API_KEY")}
    )
    (drift,) = seen.drifts
    assert (drift.want, drift.verdict) == ("Resolved", verdict)
    assert drift.path == ("properties", "API_KEY", "status")
    assert seen.answers == ()


def test_a_reference_of_which_nothing_is_reported_is_unknown() -> None:
    seen = look(REMEDIATOR, wanted({"API_KEY": KEY_VAULT}), settings({"API_KEY": KEY_VAULT}))
    assert [(drift.verdict, drift.note) for drift in seen.drifts] == [(Verdict.UNKNOWN, "its status is not reported")]


def test_a_reference_whose_status_cannot_be_read_is_unknown_and_plain_settings_are_not() -> None:
    world = settings({"API_KEY": KEY_VAULT, "REDIS_PORT": "1"})
    want = wanted({"API_KEY": KEY_VAULT, "REDIS_PORT": "6380"})
    read = next(read for read in REMEDIATOR.reads(want, look(REMEDIATOR, want, world).facts) if read.every)
    facts: Facts = {**look(REMEDIATOR, want, world).facts, read: Unreadable(LOCKED)}
    drifts = REMEDIATOR.diff(want, REMEDIATOR.observe(want, facts))
    assert {drift.item: drift.verdict for drift in drifts} == {
        "API_KEY": Verdict.UNKNOWN,
        "REDIS_PORT": Verdict.DRIFTED,
    }


@pytest.mark.parametrize("found", ["another value", ABSENT], ids=["changed", "missing"])
def test_how_references_resolve_is_only_asked_when_one_stands_as_declared(found: json.Absent | str) -> None:
    world = settings({} if found is ABSENT else {"API_KEY": found})
    assert not any(read.every for read in look(REMEDIATOR, wanted({"API_KEY": KEY_VAULT}), world).facts)


def test_a_setting_whose_declared_value_is_the_word_of_a_status_is_repaired() -> None:
    assert len(look(REMEDIATOR, wanted({"STATE": "Resolved"}), settings({"STATE": "x"})).edits) == 1


PLATFORM = {
    "WEBSITE_RUN_FROM_PACKAGE": "1",
    "AzureWebJobsStorage": "x",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "x",
    "FUNCTIONS_EXTENSION_VERSION": "~4",
    "SCM_DO_BUILD_DURING_DEPLOYMENT": "1",
    "DOCKER_ENABLE_CI": "true",
}


def test_unmanaged_settings_are_reported_without_their_values_and_those_of_the_platform_never() -> None:
    world = settings({"A": "1", "STRAY": "perhaps a secret", **PLATFORM})
    seen = look(REMEDIATOR, wanted({"A": "1"}, Unmanaged.REPORT), world)
    assert [(drift.path, drift.verdict, drift.item) for drift in seen.drifts] == [
        (("properties", "STRAY"), Verdict.UNMANAGED, "")
    ]
    assert "perhaps" not in repr(seen.drifts)
    assert seen.answers == ()


def test_unmanaged_settings_are_removed_where_the_section_says_so() -> None:
    world = settings({"A": "1", "STRAY": "x", **PLATFORM})
    after = healed(world, look(REMEDIATOR, wanted({"A": "1"}, Unmanaged.REMOVE), world))
    assert json.at(after[CONFIG], ("properties",)) == {"A": "1", **PLATFORM}


# --- the section ---------------------------------------------------------------------------------------------------


def problems(**written: Json) -> list[str]:
    section = AppSettingsSection.model_validate({"settings": written})
    return [problem.message for problem in REMEDIATOR.problems(section, Scope(APP))]


def test_every_form_of_a_setting_is_understood() -> None:
    section = AppSettingsSection.model_validate(
        {"settings": {"A": "6380", "B": {"secret": "true"}, "C": {"value": "on", "mode": "alert"}, "D": ""}}
    )
    items = REMEDIATOR.items(section, Scope(APP))
    assert {item.name: (item.value.value, item.mode, item.path) for item in items} == {
        "A": ("6380", None, ("settings", "A")),
        "B": (None, None, ("settings", "B")),
        "C": ("on", Mode.ALERT, ("settings", "C")),
        "D": ("", None, ("settings", "D")),
    }
    assert REMEDIATOR.problems(section, Scope(APP)) == ()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"A": None}, "A has no value"),
        ({"A": {"mode": "alert"}}, "A has no value"),
        ({"A": {"secret": "true", "value": "x"}}, "A is secret and yet has a value here"),
        ({"A": {"value": "x", "rotated": "2026-10-01"}}, "A is rotated, and yet no secret"),
        ({"A B": "x"}, "'A B' is no name of an app setting"),
        ({"A=B": "x"}, "'A=B' is no name of an app setting"),
        ({"A": "1", "a": "1"}, "'a' and 'A' are one name to Azure"),
        ({"DB": "Server=tcp:x;User ID=u;Password=hunter22;"}, "the value of DB looks like a secret"),
    ],
)
def test_a_section_s_problem_is_named(written: dict[str, Json], expected: str) -> None:
    assert problems(**written) == [expected]


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ("sql-flask.privatelink.database.windows.net", "sql-flask.database.windows.net"),
        ("https://kv-flask.privatelink.vaultcore.azure.net/", "kv-flask.vault.azure.net"),
        ("tcp:x.PrivateLink.redis.cache.windows.net,1433", "x.redis.cache.windows.net"),
        ("https://kv-flask.privatelink.vaultcore.usgovcloudapi.net/", "kv-flask.vault.usgovcloudapi.net"),
        ("kv-flask.privatelink.vaultcore.azure.cn", "kv-flask.vault.azure.cn"),
    ],
)
def test_a_private_link_host_is_refused_and_the_public_name_given(value: str, public: str) -> None:
    section = AppSettingsSection.model_validate({"settings": {"HOST": value}})
    (problem,) = REMEDIATOR.problems(section, Scope(APP))
    assert public in problem.remedy


@pytest.mark.parametrize("value", ["notprivatelink.example.com", "privatelink", "https://example.com/privatelink.md"])
def test_a_word_that_is_no_private_link_host_is_accepted(value: str) -> None:
    assert problems(HOST=value) == []


def test_edits_of_one_setting_go_to_the_settings_of_a_slot_when_the_root_is_one() -> None:
    slot = resource("Microsoft.Web/sites/slots", "app-flask", "staging")
    config = slot.child("config", "appsettings")
    seen = look(REMEDIATOR, want_of(slot, {"A": Setting("1")}), {config: body_of(config, {})})
    (edit,) = seen.answers
    assert isinstance(edit, Edit)
    assert edit.resource == config
