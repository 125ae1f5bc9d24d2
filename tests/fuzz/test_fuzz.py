"""Whatever comes in from outside, no promise of how it is taken is broken: seeds, damaged seeds and any bytes.

`make fuzz` looks further, by coverage and for as long as it is given.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.wire

EXAMPLES = 150


def seeds_of(target: Target) -> list[bytes]:
    return list(target.seeds())


@pytest.mark.parametrize("name", TARGETS)
def test_no_seed_breaks_a_promise(name: str) -> None:
    for seed in seeds_of(TARGETS[name]):
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_no_damage_to_a_seed_breaks_a_promise(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(seeds_of(TARGETS[name])))
    at = data.draw(st.integers(0, len(good)))
    length = data.draw(st.integers(0, 8))
    TARGETS[name].run(good[:at] + data.draw(st.binary(max_size=16)) + good[at + length :])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
def test_no_bytes_break_a_promise(name: str, data: bytes) -> None:
    TARGETS[name].run(data)
