"""The report of a sweep: as JSON, with the end of each root that may have differed, and as Markdown for people."""

from homeostat.core import json
from homeostat.core.asks import Ask
from homeostat.core.json import JsonObject
from homeostat.core.sweep import State
from homeostat.core.sweep_summary import End, Summary, summary_json
from homeostat.render.words import printable

_WORDS = {
    End.HEALED: "healed",
    End.REPORTED: "drifted, reported only",
    End.HELD: "held",
    End.FAILED: "failed",
    End.RETIRED: "retired: the web app is gone",
    End.IN_SYNC: "as declared, once it was read afresh",
    None: "unfinished",
}
_SHOWN_FIRST = (End.FAILED, None, End.HELD, End.REPORTED, End.HEALED, End.RETIRED)
_ROLE = "assign infra/role.json, or leave out what needs it."
MAX_LINES = 1000
"""Roots that the Markdown names; the JSON has all of them."""


def line(told: JsonObject) -> str:
    """One sentence about a sweep, from what the API returns."""
    began, roots = json.text_at(told, "began")[:16], told.get("roots")
    began += "".join(f", asked for by {json.text_at(ask, 'by')}" for ask in json.objects_at(told, "asked")[:1])
    if json.text_at(told, "status") == State.RUNNING:
        return f"Sweep since {began}: {told.get('done')} of {roots} roots looked at, {told.get('marked')} may differ."
    names = ("healed", "held", "failed", "skipped", "unfinished")
    rest = ", ".join(f"{told[name]} {name}" for name in names if told.get(name))
    checked = f"{told.get('checked')} of {roots} roots as declared"
    return f"Last sweep {began}: {checked}{f'; {rest}' if rest else ''}.{_refused(told)}"


def _refused(told: JsonObject) -> str:
    """What an operator can correct at once: the role."""
    actions = told.get("refused")
    if not isinstance(actions, list | tuple) or not actions:
        return ""
    more = f" and {len(actions) - 1} more" if len(actions) > 1 else ""
    return f" The role lacks {actions[0]}{more}."


def as_json(summary: Summary) -> str:
    ends = {key: end.value if end else "unfinished" for key, end in sorted(summary.ends.items())}
    return json.render({**summary_json(summary), "unindexed": list(summary.unindexed), "marked": ends})


def as_markdown(summary: Summary) -> str:
    title = "as declared" if summary.is_finished and not (summary.drifted or summary.failed) else "see below"
    lines = [
        f"# Sweep {summary.id}: {title}",
        "",
        _head(summary),
        "",
        "| checked | drifted | healed | held | failed | skipped | unfinished | read in full |",
        "|---|---|---|---|---|---|---|---|",
        f"| {' | '.join(map(str, _counts(summary)))} |",
    ]
    lines += [line for ask in summary.asks for line in ("", f"Asked for by {printable(_words(ask))}.")]
    if summary.lost_chunks:
        lines += ["", f"Chunks that did not end: {', '.join(map(str, summary.lost_chunks))}."]
    lines += [line for action in summary.refused for line in ("", f"The role lacks `{action}`: {_ROLE}")]
    lines += [line for reason in summary.unindexed for line in ("", f"Resource Graph did not answer: `{reason}`")]
    for end in _SHOWN_FIRST:
        keys = sorted(key for key, each in summary.ends.items() if each is end)
        if keys:
            lines += ["", f"## {_WORDS[end].capitalize()} ({len(keys)})", ""]
            lines += [f"- `{key}`" for key in keys[:MAX_LINES]]
            lines += [f"- and {len(keys) - MAX_LINES} more"] if len(keys) > MAX_LINES else []
    return "\n".join((*lines, ""))


def _head(summary: Summary) -> str:
    began, took = summary.began.isoformat(timespec="seconds"), (summary.ended - summary.began).total_seconds()
    return (
        f"{began}, {summary.cause}, spec version `{summary.spec_version}`: {summary.roots} roots in "
        f"{summary.subscriptions} subscriptions took {took:.0f} s, {summary.calls} calls to ARM and "
        f"{summary.queries} queries of Resource Graph."
    )


def _words(ask: Ask) -> str:
    return f"{ask.by} at {ask.at.isoformat(timespec='seconds')}: {ask.reason or 'no reason given'}"


def _counts(summary: Summary) -> tuple[int, ...]:
    return (
        summary.checked,
        summary.drifted,
        summary.healed,
        summary.held,
        summary.failed,
        summary.skipped,
        summary.unfinished,
        summary.in_full,
    )
