"""What is declared has a digest that only its meaning changes, and a spec has a version that every letter changes."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homeostat.core.record import RootRecord
from homeostat.core.spec import Root, load, spec_version
from homeostat.core.versions import accepted, cause_in_spec, is_new, wants_digest
from remediators import REGISTRY
from tests.loop.stand import SPEC

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"


def root(text: str = SPEC, name: str = "spec.yaml", type_: str = "networksecuritygroups") -> Root:
    fleet = load({name: text}, REGISTRY, subscription=SUBSCRIPTION)
    (found,) = [root for root in fleet.roots.values() if type_ in root.id.key]
    return found


def test_a_version_changes_with_every_letter_and_file_name_and_with_nothing_else() -> None:
    assert spec_version({"a": "1", "b": "2"}) == spec_version({"b": "2", "a": "1"})
    versions = [{"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": ""}, {"a1": ""}, {}]
    assert len({spec_version(texts) for texts in versions}) == len(versions)


def test_a_fleet_and_its_roots_know_the_version_that_declares_them() -> None:
    texts = {"spec.yaml": SPEC}
    fleet = load(texts, REGISTRY, subscription=SUBSCRIPTION)
    assert {fleet.spec_version, *(root.spec_version for root in fleet.roots.values())} == {spec_version(texts)}


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + SPEC,
        SPEC.replace("ports: 443", 'ports: "443"'),
        SPEC.replace("REDIS_PORT: 6380", "REDIS_PORT: 6381"),
    ],
)
def test_where_and_how_something_is_written_and_what_other_kinds_say_is_no_other_want(text: str) -> None:
    assert wants_digest(root(text), "nsg_rules") == wants_digest(root(), "nsg_rules")
    assert wants_digest(root(name="elsewhere.yaml"), "nsg_rules") == wants_digest(root(), "nsg_rules")


@pytest.mark.parametrize(
    "text",
    [
        SPEC.replace("ports: 443", "ports: 8443"),
        SPEC.replace("ports: 443}", "ports: 443, mode: alert}"),
        SPEC.replace("mode: enforce", "mode: alert"),
        SPEC.replace("allow-https", "allow-tls"),
        SPEC.replace("    rules:", "    unmanaged: report\n    rules:"),
    ],
)
def test_another_want_mode_or_policy_has_another_digest(text: str) -> None:
    assert wants_digest(root(text), "nsg_rules") != wants_digest(root(), "nsg_rules")


def test_a_digest_is_the_same_in_every_process() -> None:
    program = (
        "from tests.core.test_versions import root; from homeostat.core.versions import wants_digest;"
        "print(wants_digest(root(), 'nsg_rules'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == wants_digest(root(), "nsg_rules")


def test_only_a_want_that_differs_from_the_accepted_one_is_new() -> None:
    old, new = root(), root(SPEC.replace("ports: 443", "ports: 8443"))
    assert not is_new(old, "nsg_rules", RootRecord())
    record = RootRecord(accepted=accepted(old, ["nsg_rules"], RootRecord(), NOW))
    assert not is_new(old, "nsg_rules", record)
    assert cause_in_spec(old, "nsg_rules", record) is None
    assert is_new(new, "nsg_rules", record)
    cause = cause_in_spec(new, "nsg_rules", record)
    assert cause is not None
    assert (cause.name, cause.was) == (f"spec version {new.spec_version}", f"spec version {old.spec_version}")


def test_what_is_no_longer_declared_is_no_longer_accepted() -> None:
    record = RootRecord(accepted=accepted(root(), ["nsg_rules"], RootRecord(), NOW))
    assert accepted(root(type_="sites/app-flask"), [], record, NOW) == {}
