"""Where the dev host's settings come from: env files, local.settings.json and host.json.

Precedence, strongest first: the file named with --env-file, the process environment, local.settings.json (which is
also what the Functions Core Tools do with the last two). host.json values can be overridden one by one with
`AzureFunctionsJobHost__path__to__value` settings, as in Azure.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from devhost.errors import DevHostError

_OVERRIDE = "AzureFunctionsJobHost__"
_TIMESPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{2}):(?P<seconds>\d{2}(?:\.\d+)?)")
_PLACEHOLDER = re.compile(r"%([^%\s]+)%")


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a shell file of `NAME=value` or `export NAME=value` lines, quoting understood.

    Raises DevHostError naming the line that is neither an assignment, a comment nor blank.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(_text_of(path).splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise DevHostError(f"{path}:{number}: {error}") from error
        for assignment in words[1:] if words[:1] == ["export"] else words:
            name, separator, value = assignment.partition("=")
            if not separator or not name.isidentifier():
                raise DevHostError(f"{path}:{number}: expected NAME=value, found {assignment!r}")
            found[name] = value
    return found


def read_local_settings(app_dir: Path) -> dict[str, str]:
    """The `Values` of local.settings.json, or nothing where the app has no such file."""
    path = app_dir / "local.settings.json"
    if not path.is_file():
        return {}
    values = _json_object(path).get("Values", {})
    if not isinstance(values, dict):
        raise DevHostError(f"{path}: Values must be an object")
    return {str(name): str(value) for name, value in values.items()}


def resolve(text: str, settings: Mapping[str, str], *, what: str) -> str:
    """`text` with each %NAME% replaced by that setting; `what` names the place in the error for a missing one."""

    def value(match: re.Match[str]) -> str:
        found = settings.get(match[1])
        if not found:
            raise DevHostError(f"{what}: '%{match[1]}%' does not resolve to a value: set {match[1]}")
        return found

    return _PLACEHOLDER.sub(value, text)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """host.json's `extensions.queues`. Only `max_polling_interval` differs from the host's default (1 minute)."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(seconds=2)
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostJson:
    """The part of host.json that the dev host acts on. `function_timeout` None means no limit."""

    route_prefix: str = "api"
    function_timeout: timedelta | None = timedelta(minutes=30)
    queues: QueueOptions = QueueOptions()

    @classmethod
    def read(cls, app_dir: Path, settings: Mapping[str, str]) -> Self:
        """Read `app_dir`/host.json with its overrides. Raises DevHostError where a value is missing or wrong."""
        path = app_dir / "host.json"
        if not path.is_file():
            raise DevHostError(f"no host.json in {app_dir}")
        document = _overridden(_json_object(path), settings)
        if document.get("version") != "2.0":
            raise DevHostError(f'{path}: "version" must be "2.0"')
        extensions = document.get("extensions", {})
        try:
            return cls(
                str(extensions.get("http", {}).get("routePrefix", cls().route_prefix)).strip("/"),
                _timeout(document.get("functionTimeout"), cls().function_timeout),
                _queue_options(extensions.get("queues", {})),
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise DevHostError(f"{path}: {error}") from error


def timespan(text: object) -> timedelta:
    """A .NET TimeSpan such as "00:10:00" or "1.00:00:00". Raises ValueError for anything else."""
    match = _TIMESPAN.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a time span of the form hh:mm:ss")
    return timedelta(**{unit: float(amount or 0) for unit, amount in match.groupdict().items()})


def _timeout(value: object, default: timedelta | None) -> timedelta | None:
    if value is None:
        return default
    return None if str(value) == "-1" else timespan(value)


def _queue_options(given: Mapping[str, Any]) -> QueueOptions:
    default = QueueOptions()
    batch_size = _whole(given, "batchSize", default.batch_size, low=1, high=32)
    encoding = str(given.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise ValueError(f"extensions.queues.messageEncoding is {encoding!r}, not base64 or none")
    return QueueOptions(
        batch_size,
        _whole(given, "newBatchThreshold", batch_size // 2, low=0, high=1000),
        _whole(given, "maxDequeueCount", default.max_dequeue_count, low=1, high=1000),
        timespan(given.get("visibilityTimeout", "00:00:00")),
        timespan(given["maxPollingInterval"]) if "maxPollingInterval" in given else default.max_polling_interval,
        encoding == "base64",
    )


def _whole(given: Mapping[str, Any], name: str, default: int, *, low: int, high: int) -> int:
    value = int(given.get(name, default))
    if not low <= value <= high:
        raise ValueError(f"extensions.queues.{name} is {value}, not between {low} and {high}")
    return value


def _overridden(document: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    for name, value in settings.items():
        if not name.startswith(_OVERRIDE):
            continue
        *parents, leaf = name.removeprefix(_OVERRIDE).split("__")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return document


def _json_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_text_of(path))
    except json.JSONDecodeError as error:
        raise DevHostError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise DevHostError(f"{path}: expected an object")
    return document


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DevHostError(f"cannot read {path}: {error.strerror}") from error
