"""The fleet's policy: how boldly Homeostat may write, whatever the targets declare. One document for a deployment.

Its sections stand beside the guards that they steer, or in `homeostat.core.limits`. Without the document, or a
section of it, the defaults hold, and they are cautious.
"""

from typing import Final, Literal

from pydantic import Field

from homeostat.core.json import JsonObject
from homeostat.core.limits import Caps, Flapping, MassDrift, RolloutStages
from homeostat.core.model import Section


class Policy(Section):
    """A document that declares no web app, but limits what is written for all of them."""

    policy: Literal["fleet"] = Field(description="Marks the document: `policy: fleet`. There is at most one.")
    caps: Caps = Field(default=Caps(), description="How many writes are made at most.")
    mass_drift: MassDrift = Field(default=MassDrift(), description="When so much drifts that nothing is written.")
    rollout: RolloutStages = Field(default=RolloutStages(), description="How a changed spec comes into force.")
    flapping: Flapping = Field(default=Flapping(), description="When a drift comes back after every repair.")


DEFAULT_POLICY: Final = Policy(policy="fleet")


def policy_schema() -> JsonObject:
    """JSON Schema (draft 2020-12) of the policy document, for editors."""
    schema = Policy.model_json_schema(mode="serialization")  # in which defaults are as they are written
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Homeostat policy"}
