"""A person's word on a sweep: who asked for it, when and why. It is kept with the sweep that answers it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from homeostat.core import json
from homeostat.core.json import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Ask:
    at: datetime
    by: str
    reason: str = ""


def ask_json(ask: Ask) -> JsonObject:
    return {"at": ask.at.isoformat(), "by": ask.by, "reason": ask.reason}


def ask_in(message: Json) -> Ask | None:
    """The ask that a message of the sweeps' queue carries; None for the timer's, and for what is not understood."""
    try:
        at = datetime.fromisoformat(json.text_at(message, "ask", "at"))
    except ValueError:
        return None
    by, reason = (json.text_at(message, "ask", name) for name in ("by", "reason"))
    return Ask(at, by, reason) if at.tzinfo else None
