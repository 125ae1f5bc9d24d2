"""What a snapshot holds, and above all what it does not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import snapshot
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE, SITE, SITE_CONFIG, arm_type
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json
from homeostat.core.model import Declared, Drift, Edit, Facts, Found, Gone, Mode, Place, Read, Want
from homeostat.core.outcome import Trigger
from homeostat.core.plan import Action, Verb, merge
from homeostat.core.record import Intent
from homeostat.core.spec import Root
from remediators.app_settings import Setting

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, 0, 0, 123, tzinfo=UTC)
INTENT = Intent("11111111-2222-3333-4444-abcdefabcdef", NOW, ("PUT x", "PUT y"))
SITE_ID = ResourceId.of("s", "rg", SITE.name, "app")
SETTINGS = SITE_ID.child("config", "appsettings")
NSG = ResourceId.of("s", "rg", NETWORK_SECURITY_GROUP.name, "nsg")
ANNA = Trigger("manual", caller="Anna", reason="why")


def digest(secret: str) -> str:
    return f"digest of {len(secret)}"


def settings_root(**values: str | None) -> Root:
    items = {name: Declared(Setting(value), Mode.ENFORCE, ("app",), Place("f", 1)) for name, value in values.items()}
    return Root(SITE_ID, {"app_settings": Want(SITE_ID, items)}, ("app",))


def setting(name: str, value: str, have: Any = "(secret)") -> Edit:
    return Edit(Drift("app_settings", SETTINGS, ("properties", name), name, value, have), ("properties", name), value)


def taken(root: Root, found: dict[str, str], *edits: Edit) -> snapshot.Snapshot:
    facts: Facts = {Read(SITE_CONFIG, SETTINGS): Found({"id": SETTINGS.text, "properties": found})}
    (action,) = merge(edits, facts)
    return snapshot.taken(root, action, INTENT, 1, ANNA, digest)


def rule_edit(name: str, value: Json, have: Any, *path: str) -> Edit:
    return Edit(Drift("nsg_rules", NSG.child("securityRules", name), path, name, value, have), path, value)


# --- secrets ---

reference = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/x)"


@pytest.mark.parametrize(
    ("name", "declared", "found"),
    [
        ("DB_PASSWORD", "(declared in clear)", "hunter2"),  # by its name
        ("PLAIN", "x", "AccountKey=abcdefgh"),  # by its value
        ("PLAIN", None, "hunter2"),  # declared `secret: true`
        ("PLAIN", reference, "hunter2"),  # in the place of a reference
    ],
)
def test_what_may_be_a_secret_is_a_digest_and_is_not_restorable(name: str, declared: str | None, found: str) -> None:
    kept = taken(settings_root(**{name: declared}), {name: found, "THEIRS": "theirs"}, setting(name, "new"))
    assert found not in json.dumps(snapshot.to_json(kept))
    assert "theirs" not in json.dumps(snapshot.to_json(kept))
    (inverse,) = kept.inverses
    assert inverse.is_secret
    assert inverse.before == {snapshot.DIGEST: digest(found)}


def test_a_declared_value_and_a_reference_are_kept_in_clear() -> None:
    root = settings_root(PORT="6380", API=reference)
    kept = taken(root, {"PORT": "1", "API": reference}, setting("PORT", "6380"))
    assert kept.body == {"id": SETTINGS.text, "properties": {"PORT": "1", "API": reference}}
    assert [(each.before, each.after, each.is_secret) for each in kept.inverses] == [("1", "6380", False)]


def test_what_a_drift_tells_in_clear_is_kept_in_clear_also_where_another_kind_owns_it() -> None:
    edit = Edit(
        Drift("route_all", SETTINGS, ("properties", "X"), "legacy_setting", ABSENT, "1"), ("properties", "X"), ABSENT
    )
    (inverse,) = taken(Root(SITE_ID, {}, ("app",)), {"X": "1"}, edit).inverses
    assert (inverse.before, inverse.after) == ("1", ABSENT)


def test_secrets_of_other_resources_are_found_by_name_and_by_value_at_any_depth() -> None:
    body: Json = {
        "properties": {"list": [{"clientSecret": "hunter2"}], "url": "https://a:hunter2@b.example", "port": 1}
    }
    masked = snapshot.masked(NSG, (), body, frozenset(), digest)
    assert "hunter2" not in json.dumps(masked)
    assert snapshot.hides(masked)
    assert not snapshot.hides({"properties": {"port": 1, "names": ["a"]}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_nothing_of_app_settings_that_nobody_declares_is_ever_shown(found: dict[str, Json]) -> None:
    masked = snapshot.masked(SETTINGS, (), {"properties": found}, frozenset(), lambda _: "*")
    assert isinstance(masked, dict)
    assert texts(masked["properties"]) <= {"*"}


def texts(value: Json) -> set[str]:
    if isinstance(value, str):
        return {value}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for member in members for text in texts(member)}


# --- what changed ---


def test_each_edit_of_a_group_has_its_inverse_from_the_childs_own_part_of_the_body() -> None:
    rules: list[Json] = [
        {"name": "a", "properties": {"access": "Deny"}},
        {"name": "B", "properties": {"access": "Deny"}},
    ]
    facts: Facts = {
        Read(NETWORK_SECURITY_GROUP, NSG): Found({"location": "w", "properties": {"securityRules": rules}}, "e")
    }
    edits = (
        rule_edit("a", "Allow", "Deny", "properties", "access"),
        rule_edit("b", ABSENT, {}),  # type: ignore[arg-type]  # the whole rule is removed
        rule_edit("c", {"properties": {"access": "Allow"}}, ABSENT),
    )
    (action,) = merge(edits, facts)
    found = {each.resource.name: (each.before, each.after) for each in snapshot.inverses(action)}
    assert found["a"] == ("Deny", "Allow")
    assert found["b"] == ({"properties": {"access": "Deny"}}, ABSENT)
    assert found["c"] == (ABSENT, {"properties": {"access": "Allow"}})


def test_what_was_only_seen_through_another_resource_is_known_by_its_drift() -> None:
    rule = NSG.child("securityRules", "a")
    (created,) = merge([rule_edit("a", {}, ABSENT)], {Read(SECURITY_RULE, rule): Gone()})
    assert snapshot.as_seen(created) == created
    drift = Drift("vnet_integration", rule, ("properties", "subnet"), "a", "new", "old")
    (action,) = merge([Edit(drift, (), {"properties": {"subnet": "new"}})], {})
    (inverse,) = snapshot.inverses(snapshot.as_seen(action))
    assert (inverse.before, inverse.after) == ({"properties": {"subnet": "old"}}, {"properties": {"subnet": "new"}})


def test_what_nobody_has_looked_at_is_not_replaced() -> None:
    (action,) = merge([rule_edit("a", {}, "something")], {})
    with pytest.raises(snapshot.Unseen, match="securityRules/a"):
        snapshot.as_seen(action)


# --- what is there now ---


@pytest.mark.parametrize(
    ("current", "written", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),  # ARM adds members
        ({"a": "/SUBS/X"}, {"a": "/subs/x"}, True),  # and changes case
        ({"port": "1433"}, {"port": 1433}, True),
        ({}, {"a": None}, True),  # and leaves out what is null
        (ABSENT, None, True),
        (ABSENT, ABSENT, True),
        ({}, ABSENT, False),
        (ABSENT, {}, False),
        ({"a": 2}, {"a": 1}, False),
        (["a", "b"], ["a"], False),
        (["A"], ["a"], True),
        (True, "true", True),
        (False, True, False),
        (ABSENT, "", False),
    ],
)
def test_whether_a_value_is_as_it_was_written(current: Any, written: Any, *, expected: bool) -> None:
    assert snapshot.holds(current, written) is expected


@given(json_values)
def test_what_was_written_is_there_when_nothing_changed(value: Json) -> None:
    assert snapshot.holds(value, value)


# --- names and JSON ---


def test_names_lead_to_the_root_and_sort_by_time() -> None:
    first, second = snapshot.names(NSG, INTENT)
    assert first.startswith(snapshot.folder(NSG))
    assert snapshot.parsed(first) == (NSG.key, NOW)
    later = snapshot.name(NSG, Intent("x-0", NOW.replace(second=1), ("PUT x",)), 1)
    assert first < second < later
    assert not first.startswith(snapshot.folder(SITE_ID))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a.json",
        "s/snapshots/yesterday-1.json",
        "s/snapshots/20261301T000000.000000Z-0a-1.json",
        "251594294400000000-000000000000",
    ],
)
def test_a_blob_of_another_name_is_no_snapshot(name: str) -> None:
    assert snapshot.parsed(name) is None


@given(json_values, st.just(ABSENT) | json_values)
def test_a_snapshot_is_read_back_as_it_was_stored(value: Json, before: Any) -> None:
    body = {"properties": {"value": value}} if before is not ABSENT else ABSENT
    rule = NSG.child("securityRules", "a")
    edit = rule_edit("a", value, "x", "properties", "value")
    action = Action(rule, arm_type(rule), Verb.PUT, (edit,), {}, before=body)
    kept = snapshot.taken(Root(NSG, {}, ("app",)), action, INTENT, 2, ANNA, digest)
    assert snapshot.from_json(json.loads(json.dumps(snapshot.to_json(kept)))) == kept
