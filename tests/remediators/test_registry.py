"""The registry names every kind, and no kind goes without the contract."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from remediators import PROBES, REGISTRY, WITHOUT_PROBES
from tests.probes.contract import ProbeContract
from tests.remediators.contract import RemediatorContract
from tests.remediators.examples import EXAMPLES

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

REPORT = """
import tests.remediators.world as world
from remediators import PROBES, REGISTRY, WITHOUT_PROBES
from tests.remediators.examples import EXAMPLES
for kind, (want, bodies) in EXAMPLES.items():
    seen = world.look(REGISTRY[kind], want, bodies)
    print([(drift.key, drift.want, drift.have) for drift in seen.drifts])
    print([(entry.drift.key, getattr(entry, "path", ()), getattr(entry, "value", "")) for entry in seen.answers])
"""


@pytest.mark.parametrize("kind", WITHOUT_PROBES)
def test_every_registered_kind_is_held_to_the_contract(kind: str) -> None:
    contract = import_module(f"tests.remediators.test_{kind}").TestContract
    assert issubclass(contract, RemediatorContract)
    assert contract.remediator is REGISTRY[kind]


@pytest.mark.parametrize("kind", sorted(PROBES))
def test_every_probe_is_held_to_what_needs_no_repair(kind: str) -> None:
    contract = import_module(f"tests.probes.test_{kind}").TestContract
    assert issubclass(contract, ProbeContract)
    assert contract.remediator is REGISTRY[kind]


def test_the_kinds_without_probes_are_all_others() -> None:
    assert [*WITHOUT_PROBES] == [kind for kind in REGISTRY if kind not in PROBES]


@pytest.mark.parametrize("kind", WITHOUT_PROBES)
def test_every_registered_kind_has_an_example_for_comparisons_between_processes(kind: str) -> None:
    assert kind in EXAMPLES


@pytest.mark.parametrize("kind", REGISTRY)
def test_a_kind_is_registered_under_its_own_name(kind: str) -> None:
    assert REGISTRY[kind].kind == kind


def test_a_kind_that_nobody_registered_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        REGISTRY["no_such_kind"]


def test_the_registry_imports_no_kind_before_it_is_asked_for() -> None:
    program = "import sys, remediators; print([name for name in sys.modules if name.startswith('remediators.')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_answers_are_the_same_under_every_hash_seed() -> None:
    outputs = set()
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", REPORT], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert "allow-sql" in outputs.pop()
