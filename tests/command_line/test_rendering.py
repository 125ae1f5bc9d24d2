"""One plan, four renderings: each says what differs and what would be done, and none says what it must not."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import override

import pytest

from homeostat.core.json import ABSENT, Value
from homeostat.core.model import Drift
from homeostat.core.outcome import Outcome, Status, outcome_json
from homeostat.core.plan import Plan
from homeostat.core.spec import load
from homeostat.render import FORMATS, markdown, text
from homeostat.render.report import Conclusion, Report
from homeostat.render.words import VALUE_LIMIT, summary, value_text
from remediators import REGISTRY
from tests.command_line import outcomes as given
from tests.remediators.world import look

pytestmark = pytest.mark.unit

type Render = Callable[[Report], str]

PLAN = Report.of(given.TARGETS, (given.PLANNED, given.BLOCKED, given.BLIND))
DRIFT = Report.of((given.SHOP_TARGET,), (given.PLANNED, given.BLOCKED))


def of_drift(drift: Drift) -> Report:
    return Report.of((given.SHOP_TARGET,), (Outcome(given.SHOP, Status.DRIFTED, Plan(given.SHOP, (drift,))),))


def of_statuses(*statuses: Status) -> Report:
    roots = (given.SHOP, given.NSG)
    outcomes = [Outcome(root, status, Plan(root)) for root, status in zip(roots, statuses, strict=False)]
    return Report.of((given.SHOP_TARGET,), outcomes)


# --- text -----------------------------------------------------------------------------------------------------------


def test_a_plan_as_text_shows_each_root_with_its_drifts_and_holds() -> None:
    assert (
        text.render(PLAN)
        == """\
shop (sites/shop in rg-shop)
  sites/shop in rg-shop: drifted
    ~ changed: app_settings PORT
        want "6380"
        have "6379"
    + missing: app_settings HOST
        want "redis.example.net"
    would write PUT sites/shop/config/appsettings (restarts the app) for 2 differences
  networkSecurityGroups/nsg-shared in rg-net: held
    ~ changed: nsg_rules allow-sql: priority
        want 100
        have 300
        held, paused: target shop is paused; looked at again at 2030-01-31T06:00:00+00:00
    * settling: nsg_rules allow-sql: ports
        want "1433"
        have "1434"
    - unmanaged: nsg_rules stray
        have {"access":"Allow"}

stock (sites/stock in rg-shop)
  networkSecurityGroups/nsg-shared in rg-net: see shop
  sites/stock in rg-shop: unknown
    GET /x: 403 AuthorizationFailed: no
    ? unknown: app_settings A (could not be read: denied)
        want "1"

Incomplete: 1 of 3 roots could not be judged or repaired; 1 write to do, 1 restart, 1 held.
"""
    )


def test_no_drift_as_text_is_three_lines() -> None:
    assert (
        text.render(Report.of((given.SHOP_TARGET,), (given.CALM,)))
        == """\
shop (sites/shop in rg-shop)
  as declared: sites/shop

No drift: 1 target, 1 root as declared.
"""
    )


def test_a_repair_as_text_says_what_was_written() -> None:
    assert (
        text.render(Report.of((given.SHOP_TARGET,), (given.HEALED,), done=True))
        == """\
shop (sites/shop in rg-shop)
  sites/shop in rg-shop: healed
    wrote PUT sites/shop/config/appsettings (restarts the app): app_settings PORT, app_settings HOST

