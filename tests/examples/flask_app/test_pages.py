"""What the sample does with its backends: SQL with a token, Redis by identity or by a key from the vault."""

import pytest
from flask.testing import FlaskClient

from tests.examples.flask_app.conftest import Stand

pytestmark = pytest.mark.wire


def test_the_home_page_names_the_database_and_counts_visits(client: FlaskClient) -> None:
    assert client.get("/").get_json() == {"database": "flaskdb", "visits": 1}
    assert client.get("/").get_json() == {"database": "flaskdb", "visits": 2}


def test_a_cache_without_entra_is_opened_with_the_key_from_the_vault(stand: Stand) -> None:
    stand.state.redis_users = {"default": "first key"}
    stand.state.secrets = {"redis-key": "first key"}
    with stand.app(REDIS_KEY_SECRET="redis-key") as client:
        assert client.get("/").get_json()["visits"] == 1
        assert client.get("/health/dependencies").status_code == 200


def test_a_key_that_is_not_in_the_vault_opens_nothing(stand: Stand) -> None:
    with stand.app(REDIS_KEY_SECRET="redis-key") as client:
        told = client.get("/health/dependencies").get_json()["dependencies"]
    assert told["redis"]["error"] == "ResourceNotFoundError"
    assert told["key_vault"]["status"] == "ok"


def test_the_health_page_counts_no_visit(stand: Stand, client: FlaskClient) -> None:
    client.get("/health/dependencies")
    assert stand.state.visits == 0
