"""The HTTP functions on a stand on which nothing has happened yet."""

import pytest

from tests.loop.stand import stand
from tests.web.http import Http


@pytest.fixture
def http() -> Http:
    return Http(stand())