Healed: 1 target, 1 root as declared; 1 write done, 1 restart, 0 held.
"""
    )


def test_colours_add_nothing_but_colours() -> None:
    coloured = text.render(PLAN, colour=True)
    assert "\x1b[33m" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == text.render(PLAN)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b2J", "line\nbreak", "\u202egnp.exe", "\x00", "\r"])
def test_nothing_that_others_wrote_reaches_the_terminal_as_a_command(hostile: str) -> None:
    drift = replace(given.CHANGED, have=hostile, item=f"A{hostile}", note=hostile)
    shown = text.render(of_drift(drift)).replace("\n", "")
    assert shown.isprintable()


def test_a_long_value_is_cut_and_its_length_told() -> None:
    assert value_text("x" * 5000).endswith("... (5002 characters)")
    assert len(value_text("x" * 5000)) < VALUE_LIMIT + 30


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("6380 ", '"6380 "'),
        (6380, "6380"),
        (None, "null"),
        (ABSENT, "(absent)"),
        ("Zürich", '"Zürich"'),
        ((1, 2), "[1,2]"),
    ],
)
def test_values_that_look_alike_are_told_apart(value: Value, shown: str) -> None:
    assert value_text(value) == shown


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_a_plan_as_json_has_the_shape_that_is_promised() -> None:
    told = json.loads(FORMATS["json"](DRIFT))
    assert list(told) == ["version", "conclusion", "done", "summary", "targets", "roots"]
    assert (told["version"], told["conclusion"], told["done"]) == (1, "drift", False)
    assert told["summary"] == {
        "targets": 1,
        "targetsAsDeclared": 0,
        "roots": 2,
        "rootsAsDeclared": 0,
        "rootsNotJudged": 0,
        "differences": 5,
        "writes": 1,
        "restarts": 1,
        "held": 1,
    }
    (target,) = told["targets"]
    shop, nsg = given.SHOP.text, given.NSG.text
    assert target == {"name": "shop", "webApp": shop, "status": "held", "roots": [shop, nsg]}
    assert told["roots"] == [json.loads(json.dumps(outcome_json(it))) for it in (given.PLANNED, given.BLOCKED)]


def test_a_root_that_targets_share_stands_once_in_the_json() -> None:
    told = json.loads(FORMATS["json"](PLAN))
    assert [root["root"] for root in told["roots"]] == [given.SHOP.text, given.NSG.text, given.STOCK.text]
    assert [len(target["roots"]) for target in told["targets"]] == [2, 2]


def test_a_run_told_by_the_service_looks_like_one_made_here() -> None:
    target = {"name": "shop", "webApp": given.SHOP.text, "roots": [given.NSG.text.upper(), given.SHOP.text]}
    outcomes = [outcome_json(it) for it in (given.PLANNED, given.BLOCKED)]
    assert text.render(Report.told((target,), outcomes)) == text.render(DRIFT)


# --- Markdown -------------------------------------------------------------------------------------------------------


def test_a_plan_as_markdown_shows_the_same_as_tables() -> None:
    assert (
        markdown.render(DRIFT)
        == """\
## Homeostat: drift

Drift: 1 of 1 target, 2 of 2 roots; 5 differences; 1 write to do, 1 restart, 1 held.

### shop

**sites/shop in rg-shop**: drifted

| | What | Wanted | Found | Held |
|---|---|---|---|---|
| changed | `app_settings PORT` | `"6380"` | `"6379"` |  |
| missing | `app_settings HOST` | `"redis.example.net"` | `(absent)` |  |

- would write `PUT sites/shop/config/appsettings` (restarts the app)

**networkSecurityGroups/nsg-shared in rg-net**: held

