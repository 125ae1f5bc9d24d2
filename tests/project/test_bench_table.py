"""How measurements become a table, and its verdicts a line that a machine can read."""

import pytest

from bench.rows import Row, at_most, markdown, text

pytestmark = pytest.mark.unit

SHOWN = Row("time of the simulator", "1.1 ms")
MET = Row("ready", "0.60 s", "an empty app: 0.50 s", 1.2, *at_most(1.3, 1.2))
MISSED = Row("memory", "61 MiB", "", None, *at_most(60, 61, " MiB"))


def test_a_target_is_reached_up_to_its_very_limit() -> None:
    assert [at_most(1.3, value)[1] for value in (1.2, 1.3, 1.31)] == [True, True, False]


def test_each_row_says_whether_its_target_is_met_and_nothing_where_it_has_none() -> None:
    assert [row.cells[-1] for row in (SHOWN, MET, MISSED)] == ["", "met", "missed"]
    assert MISSED.cells[-2] == "at most 60 MiB"


def test_columns_stand_under_their_headings() -> None:
    heading, *lines = text([SHOWN, MET, MISSED]).splitlines()
    column = heading.index("Homeostat")
    assert [line[column:].split("  ")[0] for line in lines] == ["1.1 ms", "0.60 s", "61 MiB"]


def test_the_page_has_one_line_for_each_row() -> None:
    assert markdown([MET]).splitlines()[2] == "| ready | 0.60 s | an empty app: 0.50 s | 1.20 | at most 1.3 | met |"
