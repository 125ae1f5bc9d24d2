"""The result of a measurement: rows of one table, each with what it is compared with and the target."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

type Measurement = Callable[[], Iterator[Row]]

HEADINGS: Final = ("measure", "Homeostat", "against", "ratio", "to reach", "")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. met: whether the target is reached; None if there is no target."""

    measure: str
    ours: str
    against: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = {True: "met", False: "missed", None: ""}[self.met]
        return (self.measure, self.ours, self.against, ratio, self.target, verdict)


def at_most(limit: float, value: float, unit: str = "") -> tuple[str, bool]:
    """The target in words, and whether `value` reaches it."""
    return f"at most {limit:g}{unit}", value <= limit


def text(rows: Sequence[Row]) -> str:
    """The rows as a table for a terminal."""
    table = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)


def markdown(rows: Iterable[Row]) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
