"""What others wrote, and whatever a caller does with the streams, ends no command with a traceback."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from typing import override

import pytest

from tests.command_line.conftest import Run
from tests.command_line.test_against_azure import PROJECT
from tests.command_line.test_through_the_service import served

pytestmark = pytest.mark.host

PAUSE = {"until": "2030-01-31T06:00:00Z", "by": "Jürgen", "reason": "später → 🚀"}
TARGETS = {"targets": [{"name": "app-flask", "roots": [], "pauses": [PAUSE]}]}


class _Service(BaseHTTPRequestHandler):
    """Answers with what people wrote, and refuses with what a terminal would obey; `broken` fails as a gateway does."""

    def do_GET(self) -> None:
        if "broken" in self.path:
            self._answer(502, b"<html>Bad Gateway</html>")
        elif "hostile" in self.path:
            self._answer(404, json.dumps({"error": {"code": "X", "message": "no \x1b[31m\nhere"}}).encode())
        else:
            self._answer(200, json.dumps(TARGETS).encode())

    def do_POST(self) -> None:
        self.do_GET()

    def _answer(self, status: int, body: bytes) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def program(words: str, url: str, streams: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """A shell's `python -m homeostat WORDS STREAMS`."""
    return subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m homeostat {words} {streams}"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "HOMEOSTAT_URL": url, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("format_", ["text", "json"])
def test_what_people_wrote_is_shown_where_a_terminal_has_no_such_letters(format_: str) -> None:
    with served(_Service) as url:
        done = program(f"status --format {format_}", url, PYTHONIOENCODING="ascii")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "sp\\xe4ter \\u2192 \\U0001f680" in done.stdout


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_a_closed_stream_is_one_that_nobody_reads(streams: str) -> None:
    with served(_Service) as url:
        done = program("status", url, streams=streams)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("words", ["resume", "history", "explain", "status", "history app-flask --before"])
def test_a_name_that_is_no_text_is_asked_for_as_it_was_typed(words: str) -> None:
    with served(_Service) as url:
        done = program(f"{words} \"$(printf 'a\\377')\"", url)
    assert "Traceback" not in done.stderr, done.stderr


def test_a_reason_that_is_no_text_is_refused(run: Run) -> None:
    with served(_Service) as url:
        said = run("pause", "app-flask", "--for", "1h", "--reason", "a\udcff", env={"HOMEOSTAT_URL": url})
    assert said.code == 1
    assert "is not UTF-8" in said.err


def test_a_refusal_has_nothing_that_a_terminal_obeys(run: Run) -> None:
    with served(_Service) as url:
        said = run("status", "hostile", env={"HOMEOSTAT_URL": url})
    assert said.code == 1
    assert said.err == f"error: {url}: no \\x1b[31m\nhere.\n"


def test_a_service_that_fails_is_not_taken_for_a_wrong_address(run: Run) -> None:
    with served(_Service) as url:
        said = run("status", "broken", env={"HOMEOSTAT_URL": url})
    assert said.code == 1
    assert "answers 502: it, or what stands before it, failed. See the function app's log" in said.err
