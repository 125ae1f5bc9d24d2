"""The guard of the resources that Homeostat itself runs on."""

from typing import Final

from homeostat.core.gate.situation import Situation
from homeostat.core.model import Edit
from homeostat.core.plan import Hold

OWN_RESOURCE: Final = "own-resource"


def not_own(edit: Edit, situation: Situation) -> Hold | None:
    """An edit of what Homeostat runs on, of anything in it or around it, is never made, and is held for good."""
    own = situation.own.touched_by(edit.resource)
    if own is None:
        return None
    return Hold(OWN_RESOURCE, f"Homeostat itself runs on {own.short}: repair it by hand", {"own": own.text})
