"""ARM as the loop sees it: a reader and a writer, with the session and the credential they share behind them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from azure.core.credentials_async import AsyncTokenCredential

from homeostat.ambient import Ambient
from homeostat.azure.clouds import Cloud
from homeostat.azure.credentials import default_credential, further_credential
from homeostat.azure.identity import TokenIdentity
from homeostat.azure.pipeline import Transport, arm_pipeline, http_session, session_transport
from homeostat.azure.placement import Placement, placement_of
from homeostat.azure.reader import PipelineReader
from homeostat.azure.resource_graph import ResourceGraph
from homeostat.azure.retry import Limits
from homeostat.azure.routing import Graph, Reader, RoutedGraph, RoutedIdentity, RoutedReader, RoutedWriter, Routes
from homeostat.azure.writer import DEADLINE, SdkWriter
from homeostat.ports import ArmWriter, Identity


@dataclass(frozen=True, slots=True)
class Arm:
    """ARM in one cloud, or in all of a deployment.

    `credential`, `transport` and `cloud` are there for the other adapters that talk to Azure: those of the
    deployment's own cloud.
    """

    reader: Reader
    writer: ArmWriter
    identity: Identity
    changes: Graph
    credential: AsyncTokenCredential
    transport: Transport
    cloud: Cloud


def arm_over(
    transport: Transport,
    credential: AsyncTokenCredential,
    cloud: Cloud,
    ambient: Ambient,
    *,
    limits: Limits | None = None,
    deadline: timedelta = DEADLINE,
) -> Arm:
    """ARM over a given transport, which may be an in-process one. What was given stays the caller's to close."""
    pipeline = arm_pipeline(transport, credential, cloud, ambient, limits)
    return Arm(
        reader=PipelineReader(pipeline, cloud),
        writer=SdkWriter(pipeline, credential, cloud, ambient, deadline),
        identity=TokenIdentity(credential, cloud.scope),
        changes=ResourceGraph(pipeline, cloud, ambient),
        credential=credential,
        transport=transport,
        cloud=cloud,
    )


def routed(home: Arm, further: Sequence[Arm], placement: Placement) -> Arm:
    """One ARM of several, each call of which goes to the cloud of its subscription."""
    routes = Routes(placement, {arm.cloud.name: arm for arm in (home, *further)})
    return replace(
        home,
        reader=RoutedReader(routes.of(lambda arm: arm.reader)),
        writer=RoutedWriter(routes.of(lambda arm: arm.writer)),
        identity=RoutedIdentity(routes.of(lambda arm: arm.identity)),
        changes=RoutedGraph(routes.of(lambda arm: arm.changes)),
    )


@asynccontextmanager
async def arm_on(transport: Transport, environment: Mapping[str, str], ambient: Ambient) -> AsyncIterator[Arm]:
    """ARM as the environment describes it, over a transport that stays the caller's to close.

    Where all subscriptions are in one cloud, nothing stands between the loop and that cloud's adapters. Raises
    UnknownCloud, CredentialsUnavailable when the environment asks for a credential that does not exist, and
    FurtherCredentialWrong. A credential that merely does not work shows in the first read or write of its cloud.
    """
    placement = placement_of(environment)
    async with AsyncExitStack() as stack:

        def opened(cloud: Cloud, credential: AsyncTokenCredential) -> Arm:
            stack.push_async_callback(credential.close)
            return arm_over(transport, credential, cloud, ambient)

        home = opened(placement.home, default_credential(placement.home, environment, transport))
        further = [opened(cloud, further_credential(cloud, environment, transport)) for cloud in placement.further]
        yield routed(home, further, placement) if further else home


@asynccontextmanager
async def open_arm(environment: Mapping[str, str], ambient: Ambient) -> AsyncIterator[Arm]:
    """The same over a session of its own, once for the process, which is closed on the way out."""
    async with http_session(environment) as session, arm_on(session_transport(session), environment, ambient) as arm:
        yield arm
