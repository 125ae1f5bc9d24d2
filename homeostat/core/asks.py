"""A person's request for a sweep: who asked, when and why. It is stored with the sweep that meets it. Pure."""

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
    """The request in a message of the sweeps' queue; None in the timer's, and in a malformed one."""
    try:
        at = datetime.fromisoformat(json.text_at(message, "ask", "at"))
    except ValueError:
        return None
    by, reason = (json.text_at(message, "ask", name) for name in ("by", "reason"))
    return Ask(at, by, reason) if at.tzinfo else None
