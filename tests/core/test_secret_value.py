"""A secret gets out by its one door, and by no other way that a program takes without meaning to."""

import copy
import logging
import marshal
import pickle
import pprint
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import alerts, json
from homeostat.core.alerts import Alert, AlertType
from homeostat.core.json import Json
from homeostat.core.model import Found
from homeostat.core.secret_value import MASK, Secret

pytestmark = pytest.mark.unit

TEXT = "Tr0ub4dor&3"
SECRET = Secret(TEXT)
KEY = bytes(range(32))


@dataclass(frozen=True)
class Holder:
    name: str
    secret: Secret


class Anything(pydantic.BaseModel):
    value: Any


MAKES_TEXT: dict[str, Callable[[], object]] = {
    "str": lambda: str(SECRET),
    "f-string": lambda: f"{SECRET}",
    "format": lambda: "{}".format(SECRET),  # noqa: UP032  this very way is tried
    "percent": lambda: "%s" % SECRET,  # noqa: UP031  likewise
    "join": lambda: ", ".join(["a", SECRET]),  # type: ignore[list-item]  # noqa: FLY002  the mistake that is tried
    "plus": lambda: "password=" + SECRET,  # type: ignore[operator]  # likewise
    "bytes": lambda: bytes(SECRET),  # type: ignore[call-overload]  # likewise
    "json": lambda: json.render({"password": SECRET}),
    "pickle": lambda: pickle.dumps({"password": SECRET}),
    "old pickle": lambda: pickle.dumps(SECRET, protocol=0),
    "marshal": lambda: marshal.dumps([SECRET]),
    "yaml": lambda: yaml.safe_dump({"password": SECRET}),
    "any yaml": lambda: yaml.dump({"password": SECRET}),
    "state": SECRET.__getstate__,
    "vars": lambda: vars(SECRET),
    "pydantic field": lambda: pydantic.TypeAdapter(Secret),
    "pydantic json": lambda: Anything(value=SECRET).model_dump_json(),
    "pydantic dump": lambda: Anything(value=SECRET).model_dump(mode="json"),
    "iteration": lambda: list(SECRET),  # type: ignore[call-overload]  # likewise
}


@pytest.mark.parametrize("way", MAKES_TEXT)
def test_whatever_would_make_a_text_of_it_raises_and_does_not_quote_it(way: str) -> None:
    with pytest.raises((TypeError, AttributeError, ValueError, yaml.YAMLError)) as raised:
        MAKES_TEXT[way]()
    assert TEXT not in f"{raised.value} {raised.value!r}"


SHOWS: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(SECRET),
    "a dataclass": lambda: str(Holder("DB_PASSWORD", SECRET)),
    "a container": lambda: f"{[SECRET]} { ({'a': SECRET}) } {(SECRET,)}",
    "asdict": lambda: str(asdict(Holder("DB_PASSWORD", SECRET))),
    "pprint": lambda: pprint.pformat({"password": [SECRET]}),
    "%r": lambda: "%r" % (SECRET,),  # noqa: UP031  this very way is tried
    "!r": lambda: f"{SECRET!r}",
    "an exception": lambda: repr(ValueError(SECRET)),
    "a model": lambda: repr(Anything(value=SECRET)),
    "what is found": lambda: repr(Found({"properties": SECRET})),
}


@pytest.mark.parametrize("way", SHOWS)
def test_whatever_shows_it_unasked_shows_a_mask(way: str) -> None:
    shown = SHOWS[way]()
    assert TEXT not in shown
    assert MASK in shown or way == "what is found"


def test_a_logged_object_that_holds_it_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("homeostat").error("found %s and %r", Holder("DB_PASSWORD", SECRET), SECRET)
    assert TEXT not in caplog.text
    assert caplog.text.count(MASK) == 2


def test_an_alert_that_holds_it_is_not_stored() -> None:
    alert = Alert("1", AlertType.DRIFT_DETECTED, "app", datetime(2030, 1, 1, tzinfo=UTC), {"have": SECRET})
    with pytest.raises(TypeError):
        json.render(alerts.to_json(alert))


def test_it_does_not_change_and_its_copies_are_itself() -> None:
    for name in ("text", "_Secret__text"):
        with pytest.raises(AttributeError):
            setattr(SECRET, name, "other")
    with pytest.raises(AttributeError):
        del SECRET._Secret__text  # type: ignore[attr-defined]  # the mistake that is tried
    assert copy.copy(SECRET) is SECRET
    assert copy.deepcopy([SECRET])[0] is SECRET
    assert SECRET.reveal() == TEXT


@given(st.text(), st.text())
def test_it_is_equal_by_value_to_secrets_alone(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) != one
    assert len({Secret(one), Secret(one)}) == 1


@given(st.text(st.characters(), max_size=20), st.text(max_size=20))
def test_a_digest_knows_the_value_again_and_tells_it_from_others_and_of_other_names(one: str, other: str) -> None:
    digest = Secret(one).digest(KEY, "DB_PASSWORD")
    assert digest == Secret(one).digest(KEY, "DB_PASSWORD")
    assert (digest == Secret(other).digest(KEY, "DB_PASSWORD")) is (one == other)
    assert digest not in {Secret(one).digest(KEY, "API_KEY"), Secret(one).digest(KEY[::-1], "DB_PASSWORD")}
    assert len(digest) == 64


def test_what_belongs_to_the_name_is_not_taken_for_the_value() -> None:
    assert Secret("bc").digest(KEY, "a") != Secret("c").digest(KEY, "ab")


def test_a_lone_surrogate_as_json_can_say_it_has_a_digest_too() -> None:
    assert Secret("\ud800").digest(KEY, "name") != Secret("\ud801").digest(KEY, "name")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="it needs 32"):
        SECRET.digest(b"short", "name")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_what_was_sealed_is_revealed_as_it_was_and_no_text_stays_in_between(body: Json) -> None:
    sealed = json.sealed(body)
    assert json.revealed(sealed) == body
    assert not any(isinstance(leaf, str) for leaf in _leaves(sealed))


def _leaves(body: Any) -> list[Any]:
    if isinstance(body, dict):
        return [leaf for value in body.values() for leaf in _leaves(value)]
    if isinstance(body, list):
        return [leaf for item in body for leaf in _leaves(item)]
    return [body]


def test_a_text_that_quotes_secrets_of_a_body_is_masked_and_what_is_too_short_to_tell_stays() -> None:
    body: Json = {"properties": {"A": SECRET, "B": [Secret(f"{TEXT}-longer")], "C": Secret("1"), "D": "open"}}
    said = json.without_secrets(f"1 open setting has the value {TEXT}-longer, another {TEXT}", body)
    assert said == f"1 open setting has the value {MASK}, another {MASK}"
