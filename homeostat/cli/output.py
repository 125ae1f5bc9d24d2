"""Output: data to stdout or a file, everything else to stderr, questions to a terminal only."""

import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Protocol

from homeostat.core.errors import HomeostatError
from homeostat.render.words import printable


class CannotWrite(HomeostatError):
    """The file of --out could not be written."""


def make_safe() -> None:
    """Any text can be shown: a character that the terminal's encoding lacks becomes an escape.

    A stream that the caller closed (`>&-`, as cron and service managers may) is one that nobody reads.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def data(text: str) -> None:
    sys.stdout.write(text)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def complain(text: str) -> None:
    """An error, which may quote others: line by line, without anything that a terminal would obey."""
    lines = "\n".join(printable(line) for line in f"error: {text}".splitlines())
    say(lines if lines.endswith((".", "?")) else f"{lines}.")


def progress(text: str) -> None:
    """Informs a waiting person; a pipe gets nothing."""
    if sys.stderr.isatty():
        say(text)


class _Stream(Protocol):
    def isatty(self) -> bool: ...


def colours(stream: _Stream, environment: Mapping[str, str]) -> bool:
    """https://no-color.org: any value that is not empty turns them off."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Whether a person at the terminal agrees. The end of the input means no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def refuse_no_place(path: Path | None) -> None:
    """Raises CannotWrite for a file that no folder can hold, before the minutes that its text may take."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        why = "it is a folder" if path.is_dir() else f"{path.parent} is no folder"
        raise CannotWrite(f"{path} cannot be written: {why}. Name a file in a folder that exists.")


def write_file(path: Path, text: str) -> None:
    """Writes the whole file or leaves what was there. Raises CannotWrite."""
    try:
        if path.exists() and not path.is_file():  # a pipe or /dev/null cannot be replaced
            path.write_text(text, encoding="utf-8")
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be written: {error.strerror}. Name a file in a folder with room, where you may write."
        ) from error
