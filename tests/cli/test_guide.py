"""The guide, followed with Microsoft's own Azure CLI."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import guide
from tests.support.azure_cli import AzureCli
from tests.support.simulation import running_simulator

pytestmark = pytest.mark.cli

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
# What tells one making of a resource from another, and nothing about its state.
_TIMES = {"lastModifiedTimeUtc", "createdTime", "etag"}


def test_the_guide_by_azure_cli(az_program: Path) -> None:
    """Following the guide by CLI and building world `guide` end in the same state, as the CLI shows it."""
    with running_simulator("prerequisites") as simulation, AzureCli(az_program, simulation.env) as az:
        for command in guide.commands(simulation.subscription):
            az(*command)
        followed = _seen(az)
    with running_simulator("guide") as simulation, AzureCli(az_program, simulation.env) as az:
        built = _seen(az)
    assert list(_differences(followed, built)) == []


def _seen(az: AzureCli) -> dict[str, Any]:
    """The answers of every command that shows a part of the guide's world."""
    app, group = ("--name", guide.APP), ("--resource-group", guide.GROUP)
    shows = {
        "web app": ("webapp", "show", *app, *group),
        "integration": ("webapp", "vnet-integration", "list", *app, *group),
        "settings": ("webapp", "config", "appsettings", "list", *app, *group),
        "configuration": ("webapp", "config", "show", *app, *group),
        "VNet": ("network", "vnet", "show", "--name", guide.VNET, *group),
        "NSG": ("network", "nsg", "show", "--name", guide.NSG, *group),
        "rules": ("network", "nsg", "rule", "list", "--nsg-name", guide.NSG, *group),
        "routes": ("network", "route-table", "show", "--name", guide.ROUTES, *group),
        "endpoints": ("network", "private-endpoint", "list", *group),
        "zones": ("network", "private-dns", "zone", "list", *group),
        "flow logs": ("network", "watcher", "flow-log", "list", "--location", guide.LOCATION),
    }
    for kind, _, _, zone in guide.BACKENDS:
        endpoint = ("--endpoint-name", f"pe-{kind}")
        shows[f"{kind}: zone groups"] = ("network", "private-endpoint", "dns-zone-group", "list", *endpoint, *group)
        shows[f"{kind}: links"] = ("network", "private-dns", "link", "vnet", "list", "--zone-name", zone, *group)
        shows[f"{kind}: records"] = ("network", "private-dns", "record-set", "list", "--zone-name", zone, *group)
    return {what: _plain(az(*command)) for what, command in shows.items()}


def _differences(followed: Any, built: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The paths at which two answers differ, with what each has there."""
    if isinstance(followed, dict) and isinstance(built, dict):
        for name in sorted(followed.keys() | built.keys()):
            yield from _differences(followed.get(name), built.get(name), f"{path}/{name}")
    elif isinstance(followed, list) and isinstance(built, list) and len(followed) == len(built):
        for index, pair in enumerate(zip(followed, built, strict=True)):
            yield from _differences(*pair, f"{path}/{index}")
    elif followed != built:
        yield path, followed, built


def _plain(value: Any) -> Any:
    """Without generated identifiers and times; keyed lists in an order of their own."""
    if isinstance(value, dict):
        return {_GUID.sub("GUID", name): _plain(each) for name, each in value.items() if name not in _TIMES}
    if isinstance(value, list):
        return sorted((_plain(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return _GUID.sub("GUID", value) if isinstance(value, str) else value