| | What | Wanted | Found | Held |
|---|---|---|---|---|
| changed | `nsg_rules allow-sql: priority` | `100` | `300` | paused: target shop is paused |
| settling | `nsg_rules allow-sql: ports` | `"1433"` | `"1434"` |  |
| unmanaged | `nsg_rules stray` | `(absent)` | `{"access":"Allow"}` |  |
"""
    )


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a|b", r'`"a\|b"`'),
        ("a`b", '``"a`b"``'),
        ("`", '``"`"``'),
        ("<script>", '`"<script>"`'),
        ("x\n# title", r'`"x\n# title"`'),
    ],
)
def test_a_value_cannot_break_out_of_its_cell(hostile: str, shown: str) -> None:
    page = markdown.render(of_drift(replace(given.CHANGED, have=hostile)))
    (row,) = [line for line in page.splitlines() if line.startswith("| changed |")]
    assert f" | {shown} | " in row


def test_a_note_can_be_no_markup_and_mention_nobody() -> None:
    shown = markdown.render(of_drift(replace(given.CHANGED, note="<b> [x](y) @team `z` | w")))
    assert r"(&lt;b\> \[x\](y) &#64;team \`z\` \| w)" in shown


# --- HTML -----------------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The elements of a page with their attributes, its text, and whether every element was closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_plan_as_html_is_one_page_that_says_it_all() -> None:
    page = _Page(FORMATS["html"](PLAN))
    words = " ".join("".join(page.words).split())
    assert page.open == []
    for said in ("Incomplete", "app_settings PORT", '"6379"', "paused: target shop is paused", "AuthorizationFailed"):
        assert said in words


def test_the_page_runs_nothing_and_needs_nothing_from_elsewhere() -> None:
    page = _Page(FORMATS["html"](PLAN))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [
        name for _, attributes in page.elements for name in attributes if name in {"src", "href"} or name[:2] == "on"
    ]


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>", "&lt;"]
)
def test_whatever_others_wrote_is_text_on_the_page(hostile: str) -> None:
    drift = replace(given.CHANGED, item=hostile, have=hostile, note=hostile)
    calm, page = _Page(FORMATS["html"](of_drift(given.CHANGED))), _Page(FORMATS["html"](of_drift(drift)))
    added = [element for element in page.elements if element not in calm.elements]
    assert added == [("br", {})]
    assert "".join(page.words).count(hostile) >= 2


# --- what it comes to -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "conclusion"),
    [
        ((Status.IN_SYNC, Status.HEALED), Conclusion.AS_DECLARED),
        ((Status.IN_SYNC, Status.PLANNED), Conclusion.DRIFT),
        ((Status.IN_SYNC, Status.DRIFTED), Conclusion.DRIFT),
        ((Status.IN_SYNC, Status.HELD), Conclusion.DRIFT),
        ((Status.IN_SYNC, Status.MISSING), Conclusion.DRIFT),
        ((Status.IN_SYNC, Status.SETTLING), Conclusion.DRIFT),
        ((Status.IN_SYNC, Status.RETIRED), Conclusion.DRIFT),
        ((Status.PLANNED, Status.UNKNOWN), Conclusion.ERROR),
        ((Status.IN_SYNC, Status.UNKNOWN), Conclusion.ERROR),
        ((Status.IN_SYNC, Status.FAILED), Conclusion.ERROR),
        ((Status.IN_SYNC, Status.BUSY), Conclusion.ERROR),
        ((Status.IN_SYNC, Status.IGNORED), Conclusion.ERROR),
    ],
)
def test_what_could_not_be_judged_is_never_taken_for_no_drift(
    statuses: tuple[Status, Status], conclusion: Conclusion
) -> None:
    assert of_statuses(*statuses).conclusion is conclusion


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
def test_every_status_can_be_shown(status: Status, render: Render) -> None:
    assert render(of_statuses(status))


def test_a_status_that_only_a_later_service_knows_is_not_good_news() -> None:
    told = {**outcome_json(given.CALM), "status": "brand-new"}
    target = {"name": "shop", "webApp": given.SHOP.text, "roots": [given.SHOP.text]}
    assert Report.told((target,), (told,)).conclusion is Conclusion.ERROR


def test_the_summary_counts_in_good_english() -> None:
    assert summary(DRIFT) == "Drift: 1 of 1 target, 2 of 2 roots; 5 differences; 1 write to do, 1 restart, 1 held."


# --- secrets --------------------------------------------------------------------------------------------------------

SPEC = """\
target: shop
web_app: shop
resource_group: rg-shop
app_settings:
  unmanaged: report
  settings:
    API_KEY: "@Microsoft.KeyVault(SecretUri=https://kv-shop.vault.azure.net/secrets/api-key)"
    DB_PASSWORD: {secret: true}
    DB: Server=tcp:db.example.net
    PORT: 6380
"""
SECRETS = ("planted-api-key", "planted-password", "planted-stray", "planted-connection")


@pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
def test_no_rendering_shows_a_secret_that_stands_in_the_web_app(render: Render) -> None:
    fleet = load({"shop.yaml": SPEC}, REGISTRY, subscription=given.SUBSCRIPTION)
    target, want = fleet.targets["shop"], fleet.roots[given.SHOP].wants["app_settings"]
    found = {
        "API_KEY": "planted-api-key",
        "DB_PASSWORD": "planted-password",
        "DB": "Server=tcp:db.example.net;Password=planted-connection",
        "STRAY": "planted-stray",
        "PORT": "6379",
    }
    seen = look(REGISTRY["app_settings"], want, {given.SETTINGS: {"properties": found}})
    outcome = Outcome(given.SHOP, Status.DRIFTED, Plan(given.SHOP, seen.drifts))
    shown = render(Report.of((target,), (outcome,)))
    assert all(name in shown for name in ("API_KEY", "DB", "STRAY", "6379"))
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
def test_no_rendering_shows_the_body_of_a_write(render: Render) -> None:
    assert "never shown" not in render(PLAN)
