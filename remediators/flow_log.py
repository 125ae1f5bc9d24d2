"""A flow log as it is compared, and as it is written.

A body has two of the fields in objects of their own: the retention in a policy that can be off, which keeps records for
ever, and the version in a format, beside its type.
https://learn.microsoft.com/rest/api/network-watcher/flow-logs/get
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from homeostat.core import json
from homeostat.core.ids import same_id
from homeostat.core.json import ABSENT, Json, JsonObject, Path, Value

MEMBERS: Final[Mapping[str, str]] = {
    "target": "targetResourceId",
    "storage": "storageId",
    "enabled": "enabled",
    "retention_days": "retentionPolicy",
    "format_version": "format",
}
"""The spec's fields by their names in a body."""


@dataclass(frozen=True, slots=True)
class Log:
    """retention_days, format_version: None if they are not owned."""

    target: str
    storage: str
    enabled: bool
    retention_days: int | None = None
    format_version: int | None = None

    @property
    def shown(self) -> Json:
        return {key: value for key in MEMBERS if (value := getattr(self, key)) is not None}

    @property
    def properties(self) -> JsonObject:
        """What is owned, as ARM expects it."""
        return {MEMBERS[key]: _value(self, key) for key in MEMBERS if getattr(self, key) is not None}


def log_of(body: Json) -> Log:
    kept = json.at(body, ("properties", "retentionPolicy", "enabled")) is True
    return Log(
        target=json.text_at(body, "properties", "targetResourceId"),
        storage=json.text_at(body, "properties", "storageId"),
        enabled=json.at(body, ("properties", "enabled")) is True,
        retention_days=_number(json.at(body, ("properties", "retentionPolicy", "days")), 0) if kept else 0,
        format_version=_number(json.at(body, ("properties", "format", "version")), 1),
    )


def _number(found: Value, default: int) -> int:
    return found if isinstance(found, int) else default


def differences(wanted: Log, found: Log) -> Mapping[Path, tuple[Value, Value]]:
    """The paths of the owned fields that differ, as the spec's keys, with what is wanted and what is there."""
    differing: dict[Path, tuple[Value, Value]] = {}
    for key in MEMBERS:
        wants, has = getattr(wanted, key), getattr(found, key)
        agrees = same_id(wants, has) if key in {"target", "storage"} else wants in {None, has}
        if not agrees:
            differing[key,] = wants, ABSENT if has == "" else has
    return differing


def change(path: Path, wanted: Log) -> tuple[Path, Json]:
    """The body's field that a drift at `path` sets, with its value."""
    (key,) = path
    if key == "format_version":  # its sibling, the type, is not ours
        return ("properties", "format", "version"), wanted.format_version
    return ("properties", MEMBERS[key]), _value(wanted, key)


def _value(log: Log, key: str) -> Json:
    match key:
        case "retention_days":
            return {"days": log.retention_days, "enabled": bool(log.retention_days)}
        case "format_version":
            return {"type": "JSON", "version": log.format_version}
        case _:
            value: Json = getattr(log, key)
            return value
