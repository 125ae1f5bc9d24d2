"""The command line signs in to a service that asks for it, beside the key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, override

import jwt
import pytest

from simulator.cloud import HOMEOSTAT
from tests.command_line.conftest import Run
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.host

AUDIENCE = "api://homeostat"


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with running_simulator("prerequisites") as running:
        yield running


@contextmanager
def answering(status: int, body: Any) -> Iterator[tuple[dict[str, str], list[dict[str, str]]]]:
    """A service that always answers so: the variables that lead to it, and the headers that it was sent."""
    sent: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append({name.lower(): value for name, value in self.headers.items()})
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {"HOMEOSTAT_URL": f"http://127.0.0.1:{server.server_port}", "HOMEOSTAT_KEY": "k"}, sent
        finally:
            server.shutdown()
            thread.join()


def test_with_an_audience_a_token_for_it_goes_along(run: Run, simulation: Simulation) -> None:
    with answering(200, {"targets": []}) as (service, sent):
        said = run("status", env={**simulation.env, **service, "HOMEOSTAT_AUDIENCE": f"{AUDIENCE}/"})
    assert said.code == 0, said.err
    scheme, _, token = sent[0]["authorization"].partition(" ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (scheme, claims["aud"], claims["oid"]) == ("Bearer", AUDIENCE, HOMEOSTAT.object_id)
    assert sent[0]["x-functions-key"] == "k"


def test_without_an_audience_there_is_none(run: Run, simulation: Simulation) -> None:
    with answering(200, {"targets": []}) as (service, sent):
        assert run("status", env={**simulation.env, **service}).code == 0
    assert "authorization" not in sent[0]


def test_a_token_that_cannot_be_had_is_told_and_nothing_is_sent(run: Run, simulation: Simulation) -> None:
    with answering(200, {"targets": []}) as (service, sent):
        broken = {"IDENTITY_HEADER": "wrong", "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
        said = run("status", env={**simulation.env, **service, **broken, "HOMEOSTAT_AUDIENCE": AUDIENCE})
    assert said.code == 1
    assert f"a token for {AUDIENCE}" in said.err
    assert sent == []


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "NotSignedIn", "Set HOMEOSTAT_AUDIENCE to its application id URI"),
        (403, "RoleMissing", "this needs the app role Homeostat.Read"),
    ],
)
def test_a_refusal_is_told_with_its_remedy(run: Run, status: int, code: str, words: str) -> None:
    message = "this needs the app role Homeostat.Read" if status == 403 else "sign in"
    with answering(status, {"error": {"code": code, "message": message}}) as (service, _):
        said = run("status", env=service)
    assert said.code == 1
    assert words in said.err
    assert "refuses the key" not in said.err
