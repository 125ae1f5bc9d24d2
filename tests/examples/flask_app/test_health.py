"""What the sample tells of its backends, over real sockets."""

import socket
import threading
import time
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.examples.flask_app import servers
from tests.examples.flask_app.conftest import REDIS, SQL, VAULT, Stand
from tests.examples.flask_app.network import Authority, serving

pytestmark = pytest.mark.wire

PUBLIC = ("20.50.2.10", 6380)


def health(client: FlaskClient) -> tuple[int, dict[str, dict[str, Any]]]:
    response = client.get("/health/dependencies")
    body = response.get_json()
    assert body["status"] == ("ok" if response.status_code == 200 else "failed")
    return response.status_code, body["dependencies"]


def failures(dependencies: dict[str, dict[str, Any]]) -> dict[str, str]:
    failed = {name: told["error"] for name, told in dependencies.items() if told["error"]}
    assert {name for name, told in dependencies.items() if told["status"] == "failed"} == set(failed)
    return failed


def test_a_whole_app_is_200_with_each_backend_s_private_address_and_latency(client: FlaskClient) -> None:
    status, told = health(client)
    assert (status, failures(told)) == (200, {})
    places = {name: (each["host"], each["port"]) for name, each in told.items()}
    assert places == {"sql": SQL, "redis": REDIS, "key_vault": VAULT}
    assert all(each["addresses"] == ["127.0.0.1"] and each["private"] for each in told.values())
    assert all(0 < each["latency_ms"] < 8000 for each in told.values())


def test_the_answer_is_not_cached_on_the_way(client: FlaskClient) -> None:
    assert client.get("/health/dependencies").headers["Cache-Control"] == "no-store"


def test_the_backends_are_asked_at_the_same_time(stand: Stand, client: FlaskClient) -> None:
    """Each answers only once all three were asked."""
    meeting = threading.Barrier(3, timeout=5)

    def meet(backend: str) -> None:
        if stand.state.calls[backend] == 1:
            meeting.wait()

    stand.state.before = {name: partial(meet, name) for name in ("sql", "redis", "key_vault")}
    status, told = health(client)
    assert (status, failures(told)) == (200, {})


@pytest.mark.parametrize(
    ("backend", "name"), [(SQL, "sql"), (REDIS, "redis"), (VAULT, "key_vault")], ids=["sql", "redis", "key vault"]
)
def test_a_name_that_does_not_resolve_is_told_from_the_rest(stand: Stand, backend: Any, name: str) -> None:
    stand.redirect(backend, None)
    with stand.app() as client:
        status, told = health(client)
    assert (status, failures(told)) == (503, {name: "the name does not resolve"})
    assert (told[name]["addresses"], told[name]["private"], told[name]["latency_ms"]) == ([], None, None)


def test_a_public_address_fails_and_no_token_goes_there(stand: Stand, client: FlaskClient) -> None:
    """Were the address tried, the closed network of the tests would answer with a RuntimeError."""
    stand.redirect(REDIS, PUBLIC)
    status, told = health(client)
    assert (status, failures(told)) == (503, {"redis": "the name resolves to a public address"})
    assert (told["redis"]["addresses"], told["redis"]["private"]) == ([PUBLIC[0]], False)


def test_a_closed_port_fails_with_its_private_address(stand: Stand, client: FlaskClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = closed.getsockname()
    stand.redirect(SQL, place)
    status, told = health(client)
    assert (status, failures(told)) == (503, {"sql": "ConnectionRefusedError"})
    assert told["sql"]["private"] is True


def test_a_backend_that_never_answers_is_left_in_time_with_its_address(stand: Stand) -> None:
    silent = threading.Event()
    stand.state.before["redis"] = silent.wait
    with stand.app(deadline=0.5) as client:
        began = time.perf_counter()
        status, told = health(client)
        took = time.perf_counter() - began
        again, _ = health(client)
        silent.set()
    assert (status, failures(told)) == (503, {"redis": "no answer in 0.5 s"})
    assert told["redis"]["addresses"] == ["127.0.0.1"]
    assert took < 1.5
    assert again == 503
    assert stand.state.calls["redis"] == 1, "a second request joined the first in waiting for it"


def test_a_certificate_of_a_stranger_is_refused(stand: Stand, client: FlaskClient) -> None:
    stranger = Authority()
    with (
        serving(servers.redis_server(stand.state), stranger.context(REDIS[0])) as redis,
        serving(servers.key_vault(stand.state), stranger.context(VAULT[0])) as vault,
    ):
        stand.redirect(REDIS, redis)
        stand.redirect(VAULT, vault)
        status, told = health(client)
    assert status == 503
    assert failures(told) == {"redis": "ConnectionError", "key_vault": "ServiceRequestError"}
    assert not stand.state.calls["redis"]


def test_a_certificate_for_another_name_is_refused(stand: Stand, authority: Authority, client: FlaskClient) -> None:
    """A CNAME to the privatelink name must not change whom the app expects to meet."""
    other = authority.context("redis-flask.privatelink.redis.cache.windows.net")
    with serving(servers.redis_server(stand.state), other) as redis:
        stand.redirect(REDIS, redis)
        _, told = health(client)
    assert failures(told) == {"redis": "ConnectionError"}


def test_backends_that_do_not_let_the_app_in_fail_without_a_word_of_its_tokens(
    stand: Stand, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    stand.state.sql_token = stand.state.vault_token = "another"
    stand.state.redis_users.clear()
    response = client.get("/health/dependencies")
    assert response.status_code == 503
    assert failures(response.get_json()["dependencies"]) == {
        "sql": "OdbcError",
        "redis": "AuthenticationError",
        "key_vault": "HttpResponseError",
    }
    told = response.get_data(as_text=True) + caplog.text
    assert [scope for scope in _SCOPES if servers.token_for(scope) in told] == []


_SCOPES = (servers.SQL_SCOPE, servers.REDIS_SCOPE, servers.VAULT_SCOPE)


def test_the_app_is_alive_whatever_its_backends_do(stand: Stand, client: FlaskClient) -> None:
    stand.resolver.places.clear()
    assert client.get("/health/live").status_code == 200
    assert sum(stand.state.calls.values()) == 0
