"""`poison`: shows what is in the poison queues, and replays or drops it."""

import argparse
import json as standard_json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from homeostat.cli import output
from homeostat.cli.service import Service, service_of
from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.json import JsonObject
from homeostat.render.words import printable

NOTES: Final = """\
A message that failed five times waits in homeostat-work-poison, homeostat-events-poison or homeostat-sweeps-poison. It
is a hint and no more: put back, what it names is looked at afresh, and handled twice it does no harm.

  poison                  the oldest messages of each queue
  poison explain ID       what it is about, what failed, and what replaying it would do
  poison replay ID        put it back into its queue;  poison replay --all  for all of them
  poison drop ID          delete it
"""


class NotUnderstood(HomeostatError):
    """It is not said what to do, or with which message."""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", nargs="?", choices=("list", "explain", "replay", "drop"), default="list")
    command.add_argument("id", nargs="?", default="", metavar="ID")
    command.add_argument("--all", action="store_true", help="with replay: every message")
    command.add_argument("--format", choices=("text", "json"), default="text", help="how to show it (default: text)")


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    _check(options)
    service = service_of(environment)
    match options.action:
        case "list":
            _show(options.format, service.get("poison"), _listed)
        case "explain":
            _show(options.format, service.get(_path(options.id)), _explained)
        case "replay" if options.all:
            output.say(f"{_replay_all(service)} messages are back in their queues")
        case act:
            told = service.post(_path(options.id, act))
            output.say(f"{'back in its queue' if act == 'replay' else 'deleted'}: {_line(told)}")
    return 0


def _check(options: argparse.Namespace) -> None:
    needs_id = options.action in {"explain", "drop"} or (options.action == "replay" and not options.all)
    if needs_id != bool(options.id) or (options.all and options.action != "replay"):
        raise NotUnderstood(
            "say `poison`, `poison explain ID`, `poison replay ID`, `poison replay --all` or `poison drop ID`"
        )


def _replay_all(service: Service) -> int:
    """Replays as many as there were at the beginning: what fails again meanwhile is not replayed for ever."""
    told = service.get("poison")
    left, done = told.get("count"), 0
    while isinstance(left, int) and done < left and (messages := json.objects_at(told, "messages")):
        for message in messages:
            service.post(_path(json.text_at(message, "id"), "replay"))
            done += 1
        told = service.get("poison")
    return done


def _path(id_: str, *rest: str) -> str:
    return "/".join(("poison", quote(id_, safe=""), *rest))


def _show(format_: str, told: JsonObject, lines: Callable[[JsonObject], Iterator[str]]) -> None:
    if format_ == "json":
        output.data(standard_json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    else:
        output.data("".join(f"{printable(line)}\n" for line in lines(told)))


def _listed(told: JsonObject) -> Iterator[str]:
    messages = json.objects_at(told, "messages")
    if not messages:
        yield "no message has failed too often"
    for message in messages:
        yield _line(message)
    if isinstance(count := told.get("count"), int) and count > len(messages):
        yield f"and {count - len(messages)} more, which show when these are gone"


def _explained(told: JsonObject) -> Iterator[str]:
    yield _line(told)
    words = told.get("explanation")
    for line in words if isinstance(words, Sequence) and not isinstance(words, str) else ():
        yield f"  {line}"


def _line(message: JsonObject) -> str:
    id_, kind, names, queue, inserted = (
        json.text_at(message, member) for member in ("id", "kind", "names", "queue", "inserted")
    )
    times = message.get("times")
    often = f", {times} times" if isinstance(times, int) and times > 1 else ""
    return f"{id_}  {kind} {names}  in {queue} since {inserted}{often}"
