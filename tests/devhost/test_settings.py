"""Env files, host.json with its overrides, and %NAME%."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.errors import DevHostError
from devhost.settings import HostJson, QueueOptions, read_env_file, read_local_settings, resolve, timespan

pytestmark = pytest.mark.unit


def _host_json(folder: Path, document: Any, **settings: str) -> HostJson:
    (folder / "host.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return HostJson.read(folder, settings)


def test_an_env_file_is_read_as_a_shell_would(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# made by a program\nexport A='two words'\nB=\"x=y\"\n\nexport C=plain D=more # why\n")
    assert read_env_file(file) == {"A": "two words", "B": "x=y", "C": "plain", "D": "more"}


@pytest.mark.parametrize("line", ["echo hello", "export 1A=x", "A='open"])
def test_an_env_file_line_that_is_no_assignment_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "env"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(DevHostError, match="env:2:"):
        read_env_file(file)


def test_a_missing_env_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DevHostError, match="nowhere"):
        read_env_file(tmp_path / "nowhere")


def test_local_settings_are_their_values(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path) == {}
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {"A": "b", "N": 1}}')
    assert read_local_settings(tmp_path) == {"A": "b", "N": "1"}


def test_host_json_has_the_hosts_defaults(tmp_path: Path) -> None:
    assert _host_json(tmp_path, {"version": "2.0"}) == HostJson("api", timedelta(minutes=30), QueueOptions())


def test_host_json_values_are_taken(tmp_path: Path) -> None:
    queues = {
        "batchSize": 4,
        "visibilityTimeout": "00:00:30",
        "maxPollingInterval": "00:01:00",
        "messageEncoding": "none",
    }
    document = {
        "version": "2.0",
        "functionTimeout": "-1",
        "extensions": {"http": {"routePrefix": ""}, "queues": queues},
    }
    expected = QueueOptions(4, 2, 5, timedelta(seconds=30), timedelta(minutes=1), base64=False)
    assert _host_json(tmp_path, document) == HostJson("", None, expected)


def test_a_setting_overrides_a_host_json_value(tmp_path: Path) -> None:
    overridden = _host_json(
        tmp_path, {"version": "2.0"}, AzureFunctionsJobHost__extensions__queues__maxDequeueCount="2"
    )
    assert overridden.queues.max_dequeue_count == 2


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ({}, "version"),
        ({"version": "2.0", "functionTimeout": "5 minutes"}, "time span"),
        ({"version": "2.0", "extensions": {"queues": {"batchSize": 33}}}, "batchSize"),
        ({"version": "2.0", "extensions": {"queues": {"messageEncoding": "gzip"}}}, "messageEncoding"),
        ({"version": "2.0", "extensions": []}, "host.json"),
    ],
)
def test_a_wrong_host_json_is_refused_with_the_fault(tmp_path: Path, document: Any, fault: str) -> None:
    with pytest.raises(DevHostError, match=fault):
        _host_json(tmp_path, document)


def test_time_spans_are_dotnets() -> None:
    assert timespan("1.02:03:04.5") == timedelta(days=1, hours=2, minutes=3, seconds=4.5)


def test_placeholders_resolve_to_settings_or_are_named() -> None:
    assert resolve("a-%NAME%-b", {"NAME": "x"}, what="f") == "a-x-b"
    with pytest.raises(DevHostError, match="f: '%NAME%' does not resolve"):
        resolve("%NAME%", {}, what="f")
