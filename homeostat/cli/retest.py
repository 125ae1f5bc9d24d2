"""`retest-route-all`: asks the service for a re-test of routing, waits for its end, and shows its result."""

import argparse
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from homeostat import config
from homeostat.ambient import SystemAmbient
from homeostat.cli import output
from homeostat.cli.declared import checked_name
from homeostat.cli.plans import ANY_SUBSCRIPTION
from homeostat.cli.service import Service, path_of, service_of
from homeostat.core import json
from homeostat.core.json import JsonObject
from homeostat.render.words import printable

POLL_SECONDS: Final = 5.0
PATIENCE: Final = timedelta(minutes=6)
"""How long after its end to wait for the routing: a dead owner's lease may have to run out."""

NOT_RESTORED = 2


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """0 if routing is restored, 2 if it is not yet."""
    service = service_of(environment)
    name: str = options.target
    if options.specs:
        subscription = config.subscription_in(environment) or ANY_SUBSCRIPTION
        checked_name(name, options.specs, subscription)
    path = path_of(name, "retest-route-all")
    output.progress("looking at the probes, then switching routing off ...")
    begun = service.post(path, {"for": round(options.duration.total_seconds()), "reason": options.reason})
    output.say(f"the routing of {name} is off until {json.text_at(begun, 'deadline')}; Ctrl-C ends it early")
    told = _ended(service, path, begun)
    output.data("".join(f"{printable(str(line))}\n" for line in _comparison(told)))
    if json.text_at(told, "state") == "restored":
        output.say(f"the routing of {name} is restored")
        return 0
    output.say(f"the routing of {name} is not restored yet: the service goes on trying. See `history {name}`")
    return NOT_RESTORED


def _ended(service: Service, path: str, begun: JsonObject) -> JsonObject:
    """The state once routing is restored, or the time is up."""
    try:
        return _restored(service, path, begun)
    except KeyboardInterrupt:
        output.say("ending it now; once more Ctrl-C leaves that to the service")
        return _restored(service, path, service.post(f"{path}/end"))


def _restored(service: Service, path: str, told: JsonObject) -> JsonObject:
    ambient = SystemAmbient()
    while json.text_at(told, "state") != "restored":
        deadline = datetime.fromisoformat(json.text_at(told, "deadline"))
        if ambient.now() > deadline + PATIENCE:
            break
        time.sleep(min(POLL_SECONDS, max((deadline - ambient.now()).total_seconds(), 1.0)))
        told = service.get(path)
    return told


def _comparison(told: JsonObject) -> tuple[object, ...]:
    found = json.at(told, ("comparison",))
    return tuple(found) if isinstance(found, list | tuple) else ()
