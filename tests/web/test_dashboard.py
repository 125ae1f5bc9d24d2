"""The dashboard shows what people wrote as text, whatever they wrote."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.json import JsonObject
from homeostat.web.dashboard import MAX_ROWS, page

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;"


class Reader(HTMLParser):
    """The tags and the text of a page, as a browser takes them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def health(problem: str = "", mode: str = "enforce") -> JsonObject:
    return {"status": "ok", "problem": problem, "mode": mode, "targets": 1, "roots": 2, "pauses": []}


def target(text: str = "app-flask", *, retired: bool = False, troubled: bool = True) -> JsonObject:
    actor = {"name": text, "kind": text, "tool": text, "address": text, "at": text, "operation": text, "was": ""}
    episode: JsonObject = {"root": text, "kind": text, "state": text, "since": text, "changedBy": actor}
    pause = {"target": text, "until": text, "reason": text, "by": text}
    return {
        "name": text,
        "kinds": [text],
        "roots": [f"/a/{text.replace('/', ' ')}"],
        "retired": retired,
        "episodes": [episode] if troubled else [],
        "pauses": [pause] if troubled else [],
    }


def test_a_target_without_episodes_is_as_declared() -> None:
    assert "as declared" in Reader(page(health(), [target(troubled=False)], NOW)).text


def test_a_target_that_nobody_looked_at_is_not_told_as_declared_and_stands_behind_what_is_open() -> None:
    unsure: JsonObject = {"unsure": [{"root": "/a/r", "why": "not looked at yet"}]}
    new = {**target("new", troubled=False), **unsure}
    text = Reader(page(health(), [target("calm", troubled=False), new, target("open")], NOW)).text
    assert "1 of 1 root not looked at yet" in text
    assert text.index("open") < text.index("new") < text.index("calm")


def test_what_the_flap_breaker_leaves_alone_is_told() -> None:
    flap: JsonObject = {"root": "r", "kind": "nsg_rules", "what": "allow-sql", "healed": 3, "trips": 1, "until": "noon"}
    text = Reader(page(health(), [{**target(troubled=False), "flapping": [flap]}], NOW)).text
    assert "flapping: nsg_rules allow-sql came back after 3 repairs; left alone until noon" in text


def test_a_retired_target_says_so() -> None:
    text = Reader(page(health(), [target(retired=True)], NOW)).text
    assert "the web app is gone" in text
    assert "as declared" not in text


def test_a_quota_of_which_little_is_left_is_told() -> None:
    budget: JsonObject = {
        "quota": "subscription-reads",
        "subscription": "s1",
        "region": "westeurope",
        "left": 9,
        "of": 187,
    }
    text = Reader(page({**health(), "budgets": [budget]}, [], NOW)).text
    assert "9 of 187 subscription-reads are left to this instance in s1 westeurope" in text


@pytest.mark.parametrize(
    ("state", "word"),
    [("Homeostat.DriftDetected.v1", "drifted"), ("Homeostat.Held.v1", "held"), ("Homeostat.Failed.v1", "failing")],
)
def test_an_episode_is_told_as_people_say_it(state: str, word: str) -> None:
    shown = {**target(troubled=False), "episodes": [{"kind": "nsg_rules", "state": state, "since": "today"}]}
    assert f"{word}: nsg_rules since today" in Reader(page(health(), [shown], NOW)).text


def test_an_episode_names_who_changed_it() -> None:
    actor = {"name": "anna@contoso.example", "kind": "user", "tool": "Azure CLI", "operation": "x/write"}
    shown = target(troubled=False)
    episode: JsonObject = {"kind": "nsg_rules", "state": "Homeostat.Held.v1", "since": "today", "changedBy": actor}
    text = Reader(page(health(), [{**shown, "episodes": [episode]}], NOW)).text
    assert "changed by anna@contoso.example (user) with Azure CLI, by x/write" in text


def approval(text: str = "app", state: str = "pending", by: str = "") -> JsonObject:
    change = {"does": text, "resource": text, "kind": text, "item": text, "path": text}
    root = f"/a/{text.replace('/', ' ')}"
    return {"id": text, "root": root, "targets": [text], "changes": [change], "expires": text, "state": state, "by": by}


def test_what_waits_for_a_person_is_told_with_the_command_that_decides_and_no_link() -> None:
    html = page(health(), [], NOW, approvals=[approval("0a-1"), approval("0a-2", "approved", "Ben")])
    assert "waits for approval: python -m homeostat approve 0a-1" in Reader(html).text
    assert "approved by Ben" in Reader(html).text
    assert "href" not in html


def test_of_a_large_fleet_those_with_something_to_tell_are_shown_first_and_the_rest_is_counted() -> None:
    quiet = [target(f"quiet-{number:04}", troubled=False) for number in range(MAX_ROWS)]
    text = Reader(page(health(), [*quiet, target("loud")], NOW)).text
    assert text.index("loud") < text.index("quiet-0000")
    assert f"quiet-{MAX_ROWS - 1:04}" not in text
    assert "and 1 more, none of them with something to tell" in text


def test_an_empty_fleet_and_a_problem_are_told() -> None:
    text = Reader(page(health("app.yaml:3: mode"), [], NOW)).text
    assert "No target is declared" in text
    assert "app.yaml:3: mode" in text


@given(st.just(HOSTILE) | st.text(max_size=30))
def test_no_value_becomes_markup(value: str) -> None:
    harmless = Reader(page(health("problem", "mode"), [target("name")], NOW, approvals=[approval("name")]))
    hostile = Reader(page(health(value or "x", value), [target(value)], NOW, approvals=[approval(value)]))
    assert hostile.tags == harmless.tags


def test_hostile_text_is_shown_as_it_was_written() -> None:
    assert HOSTILE in Reader(page(health(HOSTILE), [target(HOSTILE)], NOW)).text
