"""How the app reaches each backend: over TLS, by its public name, with its own identity.

The names are the public ones (`sql-flask.database.windows.net`): the private DNS zones linked to the VNet answer them
with the private endpoint's address, and the certificate is for that name.
"""

import json
import struct
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import redis
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from settings import Settings

CONNECT_SECONDS: Final = 3
SQL_COPT_SS_ACCESS_TOKEN: Final = 1256
PROBE_SECRET: Final = "health-probe"  # noqa: S105  # the name of a secret that need not exist

type OdbcConnect = Callable[..., Any]
"""`pyodbc.connect`, or what stands in for it where there is no ODBC driver, as in the tests."""


class Backend(Protocol):
    """Something outside the app that it cannot work without."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...

    def check(self) -> None:
        """One real request as this app. Raises whatever stands in its way."""


@dataclass(frozen=True, slots=True)
class SqlDatabase:
    """Azure SQL Database, with an Entra token where a password would be."""

    host: str
    database: str
    credential: TokenCredential
    connect: OdbcConnect
    port: int = 1433

    def check(self) -> None:
        self.name()

    def name(self) -> str:
        """The database's own word for itself. Raises pyodbc.Error, azure.core's errors."""
        token = self.credential.get_token("https://database.windows.net/.default").token
        text = (
            "Driver={ODBC Driver 18 for SQL Server};"
            f"Server=tcp:{self.host},{self.port};"
            f"Database={self.database};"
            "Encrypt=yes;TrustServerCertificate=no;"
        )
        attributes = {SQL_COPT_SS_ACCESS_TOKEN: access_token(token)}
        with closing(self.connect(text, attrs_before=attributes, timeout=CONNECT_SECONDS)) as connection:
            connection.timeout = CONNECT_SECONDS
            return str(connection.execute("SELECT DB_NAME()").fetchone()[0])


def access_token(token: str) -> bytes:
    """The driver's ACCESSTOKEN struct: a 4-byte length, then the token with a zero byte after each of its own.

    Without the length the driver takes the token's first characters for it, and the login fails.
    https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory#authenticating-with-an-access-token
    """
    padded = token.encode("utf-16-le")
    return struct.pack(f"<I{len(padded)}s", len(padded), padded)


def odbc_connect(*arguments: Any, **options: Any) -> Any:
    """pyodbc.connect, imported on first use: the import needs unixODBC, which App Service's images have."""
    import pyodbc

    return pyodbc.connect(*arguments, **options)


class RedisCache:
    """Azure Cache for Redis over TLS."""

    def __init__(self, host: str, port: int, credentials: CredentialProvider) -> None:
        self.host = host
        self.port = port
        self.client: redis.Redis = redis.Redis(
            host,
            port,
            ssl=True,
            protocol=2,  # every version of the cache speaks it
            credential_provider=credentials,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # once: the cache closes idle connections after ten minutes
        )

    def check(self) -> None:
        self.client.ping()

    def count_visit(self) -> int:
        """Visits so far, this one included. Raises redis.RedisError, azure.core's errors."""
        return int(str(self.client.incr("visits")))


@dataclass(frozen=True, slots=True)
class EntraCredentials(CredentialProvider):
    """The app's object id and a token, asked for at each new connection; azure-identity caches the token.

    https://learn.microsoft.com/azure/azure-cache-for-redis/cache-azure-active-directory-for-authentication
    """

    credential: TokenCredential

    def get_credentials(self) -> tuple[str, str]:
        token = self.credential.get_token("https://redis.azure.com/.default").token
        return _object_id(token), token


def _object_id(token: str) -> str:
    """Whose token it is. Read, not verified: that is for the cache to do."""
    payload = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["oid"])


@dataclass(frozen=True, slots=True)
class KeyFromVault(CredentialProvider):
    """The cache's access key, asked for at each new connection, so that a rotated key is picked up."""

    secrets: SecretClient
    name: str

    def get_credentials(self) -> tuple[str]:
        return (self.secrets.get_secret(self.name).value or "",)


@dataclass(frozen=True, slots=True)
class KeyVault:
    uri: str
    secrets: SecretClient

    @property
    def host(self) -> str:
        return urlsplit(self.uri).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.uri).port or 443

    def check(self) -> None:
        """A vault that says that it has no such secret was reached, and let this app in."""
        try:
            self.secrets.get_secret(PROBE_SECRET)
        except ResourceNotFoundError:
            return


@dataclass(frozen=True, slots=True)
class Backends:
    sql: SqlDatabase
    redis: RedisCache
    key_vault: KeyVault

    def by_name(self) -> Mapping[str, Backend]:
        return {"sql": self.sql, "redis": self.redis, "key_vault": self.key_vault}


def all_backends(settings: Settings, credential: TokenCredential, connect: OdbcConnect) -> Backends:
    """Connects nowhere yet: an app that cannot reach a backend still starts, and says so."""
    secrets = SecretClient(
        settings.key_vault_uri,
        credential,
        connection_timeout=CONNECT_SECONDS,
        read_timeout=CONNECT_SECONDS,
        retry_total=0,
    )
    by_key = KeyFromVault(secrets, settings.redis_key_secret) if settings.redis_key_secret else None
    return Backends(
        SqlDatabase(settings.sql_server, settings.sql_database, credential, connect),
        RedisCache(settings.redis_host, settings.redis_port, by_key or EntraCredentials(credential)),
        KeyVault(settings.key_vault_uri, secrets),
    )
