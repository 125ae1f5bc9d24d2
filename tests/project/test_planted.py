"""The watch for planted secrets can fail: a sample leaks in every way, and each leak is told with its test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.planted import HOST_KEY, PLANTED, found_in

pytestmark = pytest.mark.host

PROJECT = Path(__file__).parents[2]

SAMPLE = """
import base64, logging, sys
import pytest
from homeostat.core import json
from simulator.worlds import PASSWORD
from tests.loop.stand import stand
from tests.support.planted import watch

def test_prints(): print("settings:", {"DB_PASSWORD": PASSWORD})
def test_says_on_stderr(): print(PASSWORD, file=sys.stderr)
def test_logs(): logging.getLogger("homeostat").error("found %s", PASSWORD)
def test_encodes(): print(base64.b64encode(PASSWORD.encode()).decode())
def test_raises(): raise ValueError(PASSWORD)
def test_answers(): watch("an answer", json.render({"have": PASSWORD}))
def test_stores(): run(lambda it: it.service.remediations.run_store.save("1", {"reason": PASSWORD}))
def test_enqueues(): run(lambda it: it.engine.store.queues.send("homeostat-work", PASSWORD))
def test_alerts():
    it = stand()
    run(lambda it: it.inbox.publish([CloudEventData("1", "t", "s", "u", it.ambient.now(), {"have": PASSWORD})]), it)
def test_fails_at_work():
    it = stand()
    it.failures.append(ValueError(PASSWORD))
@pytest.fixture
def leaves(): yield print(PASSWORD)
def test_sets_up(leaves): pass
def test_keeps_to_itself(): assert PASSWORD

import asyncio
from homeostat.ports.alerts import CloudEventData
def run(what, it=None): asyncio.run(what(it or stand()))
"""

WAYS = {
    "prints": "captured stdout call",
    "says_on_stderr": "captured stderr call",
    "logs": "captured log call",
    "encodes": "captured stdout call",
    "raises": "how it failed",
    "answers": "an answer",
    "stores": "the stored row runs/1",
    "enqueues": "a message of the queue homeostat-work",
    "alerts": "the alert 1",
    "fails_at_work": "an exception of the queue worker",
    "sets_up": "captured stdout setup",
}


def run_sample(folder: Path, *options: str) -> str:
    sample = folder / "test_sample.py"
    sample.write_text(SAMPLE, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), "--noconftest", "-rA", *options]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTEST_ADDOPTS": ""}
    plugin = ["-p", "tests.support.planted", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *plugin, str(sample)], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("options", [(), ("--numprocesses", "2")], ids=["alone", "with workers"])
def test_every_way_out_fails_the_test_that_took_it(tmp_path: Path, options: tuple[str, ...]) -> None:
    said = run_sample(tmp_path, *options)
    for way, where in WAYS.items():
        assert f"test_sample.py::test_{way}" in said
        assert f"in {where}" in said, way
    summary = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR")) and "::test_" in line]
    failed = {line.partition("::test_")[2].partition(" ")[0] for line in summary}
    assert failed == WAYS.keys()


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_value_is_found_in_the_middle_of_a_text(name: str) -> None:
    assert found_in(f'{{"have":"x{PLANTED[name]}y"}}') == [name]


def test_a_text_without_one_is_clean() -> None:
    assert found_in(f"DB_PASSWORD, {HOST_KEY[:10]}, (secret)") == []
