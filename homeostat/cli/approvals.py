"""`approve`: shows what waits for approval, and approves or rejects it."""

import argparse
import json as standard_json
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from homeostat.cli import output
from homeostat.cli.service import Service, service_of
from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.json import JsonObject
from homeostat.render.words import printable


class NothingChosen(HomeostatError):
    """Neither a request nor --list was given, or both."""


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if bool(options.approval) == options.list or (options.list and options.reject):
        raise NothingChosen("say which request, `approve ID`, or see what there is with `approve --list`")
    service = service_of(environment)
    return _list(service, options.format) if options.list else _decide(service, options)


def _list(service: Service, format_: str) -> int:
    told = service.get("approvals")
    if format_ == "json":
        output.data(standard_json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return 0
    waiting = json.objects_at(told, "approvals")
    output.data("".join(line for each in waiting for line in _lines(each)) or "nothing waits for approval\n")
    return 0


def _decide(service: Service, options: argparse.Namespace) -> int:
    word = "reject" if options.reject else "approve"
    told = service.post(f"approvals/{quote(options.approval, safe='')}/{word}")
    if options.format == "json":
        output.data(standard_json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    until = json.text_at(told, "expires")
    done = "stays held" if options.reject else "is looked at again at once"
    output.say(f"{json.text_at(told, 'id')} is {json.text_at(told, 'state')} until {until}; its resource {done}")
    return 0


def _lines(approval: JsonObject) -> Iterator[str]:
    by = json.text_at(approval, "by")
    state = json.text_at(approval, "state") + (f" by {by}" if by else "")
    yield _line(f"{json.text_at(approval, 'id')}: {state}, until {json.text_at(approval, 'expires')}")
    for change in json.objects_at(approval, "changes"):
        does, kind, item, resource = (json.text_at(change, name) for name in ("does", "kind", "item", "resource"))
        yield _line(f"  {does} {kind} {item} of {resource}")


def _line(words: str) -> str:
    return f"{printable(words)}\n"
