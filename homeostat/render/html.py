"""A report as one HTML page without external resources, to be kept as a build's artifact or sent by mail."""

from collections.abc import Iterator
from html import escape

from homeostat.core.outcome import Status
from homeostat.render.report import Conclusion, Difference, Report, RootPart, TargetPart, Write
from homeostat.render.words import printable, root_words, status_words, summary, value_text

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem } h3 { font-size: 1rem }
table { border-collapse: collapse; width: 100% } code { font-size: .9em; overflow-wrap: anywhere }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem; border-bottom: 1px solid #ddd }
.as-declared { color: #0b6a0b } .drift { color: #8a5a00 } .error { color: #a4262c } .note { color: #605e5c }
@media (prefers-color-scheme: dark) { body { background: #1b1a19; color: #f3f2f1 } th, td { border-color: #484644 }
.as-declared { color: #92c353 } .drift { color: #fce100 } .error { color: #f1707b } .note { color: #a19f9d } }
"""

_TITLES = {
    Conclusion.AS_DECLARED: "As declared",
    Conclusion.DRIFT: "Drift",
    Conclusion.ERROR: "Incomplete",
}


def render(report: Report) -> str:
    """A complete document. Every value is escaped, and no browser runs or fetches anything for it."""
    conclusion = report.conclusion
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Homeostat</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>\n"
        f'<h1 class="{conclusion}">{_TITLES[conclusion]}</h1>\n<p>{_text(summary(report))}</p>\n'
        f"{''.join(map(_target, report.targets))}</body></html>\n"
    )


def _target(target: TargetPart) -> str:
    differing = [root for root in target.roots if root.status is not Status.IN_SYNC]
    calm = len(target.roots) - len(differing)
    note = f'<p class="note">{calm} of {len(target.roots)} roots are as declared.</p>\n' if calm else ""
    return f"<h2>{_text(target.name)}</h2>\n{note}{''.join(map(_root, differing))}"


def _root(root: RootPart) -> str:
    return "".join(_parts(root))


def _parts(root: RootPart) -> Iterator[str]:
    yield f'<h3>{_text(root_words(root.id))}: <span class="note">{_text(status_words(root.status))}</span></h3>\n'
    if root.error:
        yield f'<p class="error">{_text(root.error)}</p>\n'
    if root.differences:
        rows = "".join(map(_row, root.differences))
        yield (
            "<table><thead><tr><th></th><th>What</th><th>Wanted</th><th>Found</th><th>Held</th></tr></thead>\n"
            f"<tbody>{rows}</tbody></table>\n"
        )
    if root.written or root.planned:
        done = "".join(f"<li>wrote {_write(write)}</li>" for write in root.written)
        to_do = "".join(f"<li>would write {_write(write)}</li>" for write in root.planned)
        yield f"<ul>{done}{to_do}</ul>\n"


def _row(difference: Difference) -> str:
    note = f'<br><span class="note">{_text(difference.note)}</span>' if difference.note else ""
    hold = f"{_text(difference.hold.code)}: {_text(difference.hold.message)}" if difference.hold else ""
    return (
        f"<tr><td>{difference.mark.word}</td><td>{_text(difference.label)}{note}</td>"
        f"<td><code>{_text(value_text(difference.want))}</code></td>"
        f"<td><code>{_text(value_text(difference.have))}</code></td><td>{hold}</td></tr>\n"
    )


def _write(write: Write) -> str:
    effect = f" ({_text(write.effect)})" if write.effect else ""
    return f"<code>{_text(f'{write.verb} {write.resource.short}')}</code>{effect}"


def _text(text: str) -> str:
    return escape(printable(text))
