"""`python -m demo`: tell the story. `python -m demo up`: keep the programs running for a visitor."""

import argparse
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from demo.narrator import Narrator
from demo.operator import NotSeen, Operator, Refused
from demo.programs import PROJECT, ProgramFailed, function_app, simulator
from demo.story import Scene, events_to, tell

ENV_FILE: Final = PROJECT / ".cache" / "simulator.env"


def main(arguments: list[str] | None = None, story: Callable[[Narrator], None] = tell) -> int:
    """Exits with 0 if everything was seen that the story tells, else with 1 and a message."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("story", "up"), default="story")
    act = stay_up if parser.parse_args(arguments).what == "up" else story
    try:
        act(Narrator())
    except NotSeen as error:
        print(f"\ndemo: this was not seen: {error}", file=sys.stderr)
        return 1
    except (Refused, ProgramFailed) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return 0


def stay_up(narrator: Narrator) -> None:
    """Keeps simulator, function app and events running until Ctrl-C or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    ENV_FILE.parent.mkdir(exist_ok=True)
    key = secrets.token_urlsafe(24)
    with (
        simulator(port=8443, env_file=ENV_FILE) as cloud,
        function_app(cloud, port=7071, aloud=True, DEVHOST_FUNCTION_KEY=key) as app,
        events_to(Scene(narrator, Operator.of(cloud), app)),
    ):
        with ENV_FILE.open("a", encoding="utf-8") as file:
            file.write(f"export HOMEOSTAT_URL={app.origin}\nexport HOMEOSTAT_KEY={key}\n")
        narrator.calm("A simulated Azure and the function app are up, and events flow.")
        narrator.fact("dashboard", app.urls["dashboard"])
        narrator.fact("remediate", app.urls["remediate"])
        narrator.fact("nightly", app.urls["nightly_reconcile"])
        narrator.fact("ARM", cloud["HOMEOSTAT_ARM_ENDPOINT"])
        narrator.fact("shell", f". {ENV_FILE.relative_to(PROJECT)}   # then the Azure CLI and `homeostat` talk to them")
        narrator.calm("What the function app says follows. Ctrl-C ends it.")
        stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
