"""How the times of a lease fit into each other."""

from datetime import timedelta

import pytest

from homeostat.azure.pipeline import CONNECT_SECONDS, READ_SECONDS
from homeostat.azure.retry import Limits
from homeostat.core.leases import DEFAULT_TERMS, LeaseTerms

pytestmark = pytest.mark.unit

TERMS = [DEFAULT_TERMS, DEFAULT_TERMS.shortened(timedelta(seconds=4))]


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_a_lease_that_was_just_renewed_is_long_enough_for_a_write(terms: LeaseTerms) -> None:
    assert terms.lasts > terms.for_a_write > terms.after_sending > terms.skew > timedelta()


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_a_write_that_may_still_be_sent_has_landed_before_any_clock_may_end_the_lease(terms: LeaseTerms) -> None:
    assert terms.after_sending >= terms.lands + terms.skew
    assert terms.for_a_write >= terms.waits + terms.after_sending


def test_a_request_is_over_before_it_is_said_to_have_landed() -> None:
    assert timedelta(seconds=CONNECT_SECONDS + READ_SECONDS) <= DEFAULT_TERMS.lands


def test_the_retries_of_a_write_fit_into_its_wait() -> None:
    assert timedelta(seconds=Limits().budget) <= DEFAULT_TERMS.waits
