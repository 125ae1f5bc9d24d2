"""The fleet's policy: how boldly Homeostat may write, whatever the targets declare. One document for a deployment.

Its sections are defined beside what they control. Without the document, or a section of it, the defaults hold; they
are cautious.
"""

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from homeostat.core.approvals import ApprovalRules
from homeostat.core.json import JsonObject
from homeostat.core.limits import Caps, Flapping, MassDrift, RolloutStages
from homeostat.core.model import Section
from homeostat.core.windows import Window


class Deployments(StrEnum):
    """What a running deployment in a root's resource group means for its repairs."""

    WAIT = "wait"
    IGNORE = "ignore"


class Policy(Section):
    """A document that declares no web app, but limits what is written for all of them."""

    policy: Literal["fleet"] = Field(description="Marks the document: `policy: fleet`. There is at most one.")
    windows: dict[str, Window] = Field(
        default_factory=dict,
        description="When repairs may be made, by names of your choice. A target's own `windows` replace those that "
        "allow; those that deny hold for everybody.",
    )
    approvals: ApprovalRules = Field(
        default_factory=ApprovalRules, description="What waits for a person, and for how long that is good."
    )
    deployments: Deployments = Field(
        default=Deployments.WAIT,
        description="wait: nothing is written in a resource group while a deployment runs in it, up to two hours. "
        "ignore: deployments are not asked for.",
    )
    caps: Caps = Field(default=Caps(), description="How many writes are made at most.")
    mass_drift: MassDrift = Field(default=MassDrift(), description="When so much drifts that nothing is written.")
    rollout: RolloutStages = Field(default=RolloutStages(), description="How a changed spec comes into force.")
    flapping: Flapping = Field(default=Flapping(), description="When a drift comes back after every repair.")


DEFAULT_POLICY: Final = Policy(policy="fleet")


def policy_schema() -> JsonObject:
    """JSON Schema (draft 2020-12) of the policy document, for editors."""
    schema = Policy.model_json_schema(mode="serialization")  # in which defaults appear as they are written
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Homeostat policy"}
