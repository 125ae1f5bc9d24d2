"""Any text becomes a key that Azure Tables accepts, and keys sort as the texts do."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homeostat.azure.keys import CUT, escaped, lower_bound, stored, upper_bound

pytestmark = pytest.mark.unit

NAMES = st.text(min_size=1)
BEGINNING = "/subscriptions/" * 40
LONG = st.builds("".join, st.tuples(st.just(BEGINNING[:405]), st.text(max_size=40)))
ANY = NAMES | LONG


@given(ANY, ANY)
@example("a.b", "a/b")
@example("a-b", "a/b")
@example("a/", "a0")
@example("a'", "a(")
def test_escaped_names_sort_as_the_names_do(one: str, other: str) -> None:
    assert (escaped(one) < escaped(other)) == (one < other)
    assert (escaped(one) == escaped(other)) == (one == other)


@given(ANY)
def test_a_key_holds_only_what_the_service_accepts(name: str) -> None:
    assert re.fullmatch(r"[!-.0-;A-\[_-~]{1,512}", stored(name))


@given(ANY, ANY)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert (stored(one) == stored(other)) == (one == other)


@given(ANY, ANY)
def test_the_bounds_of_a_range_include_every_name_in_it(name: str, bound: str) -> None:
    if name >= bound:
        assert stored(name) >= lower_bound(bound)
    else:
        assert stored(name) < upper_bound(bound)


@given(LONG, LONG)
def test_keys_that_do_not_share_a_cut_sort_as_their_names_do(one: str, other: str) -> None:
    if stored(one)[:CUT] != stored(other)[:CUT]:
        assert (stored(one) < stored(other)) == (one < other)


def test_a_resource_id_stays_legible() -> None:
    assert stored("/subscriptions/0/Microsoft.Web") == "._subscriptions._0._Microsoft..Web"
