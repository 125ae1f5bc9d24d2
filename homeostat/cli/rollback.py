"""`rollback`: shows what would be restored, asks, and has the service do it."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Final

from homeostat.cli import output
from homeostat.cli.options import length_of_time
from homeostat.cli.service import path_of, service_of
from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.render.words import printable

NOTES: Final = """\
The fields that the write changed get their former values; everything else stays as it is now. The target is paused
first, so that it is not healed again at once: change the spec meanwhile, or `resume` to have it healed. Ids of entries
and snapshots are in `history NAME`.

exit code:
  0  it is restored
  1  error: refused, or Azure did not take it
  2  it is not restored yet (the write is still under way), or you declined
"""

NOT_YET: Final = 2


class NotAsked(HomeostatError):
    """Nobody is there to agree."""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", metavar="NAME")
    command.add_argument(
        "--to",
        dest="entry",
        default="",
        metavar="ID",
        help="to before this entry or snapshot (default: the last write)",
    )
    command.add_argument(
        "--for",
        dest="duration",
        type=length_of_time,
        default="4h",
        metavar="TIME",
        help="how long it is not healed: 30m, 4h or 2d (default: 4h)",
    )
    command.add_argument("--reason", default="", help="for whoever wonders")
    command.add_argument("--dry-run", action="store_true", help="only show what would be put back")
    command.add_argument("--yes", action="store_true", help="do not ask; needed where no terminal is attached")


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    service = service_of(environment)
    path = path_of(options.target, "rollback")
    asked: JsonObject = {
        "entry": options.entry,
        "for": round(options.duration.total_seconds()),
        "reason": options.reason,
    }
    plan = service.post(path, {**asked, "dryRun": True})
    output.data("".join(f"{printable(line)}\n" for line in _lines(plan)))
    if options.dry_run:
        return 0
    if not _agreed(options):
        output.say("nothing was done")
        return NOT_YET
    told = service.post(path, {**asked, "entry": json.text_at(plan, "entry")})
    output.say(
        f"target {options.target} is paused until {json.text_at(told, 'pausedUntil')}: it is not healed before then"
    )
    if told.get("verified") is True:
        output.say("it is restored")
        return 0
    output.say(f"it is not restored yet: see `history {options.target}`")
    return NOT_YET


def _agreed(options: argparse.Namespace) -> bool:
    if options.yes:
        return True
    if not output.can_ask():
        raise NotAsked("no terminal is attached to ask at. Pass --yes to put it back, or --dry-run to look")
    return output.ask(f"Put this back, and pause {options.target}?")


def _lines(plan: JsonObject) -> Iterator[str]:
    root = ResourceId.parse(json.text_at(plan, "root"))
    yield f"{root.short} in {root.resource_group}, back to before {json.text_at(plan, 'entry')}:"
    for each in json.objects_at(plan, "restored"):
        resource, path = ResourceId.parse(json.text_at(each, "resource")).short, json.text_at(each, "path")
        place = f"{path} of {resource}" if path else resource
        yield f"  {place}: {_value(each)}"
    for each in json.objects_at(plan, "held"):
        yield f"  held, {json.text_at(each, 'code')}: {json.text_at(each, 'message')}"


def _value(each: JsonObject) -> str:
    to: Json = each.get("to")
    return f"back to {json.render(to)}" if "to" in each else "removed again"
