"""ARM as the loop sees it: a reader and a writer, with the session and the credential they share behind them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from azure.core.credentials_async import AsyncTokenCredential

from homeostat.ambient import Ambient
from homeostat.azure.blocks import Blocks, Pace
from homeostat.azure.clouds import Cloud, cloud_of
from homeostat.azure.credentials import default_credential
from homeostat.azure.governor import Governor
from homeostat.azure.identity import TokenIdentity
from homeostat.azure.pipeline import Pipeline, Transport, arm_pipeline, http_session, session_transport
from homeostat.azure.reader import PipelineReader
from homeostat.azure.resource_graph import ResourceGraph
from homeostat.azure.retry import Limits
from homeostat.azure.writer import DEADLINE, SdkWriter
from homeostat.core.budget import DEFAULT_SHARE_LEFT, Lane
from homeostat.ports import Allowance, ArmWriter


@dataclass(frozen=True, slots=True)
class Sweeping:
    """What a sweep reads with: slower than healing, and from what all instances share."""

    reader: PipelineReader
    table: ResourceGraph


@dataclass(frozen=True, slots=True)
class Arm:
    """`credential` and `transport` are there for the other adapters that talk to Azure."""

    pipeline: Pipeline
    governor: Governor
    ambient: Ambient
    reader: PipelineReader
    writer: ArmWriter
    identity: TokenIdentity
    changes: ResourceGraph
    credential: AsyncTokenCredential
    transport: Transport
    cloud: Cloud

    def sweeping(self, allowance: Allowance) -> Sweeping:
        """The readers of a sweep, once for the process: they hold what they took of the allowance."""
        pace = Pace(Lane.SWEEPING, Blocks(allowance, self.governor.share_left, self.ambient))
        return Sweeping(
            PipelineReader(self.pipeline, self.cloud, pace),
            ResourceGraph(self.pipeline, self.cloud, self.ambient, pace),
        )


def arm_over(
    transport: Transport,
    credential: AsyncTokenCredential,
    cloud: Cloud,
    ambient: Ambient,
    *,
    limits: Limits | None = None,
    deadline: timedelta = DEADLINE,
    share_left: float = DEFAULT_SHARE_LEFT,
) -> Arm:
    """ARM over a given transport, which may be an in-process one. What was given stays the caller's to close.

    share_left: of each of ARM's quotas, that is left to the owner's other tools.
    """
    governor = Governor(ambient, share_left, (limits or Limits()).budget)
    pipeline = arm_pipeline(transport, credential, cloud, ambient, governor, limits)
    return Arm(
        pipeline=pipeline,
        governor=governor,
        ambient=ambient,
        reader=PipelineReader(pipeline, cloud),
        writer=SdkWriter(pipeline, credential, cloud, ambient, deadline),
        identity=TokenIdentity(credential, cloud.scope),
        changes=ResourceGraph(pipeline, cloud, ambient),
        credential=credential,
        transport=transport,
        cloud=cloud,
    )


@asynccontextmanager
async def open_arm(
    environment: Mapping[str, str], ambient: Ambient, share_left: float = DEFAULT_SHARE_LEFT
) -> AsyncIterator[Arm]:
    """ARM as the environment describes it, once for the process; session and credential are closed on the way out.

    Raises UnknownCloud, and CredentialsUnavailable when the environment asks for a credential that does not exist. A
    credential that merely does not work shows in the first read or write.
    """
    cloud = cloud_of(environment)
    async with http_session(environment) as session:
        transport = session_transport(session)
        credential = default_credential(cloud, environment, transport)
        try:
            yield arm_over(transport, credential, cloud, ambient, share_left=share_left)
        finally:
            await credential.close()
