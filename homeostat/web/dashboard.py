"""The dashboard: one page made from what the API returns, without scripts or external resources. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

from homeostat.core import json
from homeostat.core.alerts import AlertType
from homeostat.core.json import Json, JsonObject
from homeostat.render.sweep import line
from homeostat.render.words import actor_words, counted, unsure_words

AS_DECLARED: Final = '<span class="ok">as declared</span>'

_EVENTS: Final[Mapping[str, str]] = {
    AlertType.DRIFT_DETECTED: "drifted",
    AlertType.HELD: "held",
    AlertType.FAILED: "failing",
}

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.4rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .5rem .7rem; border-bottom: 1px solid #ddd }
.ok { color: #0b6a0b } .bad { color: #a4262c } .note { color: #605e5c } code { font-size: .9em }
@media (prefers-color-scheme: dark) { body { background: #1b1a19; color: #f3f2f1 } th, td { border-color: #484644 }
.ok { color: #92c353 } .bad { color: #f1707b } .note { color: #a19f9d } }
"""


_APPROVE: Final = "python -m homeostat approve"

MAX_ROWS: Final = 500
"""Targets that are shown: browsers are slow with more, and nobody reads them."""


def page(
    health: JsonObject,
    targets: Sequence[JsonObject],
    now: datetime,
    sweep: JsonObject | None = None,
    approvals: Sequence[JsonObject] = (),
) -> str:
    """A complete HTML document. Every value is escaped: people write the names and reasons.

    sweep: the running one, or the last. approvals: those that are pending, or approved and not written yet.
    """
    problem = json.text_at(health, "problem")
    warning = f'<p class="bad">The specs have a problem: {escape(problem)}</p>' if problem else ""
    swept = f"<p>{escape(line(sweep))}</p>" if sweep else ""
    if poison := health.get("poison"):
        warning += (
            f'<p class="bad">{escape(str(poison))} messages failed too often: '
            "see <code>python -m homeostat poison</code></p>"
        )
    warning += "".join(_budget(budget) for budget in json.objects_at(health, "budgets"))
    warning += "".join(_approval(approval) for approval in approvals)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Homeostat</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Homeostat</h1>"
        f"<p>Mode {escape(json.text_at(health, 'mode'))} · {_number(health, 'target')} · {_number(health, 'root')} "
        f'· <span class="note">as of {escape(now.isoformat(timespec="seconds"))}</span></p>{swept}{warning}'
        "<table><thead><tr><th>Target</th><th>State</th><th>Declared</th><th>Roots</th></tr></thead>"
        f"<tbody>{_rows(targets)}</tbody></table></body></html>"
    )


def _number(health: JsonObject, thing: str) -> str:
    number = health[f"{thing}s"]
    assert isinstance(number, int), "health counts them"
    return counted(number, thing)


def _budget(budget: JsonObject) -> str:
    """A quota of which the answering instance has little left."""
    where = " ".join(json.text_at(budget, name) for name in ("subscription", "region"))
    left = f"{budget['left']} of {budget['of']} {json.text_at(budget, 'quota')} are left"
    return f'<p class="note">{escape(f"{left} to this instance in {where or 'the tenant'}")}</p>'


def _approval(approval: JsonObject) -> str:
    """Without a link: a link decides, and the readers of this page may only look."""
    id_, state, until = (escape(json.text_at(approval, name)) for name in ("id", "state", "expires"))
    by = f" by {escape(by)}" if (by := json.text_at(approval, "by")) else ""
    changes = json.objects_at(approval, "changes")
    what = ", ".join(
        escape(" ".join(json.text_at(change, name) for name in ("does", "kind", "item"))) for change in changes
    )
    word = f"<b>waits for approval</b>: <code>{_APPROVE} {id_}</code>" if state == "pending" else f"{state}{by}"
    root = escape(_short(approval["root"]))
    return f'<p><code>{root}</code>: {what} {word} <span class="note">until {until}</span></p>'


def _rows(targets: Sequence[JsonObject]) -> str:
    """The targets, with those first that have something to report."""
    if not targets:
        return '<tr><td colspan="4">No target is declared.</td></tr>'
    told = sorted(((_state(target), target) for target in targets), key=_rank)
    rows = "".join(_row(target, state) for state, target in told[:MAX_ROWS])
    if len(told) <= MAX_ROWS:
        return rows
    open_ = sum(state != AS_DECLARED for state, _ in told[MAX_ROWS:])
    more = f"and {len(told) - MAX_ROWS} more, {open_ or 'none'} of them with something to tell: see GET /api/targets"
    return f'{rows}<tr><td colspan="4" class="note">{more}</td></tr>'


def _rank(row: tuple[str, JsonObject]) -> int:
    """Unknown states come after those that somebody may have to act on."""
    state, target = row
    if state == AS_DECLARED:
        return 2
    return int(state == _note(unsure_words(target)))


def _row(target: JsonObject, state: str) -> str:
    roots = "<br>".join(f"<code>{escape(_short(root))}</code>" for root in _list(target["roots"]))
    kinds = ", ".join(escape(str(kind)) for kind in _list(target["kinds"]))
    name = escape(json.text_at(target, "name"))
    return f"<tr><td><b>{name}</b></td><td>{state}</td><td>{kinds}</td><td>{roots}</td></tr>"


def _state(target: JsonObject) -> str:
    retired = target["retired"] is True
    lines = (
        *([_bad("retired: the web app is gone")] if retired else map(_episode, json.objects_at(target, "episodes"))),
        *map(_failing, json.objects_at(target, "failing")),
        *map(_flapping, json.objects_at(target, "flapping")),
        *map(_paused, json.objects_at(target, "pauses")),
        *([_note(unsure)] if (unsure := unsure_words(target)) else []),
    )
    return "<br>".join(lines) or AS_DECLARED


def _episode(episode: JsonObject) -> str:
    what = f"{_event(json.text_at(episode, 'state'))}: {json.text_at(episode, 'kind')}"
    return f"{_bad(what)} {_note(f'since {json.text_at(episode, "since")}{_changed_by(episode)}')}"


def _failing(failing: JsonObject) -> str:
    since, again, error = (json.text_at(failing, name) for name in ("since", "nextTry", "error"))
    when = f"since {since}, next at {again or 'the next event or sweep'}"
    return f"{_bad(f'{failing["failures"]} tries failed')} {_note(when)}: {escape(error)}"


def _flapping(flap: JsonObject) -> str:
    kind, what, until = (json.text_at(flap, name) for name in ("kind", "what", "until"))
    left = f"came back after {flap['healed']} repairs" + (f"; left alone until {until}" if until else "")
    return f"{_bad(f'flapping: {kind} {what}')} {_note(left)}"


def _paused(pause: JsonObject) -> str:
    until, by, reason = (escape(json.text_at(pause, name)) for name in ("until", "by", "reason"))
    return f"paused until {until} by {by}: {reason}"


def _bad(text: str) -> str:
    return f'<span class="bad">{escape(text)}</span>'


def _note(text: str) -> str:
    return f'<span class="note">{escape(text)}</span>'


def _changed_by(episode: JsonObject) -> str:
    """A failing root has no known actor."""
    actor = episode.get("changedBy")
    return f", changed by {actor_words(actor)}" if isinstance(actor, Mapping) else ""


def _event(alert_type: str) -> str:
    """An alert's type in words."""
    return _EVENTS.get(alert_type, alert_type)


def _short(resource_id: Json) -> str:
    return "/".join(str(resource_id).split("/")[-2:])


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | Mapping) else ()
