"""A report as lines for a terminal: what an operator reads at night."""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT
from homeostat.core.outcome import Status
from homeostat.render.report import AS_DECLARED, Conclusion, Difference, Mark, Report, RootPart, TargetPart, Write
from homeostat.render.words import counted, printable, root_words, status_words, summary, value_text


class _Style(Enum):
    """Select Graphic Rendition codes (ECMA-48, 8.3.117)."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    BAD = "31"
    GOOD = "32"
    WARN = "33"


type _Line = tuple[_Style, str]

_BY_CONCLUSION = {
    Conclusion.AS_DECLARED: _Style.GOOD,
    Conclusion.DRIFT: _Style.WARN,
    Conclusion.ERROR: _Style.BAD,
}
_BY_MARK = {
    Mark.CHANGED: _Style.WARN,
    Mark.MISSING: _Style.GOOD,
    Mark.UNMANAGED: _Style.BAD,
    Mark.SETTLING: _Style.DIM,
    Mark.UNKNOWN: _Style.BAD,
}


def render(report: Report, *, colour: bool = False) -> str:
    """The report, ending in a newline. Without `colour` it is plain text."""
    return _joined(_lines(report), colour=colour)


def render_entry(heading: str, root: RootPart, notes: Sequence[str] = (), *, colour: bool = False) -> str:
    """One entry of a root's history."""
    told = ((_Style.DIM, f"    {note}") for note in notes)
    return _joined([(_Style.BOLD, heading), *_root(root), *told], colour=colour)


def _joined(lines: Iterable[_Line], *, colour: bool) -> str:
    return "".join(f"{_styled(style, printable(text), colour=colour)}\n" for style, text in lines)


def _styled(style: _Style, text: str, *, colour: bool) -> str:
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour and style.value else text


def _lines(report: Report) -> Iterator[_Line]:
    shown: dict[ResourceId, str] = {}
    for target in report.targets:
        yield from _target(target, shown)
        yield _Style.PLAIN, ""
    yield _BY_CONCLUSION[report.conclusion], summary(report)


def _target(target: TargetPart, shown: dict[ResourceId, str]) -> Iterator[_Line]:
    """shown: the roots that were shown under an earlier target, since several can share one."""
    yield _Style.BOLD, f"{target.name} ({root_words(target.web_app)})"
    in_order = [root for root in target.roots if root.status is Status.IN_SYNC]
    for root in target.roots:
        if root.status is Status.IN_SYNC:
            continue
        if (other := shown.setdefault(root.id, target.name)) != target.name:
            yield _Style.DIM, f"  {root_words(root.id)}: see {other}"
        else:
            yield from _root(root)
    if in_order:
        names = ", ".join(root.id.short for root in in_order)
        yield _Style.DIM, f"  as declared: {names}"


def _root(root: RootPart) -> Iterator[_Line]:
    good = root.status in AS_DECLARED
    yield _Style.GOOD if good else _Style.PLAIN, f"  {root_words(root.id)}: {status_words(root.status)}"
    if root.error:
        yield _Style.BAD, f"    {root.error}"
    for action in root.refused:
        yield _Style.WARN, f"    the role lacks {action}"
    for difference in root.differences:
        yield from _difference(difference)
    for write in root.written:
        yield _Style.GOOD, f"    wrote {_write(write)}: {', '.join(write.repairs)}"
    for write in root.planned:
        yield _Style.PLAIN, f"    would write {_write(write)} for {counted(len(write.repairs), 'difference')}"


def _difference(difference: Difference) -> Iterator[_Line]:
    note = f" ({difference.note})" if difference.note else ""
    yield _BY_MARK[difference.mark], f"    {difference.mark} {difference.mark.word}: {difference.label}{note}"
    if difference.want is not ABSENT:
        yield _Style.PLAIN, f"        want {value_text(difference.want)}"
    if difference.have is not ABSENT and difference.mark is not Mark.UNKNOWN:
        yield _Style.PLAIN, f"        have {value_text(difference.have)}"
    if hold := difference.hold:
        until = f"; looked at again at {hold.retry_at}" if hold.retry_at else ""
        yield _Style.WARN, f"        held, {hold.code}: {hold.message}{until}"


def _write(write: Write) -> str:
    effect = f" ({write.effect})" if write.effect else ""
    return f"{write.verb} {write.resource.short}{effect}"
