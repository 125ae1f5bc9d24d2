"""Variables: replaced everywhere, never guessed, and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.json import Json
from homeostat.core.source import Pool
from homeostat.core.variables import MAX_TEXT, Substitution, Trouble, Values, escaped, evaluated, names_in

pytestmark = pytest.mark.unit

_TEXTS = st.text(st.sampled_from("${}ab:_ "), max_size=12)
_DATA: st.SearchStrategy[Json] = st.recursive(
    st.none() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=12,
)


def applied(data: Json, **values: str) -> tuple[Json, list[Trouble]]:
    pool, troubles = Pool(), list[Trouble]()
    return Substitution(pool).applied(pool.pooled(data), Values(values), troubles), troubles


def test_a_reference_is_replaced_in_texts_keys_and_lists() -> None:
    data: Json = {"a-${env}": ["${app}", {"x": "${app}-${env}"}], "plain": None}
    assert applied(data, app="shop", env="prod") == ({"a-prod": ["shop", {"x": "shop-prod"}], "plain": None}, [])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("$${app}", "${app}"),
        ("$$${app}", "$${app}"),
        ("$app {app} $", "$app {app} $"),
        ("$${", "${"),
        ("a$${b}c", "a${b}c"),
    ],
)
def test_an_escaped_reference_is_plain_text(written: str, read: str) -> None:
    assert applied(written, app="shop") == (read, [])


@given(_DATA)
def test_what_is_escaped_stands_for_itself(data: Json) -> None:
    assert applied(escaped(data)) == (data, [])


@given(_DATA)
def test_what_has_no_reference_is_the_very_same_object(data: Json) -> None:
    pool = Pool()
    pooled = pool.pooled(data)
    substitution = Substitution(pool)
    if not substitution.used(pooled):
        assert substitution.applied(pooled, Values(), []) is pooled


@given(_DATA, st.text(st.sampled_from("${}ab"), max_size=4))
def test_what_a_variable_says_is_not_read_again(data: Json, value: str) -> None:
    """Or a value could name variables that its author never saw."""
    found, _ = applied({"x": "<${a}>"}, a=value)
    assert found == {"x": f"<{value}>"}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("${nobody}", "there is no variable 'nobody'"),
        ("${tag:team}", "the app has no tag for ${tag:team}"),
        ("${}", "`${` begins no variable's name"),
        ("${a b}", "`${` begins no variable's name"),
        ("x${", "`${` begins no variable's name"),
        ("${a${b}}", "`${` begins no variable's name"),
    ],
)
def test_what_is_no_variable_is_told_with_its_keys(written: str, told: str) -> None:
    _, troubles = applied({"a": [written]}, b="x")
    assert (troubles[0].keys, troubles[0].message) == (("a", 0), told)


def test_a_trouble_repeats_nothing_of_a_text_that_may_be_a_secret() -> None:
    _, troubles = applied({"a": "hunter2${Pa55 w0rd!}hunter2"})
    assert "hunter2" not in str(troubles)
    assert "Pa55" not in str(troubles)


def test_two_keys_that_become_one_are_told() -> None:
    _, troubles = applied({"${a}": "1", "${b}": "2"}, a="same", b="same")
    assert [trouble.message for trouble in troubles] == ["the key becomes 'same', which stands here already"]


def test_equal_parts_with_equal_values_are_replaced_once() -> None:
    pool = Pool()
    substitution = Substitution(pool)
    data = pool.pooled({"a": {"x": "${v}"}, "b": {"x": "${v}"}})
    found = substitution.applied(data, Values({"v": "1", "other": "2"}), [])
    assert isinstance(found, dict)
    assert found["a"] is found["b"]
    assert substitution.applied(data, Values({"v": "1", "other": "3"}), []) is found


# --- variables of variables ---


def values(given_: dict[str, str] | None = None, **texts: str) -> dict[str, str]:
    return {
        name: value.message if isinstance(value, Trouble) else value for name, value in evaluated(texts, given_ or {})
    }


def test_a_variable_may_use_others() -> None:
    assert values(a="${b}-${c}", b="x${c}", c="1") == {"a": "x1-1", "b": "x1", "c": "1"}


def test_variables_that_lead_in_a_circle_are_told_and_do_not_hang() -> None:
    found = values(a="${b}", b="${c}", c="${a}", d="fine")
    assert found["a"] == "variables lead in a circle: a > b > c > a"
    assert found["d"] == "fine"


def test_a_variable_that_uses_what_is_not_there_is_told_of_itself() -> None:
    assert values(a="${nobody}", b="${a}") == dict.fromkeys("ab", "there is no variable 'nobody'")


def test_what_is_given_is_not_read_for_references() -> None:
    assert values({"tag:x": "${a}"}, b="${tag:x}", a="1")["b"] == "${a}"


def test_a_handful_of_variables_cannot_fill_the_memory() -> None:
    texts = {f"v{n}": f"${{v{n + 1}}}" * 10 for n in range(60)} | {"v60": "x"}
    found = values({}, **texts)
    assert found["v0"] == f"the variable has more than {MAX_TEXT} characters"


@given(st.dictionaries(st.sampled_from("abcd"), _TEXTS))
def test_any_texts_come_to_an_end(texts: dict[str, str]) -> None:
    assert set(values({}, **texts)) == set(texts)


@given(_TEXTS)
def test_a_text_without_an_opening_brace_refers_to_no_variable(text: str) -> None:
    assert bool(names_in(text)) == ("${" in text)
