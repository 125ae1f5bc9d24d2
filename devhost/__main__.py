"""`python -m devhost [--port 7071] [--env-file FILE] [--app DIR]`: serve a function app until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from devhost.errors import DevHostError
from devhost.host import running_host
from devhost.queues import LOCK
from devhost.settings import read_env_file, read_local_settings


def main() -> int:
    """Exit code 0 after an orderly stop, 2 where the app, its settings or the port cannot be used."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="[%(asctime)s] %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)  # of the dev host's own looks into queues, many a second
    app_dir = arguments.app.resolve()
    try:
        settings = read_local_settings(app_dir) | dict(os.environ)
        if arguments.env_file is not None:
            settings |= read_env_file(arguments.env_file)
        timer_status = arguments.timer_status.resolve() if arguments.timer_status else None
        with asyncio.Runner() as runner:
            runner.run(_serve(app_dir, settings, arguments, timer_status))
            _end_process()
    except DevHostError as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 2


def _end_process() -> NoReturn:
    """Exit 0 as the worker does in Azure: the process ends under the app, and nothing that it holds open is closed."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devhost", description="Serve a Python function app locally.")
    parser.add_argument("--port", type=int, default=7071, help="where to listen on 127.0.0.1; 0 picks a free port")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="settings as NAME=value or export lines")
    parser.add_argument("--app", type=Path, default=Path(), metavar="DIR", help="the folder with function_app.py")
    parser.add_argument("--grace", type=float, default=10.0, metavar="SECONDS", help="time to finish running work")
    parser.add_argument("--timer-status", type=Path, metavar="FILE", help="keep timer status across restarts")
    lock = parser.add_argument("--message-lock", type=int, metavar="SECONDS", default=LOCK // timedelta(seconds=1))
    lock.help = "how long a queue message that a killed host held stays hidden"
    return parser.parse_args()


async def _serve(
    app_dir: Path, settings: dict[str, str], arguments: argparse.Namespace, timer_status: Path | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        os.chdir(app_dir)
    except OSError as error:
        raise DevHostError(f"there is no folder {app_dir}: {error.strerror}") from error
    lock = timedelta(seconds=arguments.message_lock)
    async with running_host(
        app_dir, settings, port=arguments.port, timer_status=timer_status, grace=arguments.grace, lock=lock
    ) as host:
        for line in host.banner():
            print(line)
        print("ready", flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
