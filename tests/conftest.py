"""What holds for every test: it belongs to one tier, which is counted, and it reaches nobody but this machine."""

import ipaddress
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.support import planted

# Nothing is asserted about time: a busy machine takes as long as it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TIERS = ("unit", "wire", "storage", "host", "cli")
_TIER = "tier"


# --- tiers ---


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test without a tier, or with two, would be missed by whoever runs one tier: it is an error."""
    wrong: set[str] = set()
    for item in items:
        tiers = {mark.name for mark in item.iter_markers()} & set(TIERS)
        if len(tiers) == 1:
            item.user_properties.append((_TIER, tiers.pop()))
        else:
            module = item.nodeid.partition("::")[0]
            wrong.add(f"{module}: {' and '.join(sorted(tiers)) or 'no tier'}")
    if wrong:
        remedy = f"give each test module one tier: pytestmark = pytest.mark.<{'|'.join(TIERS)}>"
        raise pytest.UsageError("\n".join([*sorted(wrong), remedy]))


class TierCount:
    """Counts what ran. The tier travels in the report, so that it is known wherever the test itself ran."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.not_run: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = dict(report.user_properties).get(_TIER)
        if report.when == "call" and report.outcome != "skipped":
            self.ran[str(tier)] += 1
        elif report.when in {"setup", "call"} and report.outcome != "passed":
            self.not_run[str(tier)] += 1  # skipped, or its fixtures failed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        told = [
            f"{tier} {self.ran[tier]}" + (f" ({self.not_run[tier]} not run)" if self.not_run[tier] else "")
            for tier in TIERS
        ]
        terminalreporter.write_line(f"tests by tier: {', '.join(told)}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(TierCount(), "tier-count")
    config.pluginmanager.register(planted, "planted-secrets")


# --- the network ---

_guarding = False


def _refuse_strangers(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, since every library and event loop connects through the one call that it sees."""
    if _guarding and event == "socket.connect" and not _is_here(arguments[1]):
        raise RuntimeError(f"a test wants to connect to {arguments[1]}: only this machine may be reached")


def _is_here(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket, or a kernel's own
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return bool(address[0] == "localhost")


sys.addaudithook(_refuse_strangers)


@pytest.fixture(autouse=True, scope="session")
def closed_network() -> Iterator[None]:
    """Sockets reach loopback alone. Programs that a test starts (installers, the Azure CLI) are not held to it."""
    global _guarding  # noqa: PLW0603  # a hook cannot be taken back, only told to be quiet
    _guarding = True
    yield
    _guarding = False
