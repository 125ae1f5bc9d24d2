"""Little backends that speak what the real ones speak, and let in only who they should.

SQL Server's own protocol is not among them: pyodbc needs a driver that only the target machine has. The sample takes
its connect function as an argument, and `odbc_driver` stands there; it reads the connection string and the token's
struct as the driver does, and reaches its server through a real socket.
"""

import base64
import json
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import StreamRequestHandler
from typing import Any

from azure.core.credentials import AccessToken

OBJECT_ID = "0a1b2c3d-0000-0000-0000-00000000f1a5"
SQL_SCOPE = "https://database.windows.net/.default"
REDIS_SCOPE = "https://redis.azure.com/.default"
VAULT_SCOPE = "https://vault.azure.net/.default"


class Identity:
    """A token credential: another token for each scope, with the claims that the sample reads."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(token_for(*scopes), 2**31)


def token_for(scope: str) -> str:
    parts = ({"alg": "none"}, {"oid": OBJECT_ID, "aud": scope}, {"signature": scope})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@dataclass
class State:
    """What the backends hold and whom they let in. `before` runs ahead of each connection's or request's answer."""

    redis_users: dict[str, str] = field(default_factory=lambda: {OBJECT_ID: token_for(REDIS_SCOPE)})
    secrets: dict[str, str] = field(default_factory=dict)
    sql_token: str = field(default_factory=lambda: token_for(SQL_SCOPE))
    vault_token: str = field(default_factory=lambda: token_for(VAULT_SCOPE))
    visits: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)

    def called(self, backend: str) -> None:
        self.calls[backend] += 1
        self.before.get(backend, lambda: None)()


def redis_server(state: State) -> type[StreamRequestHandler]:
    """RESP 2: https://redis.io/docs/latest/develop/reference/protocol-spec/."""

    class Handler(StreamRequestHandler):
        known = False

        def handle(self) -> None:
            state.called("redis")
            while line := self.rfile.readline():
                words = [self._bulk() for _ in range(int(line.removeprefix(b"*")))]
                self.wfile.write(self._answer(words[0].upper(), words[1:]))

        def _bulk(self) -> str:
            length = int(self.rfile.readline().removeprefix(b"$"))
            return self.rfile.read(length + 2)[:-2].decode()

        def _answer(self, command: str, arguments: list[str]) -> bytes:
            if command == "AUTH":
                user, password = arguments if len(arguments) == 2 else ("default", *arguments)
                self.known = state.redis_users.get(user) == password
                return b"+OK\r\n" if self.known else b"-WRONGPASS invalid username-password pair\r\n"
            if not self.known:
                return b"-NOAUTH Authentication required.\r\n"
            if command == "INCRBY":
                state.visits += int(arguments[1])
                return f":{state.visits}\r\n".encode()
            answers = {"PING": b"+PONG\r\n", "CLIENT": b"+OK\r\n"}
            return answers.get(command, b"-ERR unknown command\r\n")

    return Handler


def key_vault(state: State) -> type[BaseHTTPRequestHandler]:
    """The vault's challenge, then its secrets: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.called("key_vault")
            authorization = self.headers.get("Authorization")
            name = self.path.split("/")[2]
            if authorization is None:
                self._reply(
                    401, {}, 'Bearer authorization="https://login.invalid/tenant", resource="https://vault.azure.net"'
                )
            elif authorization != f"Bearer {state.vault_token}":
                self._reply(403, {"error": {"code": "Forbidden", "message": f"not with {authorization}"}})
            elif name not in state.secrets:
                self._reply(404, {"error": {"code": "SecretNotFound", "message": f"no secret {name}"}})
            else:
                url = f"https://kv-flask.vault.azure.net/secrets/{name}/1"
                self._reply(200, {"id": url, "value": state.secrets[name], "attributes": {"enabled": True}})

        def _reply(self, status: int, body: Any, challenge: str = "") -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler


def sql_server(state: State) -> type[StreamRequestHandler]:
    """One line with a token, answered with the database's name or with nothing."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            state.called("sql")
            if self.rfile.readline().decode().strip() == state.sql_token:
                self.wfile.write(b"flaskdb\n")

    return Handler


class OdbcError(Exception):
    """As pyodbc's own errors, it tells more than a page should."""


def odbc_driver(text: str, *, attrs_before: dict[int, bytes], timeout: int) -> "_Connection":
    """In the place of `pyodbc.connect`."""
    words = dict(part.split("=", 1) for part in text.rstrip(";").split(";"))
    secure = (words["Driver"], words["Encrypt"], words["TrustServerCertificate"])
    assert secure == ("{ODBC Driver 18 for SQL Server}", "yes", "no")
    match = re.fullmatch(r"tcp:(?P<host>[^,]+),(?P<port>\d+)", words["Server"])
    assert match is not None
    login = socket.create_connection((match["host"], int(match["port"])), timeout)
    return _Connection(login, words["Database"], _token_in(attrs_before[1256]))


def _token_in(value: bytes) -> str:
    """The driver reads as many bytes as the first four say, each second one zero."""
    (length,) = struct.unpack_from("<I", value)
    token = value[4 : 4 + length]
    if len(token) != length or any(token[1::2]):
        raise OdbcError("28000: the access token is malformed")
    return token[::2].decode()


class _Connection:
    def __init__(self, login: socket.socket, database: str, token: str) -> None:
        self.timeout = 0
        self._socket = login
        self._lines = login.makefile("rw")
        self._database = database
        self._token = token

    def execute(self, statement: str) -> "_Connection":
        assert statement == "SELECT DB_NAME()"
        self._socket.settimeout(self.timeout)
        self._lines.write(f"{self._token}\n")
        self._lines.flush()
        return self

    def fetchone(self) -> tuple[str]:
        name = self._lines.readline().strip()
        if name != self._database:
            raise OdbcError(f"28000: login failed with the token {self._token}")
        return (name,)

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
