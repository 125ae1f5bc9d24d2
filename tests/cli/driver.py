"""Runs many Azure CLI commands in one process, in the Azure CLI's own Python environment.

Starting `az` costs about a second of imports before a command does anything. This program pays that once: it reads a
command's arguments as a JSON list a line, hands them to the CLI's own entry point and answers a JSON object a line.
What the CLI prints on standard error stays on standard error.
"""

import contextlib
import io
import json
import sys
import time

from azure.cli.core import get_default_cli  # type: ignore[import-untyped]  # lives in the CLI's environment alone

_LONGEST_NAP = 0.02


def nap_briefly() -> None:
    """Between two looks at a long-running operation the CLI waits 0.5 to 30 s; the simulator has long finished it."""
    sleep = time.sleep

    def nap(seconds: float, /) -> None:
        sleep(min(seconds, _LONGEST_NAP))

    time.sleep = nap  # type: ignore[assignment]  # the stub also allows SupportsIndex, which nobody sleeps for


def invoke(arguments: list[str]) -> dict[str, object]:
    """A fresh CLI object for each command, as a fresh `az` would have; only the imported modules are shared."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            code = get_default_cli().invoke(arguments, out_file=printed)
        except SystemExit as left:  # the argument parser leaves this way
            code = left.code
    sys.stderr.flush()
    return {"code": code or 0, "output": printed.getvalue()}


def main() -> None:
    nap_briefly()
    for line in sys.stdin:
        print(json.dumps(invoke(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
