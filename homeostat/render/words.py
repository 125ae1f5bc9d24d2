"""The words that all formats for people share, and how they show values that others wrote."""

from collections import Counter
from collections.abc import Sequence

from homeostat.core import json
from homeostat.core.attribution import NOBODY
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, JsonObject, Value
from homeostat.core.outcome import Status
from homeostat.render.report import Conclusion, Report

VALUE_LIMIT = 400
"""Characters of a value that are shown; the JSON format has all of them."""

_STATUS_WORDS = {
    Status.IGNORED: "not looked at, by HOMEOSTAT_MODE",
    Status.IN_SYNC: "as declared",
    Status.HEALED: "healed",
    Status.PLANNED: "drifted",
    Status.RETIRED: "retired: the web app is gone",
    Status.SETTLING: "settling: a change is still under way",
    Status.MISSING: "not found",
    Status.DRIFTED: "drifted, reported only",
    Status.HELD: "held",
    Status.UNKNOWN: "unknown",
    Status.BUSY: "busy: another instance works on it",
    Status.FAILED: "failed",
}


def status_words(status: Status) -> str:
    return _STATUS_WORDS[status]


def root_words(root: ResourceId) -> str:
    """`networkSecurityGroups/nsg-app in rg-flask`."""
    return f"{root.short} in {root.resource_group}"


def actor_words(actor: JsonObject) -> str:
    """`anna@contoso.example (user) with Azure CLI from 192.0.2.7 at TIME, by OPERATION`: what is known of an actor."""
    name, kind = json.text_at(actor, "name"), json.text_at(actor, "kind")
    if was := json.text_at(actor, "was"):
        return f"{name}, which declares otherwise than {was}"
    if name == NOBODY and not json.text_at(actor, "operation"):
        return "an unknown writer: no event told of it, and Azure does not say who"
    parts = (
        (" with ", "tool"),
        (" from ", "address"),
        (" at ", "at"),
        (", by ", "operation"),
        (", correlation id ", "correlationId"),
    )
    told = "".join(f"{word}{found}" for word, part in parts if (found := json.text_at(actor, part)))
    return f"{name}{f' ({kind})' if kind not in {NOBODY, ''} else ''}{told}"


def value_text(value: Value) -> str:
    """A value on one line: JSON, so that `"6380 "` and `6380` can be told apart; "(absent)" if there is none."""
    if value is ABSENT:
        return "(absent)"
    text = printable(json.render(value))
    return text if len(text) <= VALUE_LIMIT else f"{text[:VALUE_LIMIT]}... ({len(text)} characters)"


def printable(text: str) -> str:
    """The text without what a terminal would obey: control characters, and what reverses a line's direction."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def summary(report: Report) -> str:
    """One sentence that sums it up."""
    totals = report.totals
    everything = f"{counted(totals.targets, 'target')}, {counted(totals.roots, 'root')}"
    writes = f"{counted(totals.writes, 'write')} {'done' if report.done else 'to do'}"
    work = f"{writes}, {counted(totals.restarts, 'restart')}, {totals.held} held"
    match report.conclusion:
        case Conclusion.AS_DECLARED if report.done and totals.writes:
            return f"Healed: {everything} as declared; {work}."
        case Conclusion.AS_DECLARED:
            return f"No drift: {everything} as declared."
        case Conclusion.DRIFT:
            targets = f"{totals.targets - totals.targets_as_declared} of {counted(totals.targets, 'target')}"
            roots = f"{totals.roots - totals.roots_as_declared} of {counted(totals.roots, 'root')}"
            return f"Drift: {targets}, {roots}; {counted(totals.differences, 'difference')}; {work}."
        case Conclusion.ERROR:
            unclear = f"{totals.roots_not_judged} of {counted(totals.roots, 'root')}"
            return f"Incomplete: {unclear} could not be judged or repaired; {work}."


def unsure_words(target: JsonObject) -> str:
    """How many of a target's roots have an unknown state, and why; "" if none has."""
    whys = Counter(json.text_at(unsure, "why") for unsure in json.objects_at(target, "unsure"))
    roots = target.get("roots")
    of = len(roots) if isinstance(roots, Sequence) else 0
    return ", ".join(f"{many} of {counted(of, 'root')} {why}" for why, many in whys.items())


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
