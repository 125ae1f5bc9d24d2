"""The dashboard: one page, made of what the API tells, without scripts or anything from elsewhere. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from homeostat.core import json
from homeostat.core.json import Json, JsonObject
from homeostat.render.sweep import line
from homeostat.render.words import actor_words

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.4rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .5rem .7rem; border-bottom: 1px solid #ddd }
.ok { color: #0b6a0b } .bad { color: #a4262c } .note { color: #605e5c } code { font-size: .9em }
@media (prefers-color-scheme: dark) { body { background: #1b1a19; color: #f3f2f1 } th, td { border-color: #484644 }
.ok { color: #92c353 } .bad { color: #f1707b } .note { color: #a19f9d } }
"""


def page(health: JsonObject, targets: Sequence[JsonObject], now: datetime, sweep: JsonObject | None = None) -> str:
    """A complete HTML document. Every value is escaped: names and reasons are written by people.

    sweep: the one that is under way, or the last.
    """
    rows = "".join(_row(target) for target in targets) or '<tr><td colspan="4">No target is declared.</td></tr>'
    problem = json.text_at(health, "problem")
    warning = f'<p class="bad">The specs have a problem: {escape(problem)}</p>' if problem else ""
    swept = f"<p>{escape(line(sweep))}</p>" if sweep else ""
    if poison := health.get("poison"):
        warning += (
            f'<p class="bad">{escape(str(poison))} messages failed too often: see <code>homeostat poison</code></p>'
        )
    warning += "".join(_budget(budget) for budget in json.objects_at(health, "budgets"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Homeostat</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Homeostat</h1>"
        f"<p>Mode {escape(json.text_at(health, 'mode'))} · {health['targets']} targets · {health['roots']} roots "
        f'· <span class="note">as of {escape(now.isoformat(timespec="seconds"))}</span></p>{swept}{warning}'
        "<table><thead><tr><th>Target</th><th>State</th><th>Declared</th><th>Roots</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></body></html>"
    )


def _budget(budget: JsonObject) -> str:
    """Of a quota of which the answering instance has little left."""
    where = " ".join(json.text_at(budget, name) for name in ("subscription", "region"))
    left = f"{budget['left']} of {budget['of']} {json.text_at(budget, 'quota')} are left"
    return f'<p class="note">{escape(f"{left} to this instance in {where or 'the tenant'}")}</p>'


def _row(target: JsonObject) -> str:
    roots = "<br>".join(f"<code>{escape(_short(root))}</code>" for root in _list(target["roots"]))
    kinds = ", ".join(escape(str(kind)) for kind in _list(target["kinds"]))
    name = escape(json.text_at(target, "name"))
    return f"<tr><td><b>{name}</b></td><td>{_state(target)}</td><td>{kinds}</td><td>{roots}</td></tr>"


def _state(target: JsonObject) -> str:
    lines = [
        f'<span class="bad">{escape(_event(json.text_at(episode, "state")))}: {escape(json.text_at(episode, "kind"))}'
        f'</span> <span class="note">since {escape(json.text_at(episode, "since"))}{_changed_by(episode)}</span>'
        for episode in json.objects_at(target, "episodes")
    ]
    if target["retired"] is True:
        lines = ['<span class="bad">retired: the web app is gone</span>']
    lines += [
        f'<span class="bad">{failing["failures"]} tries failed</span> <span class="note">since '
        f"{escape(json.text_at(failing, 'since'))}, next at "
        f"{escape(json.text_at(failing, 'nextTry') or 'the next event or sweep')}</span>: "
        f"{escape(json.text_at(failing, 'error'))}"
        for failing in json.objects_at(target, "failing")
    ]
    lines += [
        f"paused until {escape(json.text_at(pause, 'until'))} by {escape(json.text_at(pause, 'by'))}: "
        f"{escape(json.text_at(pause, 'reason'))}"
        for pause in json.objects_at(target, "pauses")
    ]
    return "<br>".join(lines) or '<span class="ok">as declared</span>'


def _changed_by(episode: JsonObject) -> str:
    """Of a root that fails there is nobody to name."""
    actor = episode.get("changedBy")
    return f", changed by {escape(actor_words(actor))}" if isinstance(actor, Mapping) else ""


def _event(alert_type: str) -> str:
    """`Homeostat.DriftDetected.v1` as people say it."""
    return {"Homeostat.DriftDetected.v1": "drifted", "Homeostat.Held.v1": "held", "Homeostat.Failed.v1": "failing"}.get(
        alert_type, alert_type
    )


def _short(resource_id: Json) -> str:
    return "/".join(str(resource_id).split("/")[-2:])


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | Mapping) else ()
