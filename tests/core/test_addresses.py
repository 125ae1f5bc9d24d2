"""What is no URL is refused, never raised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.addresses import address_of

pytestmark = pytest.mark.unit

ADDRESSES = [
    "https://app.azurewebsites.net",
    "http://localhost:7071/api?code=k",
    "https://[::1]:8443/",
    "https://host:",
]
NO_ADDRESSES = [
    "",
    "homeostat.example",
    "https://",
    "https://[::1",
    "https://[not-an-address]/",
    "https://host:port",
    "https://host:0",
    "https://host:65536",
    "https://a host/",
    "https://host/a\nb",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_url_with_a_host_is_an_address(text: str) -> None:
    found = address_of(text)
    assert found is not None
    assert found.hostname


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_names_no_host_that_could_be_asked_is_none(text: str) -> None:
    assert address_of(text) is None


@given(st.one_of(st.text(), st.from_regex(r"https?://[\[\]:@/?#a-z0-9%]{0,12}", fullmatch=True)))
def test_no_text_is_raised_about(text: str) -> None:
    found = address_of(text)
    assert found is None or (found.hostname and (found.port is None or found.port))
