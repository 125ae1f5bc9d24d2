"""A line of the ledger that holds no more than a word says whose it was, and is never taken for a look that failed."""

from datetime import UTC, datetime

import pytest

from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Decision, Trigger, decision_entry
from homeostat.render import history
from tests.command_line import outcomes as given

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("word", Decision)
def test_a_word_is_told_with_whose_it_was_and_why(word: Decision) -> None:
    entry = decision_entry(word, given.NSG, ("shop",), Trigger("a person", caller="Ben", reason="moved"), AT)
    assert history.render(entry) == f"{AT.isoformat()} {given.NSG.short} {word} by Ben: moved\n"


def test_what_nobody_said_names_nobody() -> None:
    entry = decision_entry(Decision.NO_LONGER_MANAGED, given.SHOP, ("shop",), Trigger("spec"), AT)
    assert history.render(entry) == f"{AT.isoformat()} {given.SHOP.short} no-longer-managed\n"


def test_a_reason_cannot_write_over_the_terminal() -> None:
    trigger = Trigger("resume", caller="Ben", reason="\x1b[2Jgone")
    entry = decision_entry(Decision.RESUMED, given.NSG, ("shop",), trigger, AT)
    assert "\x1b" not in history.render(entry)


def test_one_word_about_many_roots_is_one_line() -> None:
    def said(root: ResourceId, caller: str) -> JsonObject:
        return decision_entry(Decision.RESUMED, root, ("shop",), Trigger("resume", caller=caller, reason="moved"), AT)

    entries = [said(given.NSG, "Ben"), said(given.SHOP, "Ben"), said(given.NSG, "Eve")]
    assert list(history.pages(entries)) == [
        f"{AT.isoformat()} 2 roots resumed by Ben: moved\n",
        f"{AT.isoformat()} {given.NSG.short} resumed by Eve: moved\n",
    ]
