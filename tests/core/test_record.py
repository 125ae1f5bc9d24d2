"""A record is stored as JSON, and read back as it was."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core import record
from homeostat.core.attribution import Actor, ActorKind, ForeignWrite, Source
from homeostat.core.record import (
    Accepted,
    BlindWrite,
    Episode,
    Failing,
    Intent,
    Lease,
    Mark,
    OwnWrite,
    Pending,
    RootRecord,
    Settle,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SETTLE = Settle(timedelta(seconds=15), timedelta(minutes=2))


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


texts = st.text(max_size=8)
times = st.datetimes(min_value=NOW.replace(tzinfo=None), timezones=st.just(UTC))
marked = st.builds(Mark, times, times, st.lists(texts, max_size=3).map(tuple))
actors = st.builds(
    Actor,
    texts,
    st.sampled_from(ActorKind),
    *[texts] * 2,
    times,
    *[texts] * 3,
    st.sampled_from(Source),
    texts,
)
fields = st.none() | st.lists(texts, max_size=3).map(tuple)
writes = st.lists(st.builds(ForeignWrite, texts, actors, fields), max_size=3).map(tuple)
records = st.builds(
    RootRecord,
    lease=st.none() | st.builds(Lease, texts, st.integers(0, 2**40), times),
    token=st.integers(0, 2**40),
    mark=st.none() | marked,
    working=st.none() | marked,
    pending=st.none() | st.builds(Pending, times, texts),
    missing_since=st.none() | times,
    retired=st.booleans(),
    failing=st.none() | st.builds(Failing, times, st.integers(0, 99), texts, st.none() | times, st.booleans()),
    intent=st.none()
    | st.builds(
        Intent,
        texts,
        times,
        st.lists(texts, max_size=3).map(tuple),
        unprotected=st.dictionaries(texts, times, max_size=2),
        snapshots=st.lists(texts, max_size=2).map(tuple),
    ),
    episodes=st.dictionaries(
        texts,
        st.builds(Episode, texts, times, texts, texts, actors, st.lists(texts, max_size=2).map(tuple)),
        max_size=3,
    ),
    foreign_writes=writes,
    unexplained=writes,
    examined=st.lists(texts, max_size=3).map(tuple),
    own_writes=st.lists(st.builds(OwnWrite, texts, times), max_size=3).map(tuple),
    accepted=st.dictionaries(texts, st.builds(Accepted, texts, texts, times), max_size=3),
    blind_writes=st.lists(st.builds(BlindWrite, texts, times, times, texts), max_size=3).map(tuple),
)


@given(records)
def test_a_record_is_read_back_as_it_was_written(given_record: RootRecord) -> None:
    stored = json.loads(json.dumps(record.to_json(given_record)))
    assert record.from_json(stored) == given_record


@pytest.mark.parametrize("body", [{"lease": {"owner": "o"}}, {"mark": "yes"}, {"failing": {"failures": "many"}}])
def test_a_document_that_is_no_record_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        record.from_json(body)  # type: ignore[arg-type]  # not JSON that the loop would have written
