"""Runs one command. Every failure becomes a clear line on stderr and an exit code, never a traceback."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from homeostat.cli import adopt, approvals, doctor, operations, output, plans, poison, retest, rollback
from homeostat.cli.arguments import parser
from homeostat.core.errors import HomeostatError

INTERRUPTED: Final = 130
"""128 plus the number of SIGINT, as in shells."""

type _Command = Callable[[argparse.Namespace, Mapping[str, str]], int]

COMMANDS: Final[Mapping[str, _Command]] = {
    "validate": plans.validate,
    "plan": plans.plan,
    "remediate": plans.remediate,
    "retest-route-all": retest.run,
    "adopt": adopt.run,
    "schema": plans.schema,
    "doctor": doctor.run,
    "status": operations.status,
    "history": operations.history,
    "explain": operations.explain,
    "sweep": operations.sweep,
    "pause": operations.pause,
    "resume": operations.resume,
    "approve": approvals.run,
    "release": operations.release,
    "reset-breaker": operations.reset_breaker,
    "rollback": rollback.run,
    "poison": poison.run,
}


def main(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """The exit code of one command line. Raises SystemExit for --help and for what argparse refuses."""
    options = parser().parse_args(arguments)
    if options.command is None:
        parser().print_help(sys.stderr)
        return 2
    with _log(verbose=options.verbose):
        return _run(COMMANDS[options.command], options, os.environ if environment is None else environment)


def _run(command: _Command, options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    try:
        code = command(options, environment)
        sys.stdout.flush()
    except HomeostatError as error:
        output.complain(str(error))
    except KeyboardInterrupt:
        writing = options.command == "remediate"
        output.say("interrupted" + ("; a write that had begun goes on in Azure: see `plan`" if writing else ""))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        output.say(f"error: {error.filename or 'input or output'}: {error.strerror or error}. Check it and try again.")
    else:
        return code
    return 1


@contextmanager
def _log(*, verbose: bool) -> Iterator[None]:
    """Errors go to stderr, and with `verbose` also the loop's log; libraries' errors are part of our own."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO if verbose else logging.ERROR)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    ours, root = logging.getLogger("homeostat"), logging.getLogger()
    before = ours.level
    root.addHandler(handler)
    if verbose:
        ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.setLevel(before)
        root.removeHandler(handler)
