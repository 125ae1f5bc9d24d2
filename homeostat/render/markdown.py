"""A report as Markdown (GitHub Flavored), for the summary of a CI job or a comment."""

import re
from collections.abc import Iterator

from homeostat.core.outcome import Status
from homeostat.render.report import Conclusion, Difference, Report, RootPart, TargetPart, Write
from homeostat.render.words import printable, root_words, status_words, summary, value_text

_TITLES = {
    Conclusion.AS_DECLARED: "Homeostat: as declared",
    Conclusion.DRIFT: "Homeostat: drift",
    Conclusion.ERROR: "Homeostat: incomplete",
}


def render(report: Report) -> str:
    return "\n".join((f"## {_TITLES[report.conclusion]}", "", summary(report), *_targets(report), ""))


def _targets(report: Report) -> Iterator[str]:
    for target in report.targets:
        yield from ("", f"### {_plain(target.name)}")
        yield from _target(target)


def _target(target: TargetPart) -> Iterator[str]:
    differing = [root for root in target.roots if root.status is not Status.IN_SYNC]
    if len(differing) < len(target.roots):
        yield from ("", f"{len(target.roots) - len(differing)} of {len(target.roots)} roots are as declared.")
    for root in differing:
        yield from ("", f"**{_plain(root_words(root.id))}**: {_plain(status_words(root.status))}")
        yield from _root(root)


def _root(root: RootPart) -> Iterator[str]:
    if root.error:
        yield from ("", f"> {_plain(root.error)}")
    if root.differences:
        yield from ("", "| | What | Wanted | Found | Held |", "|---|---|---|---|---|")
        yield from map(_row, root.differences)
    if root.written or root.planned:
        yield ""
    for write in root.written:
        yield f"- wrote {_write(write)}"
    for write in root.planned:
        yield f"- would write {_write(write)}"


def _row(difference: Difference) -> str:
    hold = f"{_plain(difference.hold.code)}: {_plain(difference.hold.message)}" if difference.hold else ""
    note = f" ({_plain(difference.note)})" if difference.note else ""
    cells = (
        difference.mark.word,
        f"{_code(difference.label)}{note}",
        _code(value_text(difference.want)),
        _code(value_text(difference.have)),
        hold,
    )
    return f"| {' | '.join(cells)} |"


def _write(write: Write) -> str:
    effect = f" ({write.effect})" if write.effect else ""
    return f"{_code(f'{write.verb} {write.resource.short}')}{effect}"


def _plain(text: str) -> str:
    """Text without any effect: nothing in it is Markdown, HTML, or a mention of somebody."""
    escaped = re.sub(r"([\\`*_{}\[\]#|~>])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")


def _code(text: str) -> str:
    """A code span with the text, whatever it contains, also inside a table (CommonMark 6.1, GFM 4.10)."""
    text = printable(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", r"\|")
