"""Says what the Azure CLI's own parser has against commands, and runs none of them.

A program of the Azure CLI's Python environment: a JSON list of argument lists on standard input, and for each of them
what the parser says, "" if nothing, as a JSON list on standard output.
"""

import contextlib
import io
import json
import sys

from azure.cli.core import get_default_cli  # type: ignore[import-untyped]  # lives in the CLI's environment alone
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS  # type: ignore[import-not-found]  # as well


class _Parsed(BaseException):
    """Leaves the CLI before it runs anything; it catches each Exception."""


def _leave(*_: object, **__: object) -> None:
    raise _Parsed


def complaint(arguments: list[str]) -> str:
    said = io.StringIO()
    cli = get_default_cli()
    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, _leave)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            cli.invoke(arguments, out_file=said)
        except _Parsed:
            return ""
        except SystemExit:  # the argument parser leaves this way
            pass
    return said.getvalue().strip() or "it was not parsed to its end"


if __name__ == "__main__":
    print(json.dumps([complaint(each) for each in json.load(sys.stdin)]))
