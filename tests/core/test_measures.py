"""Shares and lengths of time in a policy document: written as people write them, refused with the remedy."""

from datetime import timedelta

import pytest

from homeostat.core.measures import duration_text, share_text
from homeostat.core.model import Registry
from homeostat.core.policy import DEFAULT_POLICY, Policy, policy_schema
from homeostat.core.source import SpecError
from homeostat.core.spec import load

pytestmark = pytest.mark.unit

NOTHING: Registry = {}


def policy(text: str) -> Policy:
    return load({"policy.yaml": f"policy: fleet\n{text}"}, NOTHING, subscription="s").policy


def test_what_is_not_said_is_as_cautious_as_ever() -> None:
    assert policy("") == DEFAULT_POLICY
    assert policy("caps: {writes_per_run: 7}").caps.writes_per_hour == DEFAULT_POLICY.caps.writes_per_hour


def test_shares_and_lengths_of_time_are_understood() -> None:
    told = policy("mass_drift: {share: 12.5%, within: 90m}\nrollout: {stages: [3, 10%, 100%], bake: 1h}")
    assert (told.mass_drift.share, told.mass_drift.within) == (0.125, timedelta(minutes=90))
    assert (told.rollout.stages, told.rollout.bake) == ((3, 0.1, 1.0), timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("caps: {share_per_run: 25}", "must be a share from 0% to 100%, such as 25%"),
        ("caps: {share_per_run: 101%}", "must be a share from 0% to 100%, such as 25%"),
        ("caps: {writes_per_hour: 0}", "greater than or equal to 1"),
        ("flapping: {within: soon}", "15m, 2h, 1d"),
        ("flapping: {within: 0m}", "15m, 2h, 1d"),
        ("rollout: {stages: [0, 100%]}", "a number of targets from 1 on"),
        ("rollout: {stages: [1, 50%]}", "the last stage must be 100%"),
        ("rollout: {stages: [1, 1]}", "the last stage must be 100%"),
        ("capz: {}", "is not a known key"),
    ],
)
def test_what_is_not_is_refused_with_its_line_and_remedy(text: str, problem: str) -> None:
    with pytest.raises(SpecError) as error:
        policy(text)
    (only,) = error.value.problems
    assert problem in only.message
    assert only.place.line == 2


def test_a_length_of_time_is_told_in_the_largest_whole_unit() -> None:
    lengths = [timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24), timedelta(seconds=61), timedelta()]
    assert [duration_text(length) for length in lengths] == ["15m", "2h", "1d", "2m", "0m"]
    assert [share_text(share) for share in (0.01, 0.125, 1.0)] == ["1%", "12.5%", "100%"]


def test_the_schema_shows_each_default_as_it_is_written() -> None:
    shown = str(policy_schema())
    assert all(f"'default': '{default}'" in shown for default in ("25%", "50%", "15m", "1d"))
    assert "'default': [1, '1%', '100%']" in shown
