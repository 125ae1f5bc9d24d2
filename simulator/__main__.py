"""`python -m simulator`: serve a local Azure until SIGINT or SIGTERM."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from simulator import dns, environment, faults, worlds
from simulator.access import Role
from simulator.clock import wall_clock
from simulator.cloud import PLACES, PUBLIC, Timing
from simulator.exchange import Exchanger
from simulator.server import certificates, serve


class UsageError(Exception):
    """Something that the person at the command line can put right; its message is the one line that is shown."""


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 after a signal, 2 with one line on stderr when it cannot start."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(options))
    except (UsageError, worlds.WorldError, faults.FaultError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A local Azure over TLS.")
    parser.add_argument("--port", type=int, default=8443, help="TCP port on localhost; 0 picks a free one")
    parser.add_argument("--world", default="prerequisites", metavar="prerequisites|guide|fleet:N|FILE")
    parser.add_argument("--cloud", choices=sorted(PLACES), default=PUBLIC.name, help="which of the Azure clouds it is")
    parser.add_argument(
        "--subscriptions", type=_count, default=1, metavar="K", help="over which a fleet's apps are spread (default: 1)"
    )
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="where to write `export` lines once it serves")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS", help="added to every ARM call")
    parser.add_argument(
        "--faults", metavar="NAME|FILE", help=f"one of {', '.join(sorted(faults.NAMED))}, or a JSON file"
    )
    parser.add_argument(
        "--throttle", action="store_true", help="refuse what is beyond ARM's and its providers' quotas, as Azure does"
    )
    parser.add_argument(
        "--pace",
        choices=("quick", "recorded"),
        default="quick",
        help="of long operations: done at the first poll, without waiting; or as long as Azure was recorded to take",
    )
    parser.add_argument("--seed", type=int, default=0, help="of every identifier that the cloud makes up")
    parser.add_argument(
        "--role", type=Path, metavar="FILE", help="role definition that Homeostat's identity is held to"
    )
    return parser


def _count(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError("give a number from 1")


async def _run(options: argparse.Namespace) -> None:
    clock = wall_clock()
    timing = Timing(operation_seconds=None) if options.pace == "recorded" else Timing(retry_after=0)
    cloud = worlds.create(
        options.world,
        seed=options.seed,
        timing=timing,
        now=clock.now(),
        subscriptions=options.subscriptions,
        place=PLACES[options.cloud],
    )
    cloud.role = _role(options.role)
    cloud.throttling.on = options.throttle
    rules = faults.load(options.faults) if options.faults else []
    exchanger = Exchanger(cloud, clock, options.latency / 1000, rules)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with tempfile.TemporaryDirectory(prefix="simulator-") as name:
        await _serve_until(stopped, exchanger, options, Path(name))


async def _serve_until(stopped: asyncio.Event, exchanger: Exchanger, options: argparse.Namespace, folder: Path) -> None:
    context, bundle = certificates(folder)
    try:
        async with serve(exchanger, context, options.port) as serving, dns.serve(exchanger.cloud) as resolver:
            variables = environment.environment(exchanger.cloud, serving.endpoint, bundle, folder, resolver)
            _announce(serving.endpoint, variables, options.env_file)
            await stopped.wait()
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot serve on port {options.port}: {error}") from error


def _announce(endpoint: str, variables: Mapping[str, str], env_file: Path | None) -> None:
    if env_file is not None:
        try:
            environment.write(env_file, variables)
        except OSError as error:
            raise UsageError(f"cannot write {env_file}: {error.strerror}") from error
    print(f"serving a simulated Azure at {endpoint}", file=sys.stderr, flush=True)
    print("ready", flush=True)


def _role(path: Path | None) -> Role | None:
    if path is None:
        return None
    try:
        return Role.parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{path} is not a role definition: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
