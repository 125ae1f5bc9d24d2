"""The project's own pytest settings: tiers are kept apart and counted, and the network is closed."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[2]
CONFTEST = (PROJECT / "tests" / "conftest.py").read_text(encoding="utf-8")
MARKERS = "\n".join(f"    {tier}: a tier" for tier in ("unit", "wire", "storage", "host", "cli"))


@pytest.fixture(autouse=True)
def same_settings(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    options = ("addopts = --strict-markers", "asyncio_default_fixture_loop_scope = function", f"pythonpath = {PROJECT}")
    pytester.makeini("\n".join(("[pytest]", *options, f"markers =\n{MARKERS}\n")))


def run(pytester: pytest.Pytester, **modules: str) -> pytest.RunResult:
    pytester.makepyfile(**{f"test_{name}": f"import pytest\n{text}" for name, text in modules.items()})
    return pytester.runpytest_subprocess()


def test_the_end_says_how_many_tests_of_which_tier_ran(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        fast="pytestmark = pytest.mark.unit\ndef test_a(): pass\ndef test_b(): pass",
        slow="pytestmark = pytest.mark.host\ndef test_c(): pass\ndef test_d(): pytest.skip('not here')",
    )
    done.assert_outcomes(passed=3, skipped=1)
    done.stdout.fnmatch_lines("tests by tier: unit 2, wire 0, storage 0, host 1 (1 not run), cli 0")


def test_a_failed_test_has_run(pytester: pytest.Pytester) -> None:
    done = run(pytester, wrong="pytestmark = pytest.mark.wire\ndef test_a(): assert False")
    done.stdout.fnmatch_lines("tests by tier: unit 0, wire 1, *")


@pytest.mark.parametrize(
    ("marks", "said"),
    [("", "no tier"), ("pytestmark = [pytest.mark.unit, pytest.mark.host]", "host and unit")],
    ids=["none", "two"],
)
def test_a_module_without_exactly_one_tier_is_an_error(pytester: pytest.Pytester, marks: str, said: str) -> None:
    done = run(pytester, lost=f"{marks}\ndef test_a(): pass")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(f"*test_lost.py: {said}")


CONNECTS = """
import asyncio, socket
pytestmark = pytest.mark.unit

def test_directly():
    with socket.socket() as stranger, pytest.raises(RuntimeError, match="only this machine"):
        stranger.connect(("{host}", 9))

def test_on_an_event_loop():
    async def connect():
        await asyncio.open_connection("{host}", 9)
    with pytest.raises(RuntimeError, match="only this machine"):
        asyncio.run(connect())
"""


def test_no_test_reaches_another_machine(pytester: pytest.Pytester) -> None:
    """192.0.2.0/24 is nobody's (RFC 5737)."""
    run(pytester, socket=CONNECTS.format(host="192.0.2.1")).assert_outcomes(passed=2)


def test_every_test_reaches_this_machine(pytester: pytest.Pytester) -> None:
    served = """
import socket
pytestmark = pytest.mark.unit

def test_itself():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
"""
    run(pytester, own=served).assert_outcomes(passed=1)
