"""How the story is told: plain lines for any reader, colour for a person at a terminal."""

import os
import sys
from dataclasses import dataclass, field
from typing import Final, TextIO

BOLD: Final = "1"
GREEN: Final = "32"
YELLOW: Final = "33"
GREY: Final = "90"

_WIDTH: Final = 10


@dataclass(slots=True)
class Narrator:
    out: TextIO = field(default_factory=lambda: sys.stdout)
    steps: int = 0

    def chapter(self, text: str) -> None:
        self._say(f"\n\n{self._in(BOLD, text)}")

    def step(self, text: str) -> None:
        self.steps += 1
        self._say(f"\n{self.steps:2}. {text}")

    def fact(self, name: str, text: str, colour: str = "") -> None:
        shown = self._in(colour, text) if colour else text
        self._say(f"    {self._in(GREY, f'{name:<{_WIDTH}}')} {shown}")

    def good(self, name: str, text: str) -> None:
        self.fact(name, text, GREEN)

    def calm(self, text: str) -> None:
        self._say(text)

    def end(self, text: str) -> None:
        self._say(f"\n\n{self._in(GREEN, text)}")

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def _in(self, colour: str, text: str) -> str:
        """https://no-color.org: colour on a terminal, unless NO_COLOR is set."""
        if not self.out.isatty() or os.environ.get("NO_COLOR"):
            return text
        return f"\x1b[{colour}m{text}\x1b[0m"
