"""Deliberate defects of the source: each can still be applied, the page lists all, and some are caught each time."""

import re
import shutil
from pathlib import Path

import pytest

from tests.nights.defects import DEFECTS, Defect, Patch
from tests.nights.mutants import PAGE, PROJECT, Gone, Verdict, caught, page, put_in
from tests.nights.promises import PROMISES

pytestmark = pytest.mark.wire

ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (?:\d+ nights?|test) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

CAUGHT_AT_ONCE = {
    "app settings are written without being read again": "settings are read again before they are written",
    "no If-Match is sent": "no network write without a precondition",
    "the intent is not stored": "every write has its intent",
    "the snapshot is stored after the write": "every write has its snapshot",
}
"""A promise that each defect breaks within a few nights."""


def _copy_of(file: str, folder: Path) -> Path:
    copy = folder / file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / file, copy)
    return copy


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_every_defect_can_be_put_in_and_leaves_the_file_python(defect: Defect, tmp_path: Path) -> None:
    files = {patch.file: _copy_of(patch.file, tmp_path) for patch in defect.patches}
    put_in(defect, tmp_path)
    for name, copy in files.items():
        text = copy.read_text(encoding="utf-8")
        assert text != (PROJECT / name).read_text(encoding="utf-8")
        compile(text, name, "exec")


def test_a_defect_whose_place_is_gone_is_an_error(tmp_path: Path) -> None:
    _copy_of("homeostat/engine.py", tmp_path)
    defect = Defect("nothing", (Patch("homeostat/engine.py", "this was never there", ""),))
    with pytest.raises(Gone, match="has this 0 times, not once"):
        put_in(defect, tmp_path)


def test_the_page_lists_every_defect_with_a_promise_or_a_test_that_caught_it() -> None:
    assert [name for name, _ in ROWS] == [defect.name for defect in DEFECTS]
    for _, by in ROWS:
        assert all(
            each in PROMISES or each.startswith("test_") for each in re.sub(r" and \d+ more$", "", by).split(", ")
        )


@pytest.mark.parametrize("name", CAUGHT_AT_ONCE)
def test_a_defect_of_the_source_is_caught_within_a_few_nights(name: str) -> None:
    defect = next(each for each in DEFECTS if each.name == name)
    verdict = caught(defect, nights=12)
    assert CAUGHT_AT_ONCE[name] in verdict.by


def test_what_nothing_catches_stands_out_on_the_page() -> None:
    assert "| it | **nothing** | 7 nights |" in page([Verdict(Defect("it", ()), (), 7)])
