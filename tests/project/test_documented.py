"""The pages name what the code has, and nothing that it has not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeostat.core.access import AppRole
from homeostat.core.policy import DEFAULT_POLICY
from homeostat.core.spec import load
from remediators import REGISTRY
from tests.support.role import CLOSE_DOORS

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
ACCESS = (PROJECT / "docs" / "access.md").read_text(encoding="utf-8")
OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\bHOMEOSTAT_[A-Z]+(?:_[A-Z]+)*\b")
PREFIXES = {"HOMEOSTAT_SETTLE_SECONDS_NSG_RULES"}  # an example of a name that ends with a kind
CODES = (  # where a hold gets its code: a constant of the loop, or the remediator's word
    re.compile(r'^[A-Z_]+(?:: Final)? = "([a-z]+(?:-[a-z]+)+|paused|retest|rollout|flapping)"$', re.MULTILINE),
    re.compile(r'(?:Hold\(|Obstacle\(\w+, )"([a-z-]+)"'),
)


def sources(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in (PROJECT / folder).rglob("*.py"):
            yield path.read_text(encoding="utf-8")


def rows(page: str, heading: str) -> set[str]:
    """The first cells of the table below a heading, their code alone."""
    section = page.partition(heading)[2].partition("\n## ")[0]
    return {name for line in section.splitlines() if line.startswith("| `") for name in _codes(line.split("|")[1])}


def _codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_variable_that_is_read_is_in_the_readme_and_no_other() -> None:
    triggers = (PROJECT / "function_app.py").read_text(encoding="utf-8")
    read = {name for text in (triggers, *sources("homeostat")) for name in VARIABLE.findall(text)}
    assert {name for name in rows(README, "## Settings") if name.startswith("HOMEOSTAT_")} == read
    assert set(VARIABLE.findall(README)) - read == PREFIXES


def test_the_readme_has_every_kind_that_can_be_declared() -> None:
    assert rows(README, "**What it can keep today**") == set(REGISTRY)


def test_every_hold_is_explained() -> None:
    texts = [*sources("remediators"), *sources("homeostat/core/gate"), *map(_core, ("decision", "plan", "refusal"))]
    used = {code for text in texts for pattern in CODES for code in pattern.findall(text)}
    assert used - rows(OPERATIONS, "## Holds") == set()


def test_what_the_tests_add_to_the_role_is_what_people_are_told_to_add() -> None:
    assert [action for action in CLOSE_DOORS if f"`{action}`" not in ACCESS] == []


def test_every_app_role_is_explained_and_can_be_registered() -> None:
    roles = {role.value for role in AppRole}
    assert rows(ACCESS, "## Who may call") == roles
    assert set(re.findall(r'"value": "([\w.]+)"', ACCESS)) == roles


def test_the_policy_page_shows_the_defaults() -> None:
    page = (PROJECT / "docs" / "policy.md").read_text(encoding="utf-8")
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    policy = load({"policy.yaml": shown}, REGISTRY, subscription="s").policy
    assert policy == DEFAULT_POLICY
    keys = {key for section in policy.model_dump(mode="json").values() if isinstance(section, dict) for key in section}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def _core(module: str) -> str:
    return (PROJECT / "homeostat" / "core" / f"{module}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page",
    sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "examples").rglob("*.md")]),
    ids=lambda page: str(page.relative_to(PROJECT)),
)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not _exists(page, link)] == []


def _exists(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
