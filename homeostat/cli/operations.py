"""Commands about targets and the fleet, answered by the service: `status`, `history`, `pause`, `release` and others."""

import argparse
import json as standard_json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from homeostat.ambient import SystemAmbient
from homeostat.cli import output
from homeostat.cli.service import path_of, service_of
from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.render import explanation
from homeostat.render import history as past
from homeostat.render import sweep as swept
from homeostat.render.words import actor_words, counted, printable, unsure_words

AS_DECLARED: Final = "as declared"

MAX_CALM: Final = 20
"""How many targets with nothing to report `status` names all the same."""


class NoSuchRoot(HomeostatError):
    """The target has no root that fits the one that was asked for."""


class NoSuchTime(HomeostatError):
    """Neither --for nor --until was given, or both were."""


def status(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    service = service_of(environment)
    if options.target:
        targets: tuple[JsonObject, ...] = (service.get(path_of(options.target)),)
    else:
        targets = json.objects_at(service.get("targets"), "targets")
        health = service.get("health")
        output.say(f"{service.url}: {json.text_at(health, 'status')}, mode {json.text_at(health, 'mode')}")
        if json.text_at(health, "status") != "ok":
            for reason in json.texts_at(service.get("fleet"), "health", "why"):
                output.say("\n".join(f"  {printable(line)}" for line in reason.splitlines()))
        for sweep in json.objects_at(service.get("sweeps", limit=1), "sweeps")[:1]:
            output.say(swept.line(sweep))
    _print(options.format, {"targets": targets}, lambda: _all_status_lines(targets))
    return 0


def history(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    page = {"before": options.before} if options.before else {}
    told = service_of(environment).get(path_of(options.target, "history"), limit=options.limit, **page)
    colour = output.colours(sys.stdout, environment)
    if not json.objects_at(told, "entries"):
        output.say(f"nothing {'older ' if options.before else ''}is in the ledger of {options.target}")
    _print(options.format, told, lambda: past.pages(json.objects_at(told, "entries"), colour=colour))
    return 0


def explain(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    told = service_of(environment).get(path_of(options.target, "explain"))
    roots = [
        each for each in json.objects_at(told, "roots") if options.root.lower() in json.text_at(each, "root").lower()
    ]
    if not roots:
        names = [ResourceId.parse(json.text_at(each, "root")).short for each in json.objects_at(told, "roots")]
        raise NoSuchRoot(f"no root of {options.target} has {options.root!r} in its id. There are: {', '.join(names)}")
    asked = {**told, "roots": roots}
    _print(options.format, asked, lambda: iter([explanation.render(asked)]))
    return 0


def sweep(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    service = service_of(environment)
    told = service.post("sweeps", {"reason": options.reason})
    id_ = json.text_at(told, "id")
    if began := json.text_at(told, "began"):
        output.say(f"sweep {id_} has been under way since {began}, and goes on instead of a new one")
    else:
        output.say(f"sweep {id_} begins now")
    output.say(f"see `status`, or {service.url}/api/sweeps/{id_}")
    if options.format == "json":
        output.data(standard_json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    return 0


def pause(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    until = _end(options, SystemAmbient().now())
    service = service_of(environment)
    path = "pause" if options.all else path_of(options.target, "pause")
    told = service.post(path, {"until": until, "reason": options.reason})
    output.say(f"{_whom(options)} is paused until {json.text_at(told, 'until')}; drift is still reported")
    return 0


def resume(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    path = "resume" if options.all else path_of(options.target, "resume")
    told = service_of(environment).post(path, {"reason": options.reason})
    before = "was not paused, and is" if told.get("wasPaused") is False else "is no longer paused, and"
    output.say(f"{_whom(options)} {before} looked at again at once")
    return 0


def release(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    service = service_of(environment)
    if options.what == "rollout":
        told = service.post("release", {"what": "rollout", "reason": options.reason})
        output.say(f"version {json.text_at(told, 'version')} of the spec comes into force for all targets now")
        return 0
    until = _end(options, SystemAmbient().now())
    told = service.post("release", {"what": "mass-drift", "until": until, "reason": options.reason})
    output.say(f"repairs go on until {json.text_at(told, 'until')}, however much drifts; caps and pauses hold as ever")
    return 0


def reset_breaker(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    told = service_of(environment).post(path_of(options.target, "reset-breaker"), {"reason": options.reason})
    reset = told.get("reset")
    names = ", ".join(map(str, reset)) if isinstance(reset, list) else ""
    output.say(f"target {options.target}: {f'repaired again: {names}' if names else 'no breaker had tripped'}")
    return 0


def _whom(options: argparse.Namespace) -> str:
    return "the fleet" if options.all else f"target {options.target}"


def _end(options: argparse.Namespace, now: datetime) -> str:
    if (options.duration is None) == (options.until is None):
        raise NoSuchTime("say how long: --for 4h, or --until 2030-01-31T06:00:00Z")
    if options.until is not None:
        return str(options.until)
    until: datetime = now + options.duration
    return until.isoformat(timespec="seconds")


def _print(format_: str, told: object, lines: Callable[[], Iterator[str]]) -> None:
    if format_ == "json":
        output.data(standard_json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    else:
        output.data("".join(lines()))


def _all_status_lines(targets: Sequence[JsonObject]) -> Iterator[str]:
    """The targets with something to report first; of those as declared, no more than fit on a screen."""
    told = [[*_status_lines(target)] for target in targets]
    calm = [lines for lines in told if _is_calm(lines)]
    for lines in (*(lines for lines in told if not _is_calm(lines)), *calm[:MAX_CALM]):
        yield from lines
    if len(calm) > MAX_CALM:
        yield _line(f"and {counted(len(calm) - MAX_CALM, 'more target')} as declared")


def _is_calm(lines: Sequence[str]) -> bool:
    return len(lines) == 1 and lines[0].endswith(f": {AS_DECLARED}\n")


def _status_lines(target: JsonObject) -> Iterator[str]:
    episodes, pauses = json.objects_at(target, "episodes"), json.objects_at(target, "pauses")
    state = "retired: the web app is gone" if target.get("retired") is True else ""
    fails = len(json.objects_at(target, "failing"))
    open_ = f"{len(episodes)} open" if episodes else f"{fails} failing" if fails else ""
    unsure = unsure_words(target)
    known = ", ".join(filter(None, (open_, unsure))) or AS_DECLARED
    yield _line(f"{json.text_at(target, 'name')}: {state or known}")
    for episode in episodes:
        root = ResourceId.parse(json.text_at(episode, "root")).short
        event = json.text_at(episode, "state").removeprefix("Homeostat.").removesuffix(".v1")
        yield _line(f"  {event}: {json.text_at(episode, 'kind')} of {root}, since {json.text_at(episode, 'since')}")
        if isinstance(actor := episode.get("changedBy"), Mapping):
            yield _line(f"    changed by {actor_words(actor)}")
    for entry in json.objects_at(target, "flapping"):
        kind, what, ends = (json.text_at(entry, name) for name in ("kind", "what", "until"))
        yield _line(f"  flapping: {kind} {what}, repaired {entry.get('healed')} times; left alone until {ends}")
    for failing in json.objects_at(target, "failing"):
        root = ResourceId.parse(json.text_at(failing, "root")).short
        again = json.text_at(failing, "nextTry") or "the next event or sweep"
        yield _line(f"  failing: {root}, {failing.get('failures')} times since {json.text_at(failing, 'since')}")
        yield _line(f"    {json.text_at(failing, 'error')}; tried again at {again}")
    for entry in pauses:
        until, by, reason, cause = (json.text_at(entry, name) for name in ("until", "by", "reason", "cause"))
        after = f" after a {cause}" if cause else ""
        yield _line(f"  paused until {until} by {by}{after}: {reason or 'no reason given'}")


def _line(words: str) -> str:
    return f"{printable(words)}\n"
