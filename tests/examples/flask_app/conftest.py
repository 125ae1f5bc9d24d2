"""The sample between its backends: its own settings, real sockets, real TLS, real names."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from tests.examples.flask_app import servers
from tests.examples.flask_app.network import Authority, Place, Resolver, serving
from tests.examples.flask_app.sample import SAMPLE, module

SQL = ("sql-flask.database.windows.net", 1433)
REDIS = ("redis-flask.redis.cache.windows.net", 6380)
VAULT = ("kv-flask.vault.azure.net", 443)


def declared_settings() -> dict[str, str]:
    """What homeostat.yaml keeps among the app's settings."""
    spec = yaml.safe_load((SAMPLE / "homeostat.yaml").read_text(encoding="utf-8"))
    return {name: str(value) for name, value in spec["app_settings"]["settings"].items()}


@dataclass
class Stand:
    """The backends that the app under test reaches, and the resolver that it asks."""

    state: servers.State
    resolver: Resolver

    def redirect(self, backend: Place, place: Place | None) -> None:
        """Lets a name lead somewhere else, or nowhere."""
        if place is None:
            del self.resolver.places[backend]
        else:
            self.resolver.places[backend] = place

    @contextmanager
    def app(self, *, deadline: float = 8.0, **settings: str) -> Iterator[FlaskClient]:
        """The app's test client; `settings` go over those that are declared."""
        read = module("settings").Settings.from_environment(declared_settings() | settings)
        backends: Any = module("backends").all_backends(read, servers.Identity(), servers.odbc_driver)
        try:
            yield module("web").create_app(backends, deadline).test_client()
        finally:
            backends.redis.client.close()
            backends.key_vault.secrets.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that the app's machine trusts."""
    trusted = Authority()
    bundle = tmp_path / "authority.pem"
    trusted.own.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return trusted


@pytest.fixture
def stand(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    state, resolver = servers.State(), Resolver()
    with ExitStack() as stack:
        resolver.places = {
            SQL: stack.enter_context(serving(servers.sql_server(state))),
            REDIS: stack.enter_context(serving(servers.redis_server(state), authority.context(REDIS[0]))),
            VAULT: stack.enter_context(serving(servers.key_vault(state), authority.context(VAULT[0]))),
        }
        monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
        yield Stand(state, resolver)


@pytest.fixture
def client(stand: Stand) -> Iterator[FlaskClient]:
    with stand.app() as client:
        yield client
