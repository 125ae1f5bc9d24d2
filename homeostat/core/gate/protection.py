"""The guard of what Homeostat itself runs on."""

from typing import Final

from homeostat.core.gate.situation import Situation
from homeostat.core.model import Edit
from homeostat.core.plan import Hold

OWN_RESOURCE: Final = "own-resource"


def not_own(edit: Edit, situation: Situation) -> Hold | None:
    """An edit of what Homeostat runs on, of what is in it, or of what it is in, is never made. It stays so."""
    own = situation.own.touched_by(edit.resource)
    if own is None:
        return None
    return Hold(OWN_RESOURCE, f"Homeostat itself runs on {own.short}: repair it by hand", {"own": own.text})
