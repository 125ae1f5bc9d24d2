"""The sections of the fleet's policy that limit how much, how often and how fast Homeostat writes.

Their guards are in `homeostat.core.gate`, each in a module of the same name. With the defaults a person can heal one
web app at once, or create it from nothing, while nothing more than that happens unattended.
"""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from homeostat.core.measures import Duration, Share, Stage
from homeostat.core.model import Section

type Count = Annotated[int, Field(ge=1, le=20_000)]


class Caps(Section):
    """How many writes may be made. A write is one request to ARM that changes something."""

    writes_per_run: Count = Field(
        default=200, description="In one run: what a person asked for, one sweep, or the repair after one event."
    )
    share_per_run: Share = Field(default=0.25, description="Of the declared roots, that one run may write to.")
    writes_per_resource_and_hour: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="To one ARM resource in any hour."
    )
    writes_per_hour: Count = Field(default=500, description="Over the fleet, in any hour.")
    share_per_hour: Share = Field(default=0.5, description="Of the declared roots, that may be written to in any hour.")
    roots_at_least: Annotated[int, Field(ge=0, le=20_000)] = Field(
        default=30, description="So many roots a run, and an hour, may write to whatever the shares come to."
    )

    def roots_per_run(self, declared: int) -> int:
        return max(self.roots_at_least, int(self.share_per_run * declared))

    def roots_per_hour(self, declared: int) -> int:
        return max(self.roots_at_least, int(self.share_per_hour * declared))


class MassDrift(Section):
    """When so much needs repair at once that the spec, or one great change, is the more likely cause than drift."""

    share: Share = Field(
        default=0.2, description="Of the declared roots; when more than this drift, nothing is written."
    )
    at_least: Annotated[int, Field(ge=1, le=20_000)] = Field(
        default=30, description="No fewer roots than this count as a mass."
    )
    within: Duration = Field(
        default=timedelta(hours=1), description="What needed repair within this time counts, repaired or not."
    )
    suspect_spec_for: Duration = Field(
        default=timedelta(hours=24), description="So long after the spec changed, it is the first suspect."
    )

    def threshold(self, declared: int) -> int:
        """The most drifting roots that are no mass drift."""
        return max(self.at_least, int(self.share * declared))


class RolloutStages(Section):
    """How a changed spec comes into force: for a few targets first, then for more, then for all."""

    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=10)] = Field(
        default=(1, 0.01, 1.0),
        description="How many of the changed targets each stage has; the last is 100%.",
        json_schema_extra={"default": [1, "1%", "100%"]},  # pydantic does not serialise this default of a tuple
    )
    bake: Duration = Field(
        default=timedelta(minutes=10), description="How long a stage must have been as declared before the next."
    )
    from_targets: Count = Field(
        default=10, description="A change of fewer targets than this comes into force for all of them at once."
    )

    @model_validator(mode="after")
    def _ends_with_all(self) -> Self:
        if self.stages[-1] != 1.0 or not isinstance(self.stages[-1], float):
            raise ValueError("the last stage must be 100%, or some targets would never follow")
        return self


class Flapping(Section):
    """When the same drift comes back after every repair: another writer disagrees."""

    times: Annotated[int, Field(ge=2, le=50)] = Field(
        default=3, description="The same drift repaired so often `within` that time trips the breaker."
    )
    within: Duration = Field(default=timedelta(hours=1), description="The time in which the repairs are counted.")
    backoff: Duration = Field(
        default=timedelta(minutes=15), description="How long it is left alone then; twice as long each further time."
    )
    stop_after: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, description="After so many trips it is not repaired again before a person says so."
    )
    stable: Duration = Field(
        default=timedelta(hours=24), description="Without that drift for so long, all is forgotten."
    )
