"""ARM for the loop: a reader and a writer, on top of shared sessions and one credential for each cloud."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from azure.core.credentials_async import AsyncTokenCredential

from homeostat.ambient import Ambient
from homeostat.azure.blocks import Blocks, Pace
from homeostat.azure.clouds import Cloud
from homeostat.azure.credentials import default_credential, further_credential
from homeostat.azure.governor import Governor
from homeostat.azure.identity import TokenIdentity
from homeostat.azure.pipeline import (
    CONNECTIONS_OF_PAGES,
    Transport,
    arm_pipeline,
    http_session,
    session_transport,
    tls_context,
)
from homeostat.azure.placement import Placement, placement_of
from homeostat.azure.reader import PipelineReader
from homeostat.azure.resource_graph import GATHER_SECONDS, QueryPacer, ResourceGraph
from homeostat.azure.retry import Limits
from homeostat.azure.routing import (
    Graph,
    OneTenant,
    Reader,
    RoutedGraph,
    RoutedIdentity,
    RoutedReader,
    RoutedWriter,
    Routes,
)
from homeostat.azure.spared import SparedCredential
from homeostat.azure.writer import DEADLINE, SdkWriter
from homeostat.core.budget import DEFAULT_SHARE_LEFT, Lane
from homeostat.core.json import JsonObject
from homeostat.ports.azure import Allowance, ArmWriter, Identity


@dataclass(frozen=True, slots=True)
class Sharing:
    """The clients that draw on the quotas which all instances share.

    reader, table: for sweeps and selectors; healing has priority over them.
    changes: tells a repair who changed a root. It has priority, but without a token the repair goes on unanswered.
    """

    reader: Reader
    table: Graph
    changes: Graph


@dataclass(frozen=True, slots=True)
class Arm:
    """ARM in one cloud, or in all clouds of a deployment.

    credential, transport, cloud, governor: those of the deployment's own cloud, also for the other adapters.
    credentials: the credential of each cloud.
    sharing: builds the clients on the shared allowance; to be called once in a process, since they hold tokens of it.
    low_budgets: our parts of ARM's quotas of which less than half is left.
    """

    reader: Reader
    writer: ArmWriter
    identity: Identity
    changes: Graph
    credential: AsyncTokenCredential
    transport: Transport
    cloud: Cloud
    governor: Governor
    sharing: Callable[[Allowance], Sharing]
    low_budgets: Callable[[], tuple[JsonObject, ...]]
    credentials: Mapping[Cloud, AsyncTokenCredential]


def arm_over(
    transport: Transport,
    credential: AsyncTokenCredential,
    cloud: Cloud,
    ambient: Ambient,
    *,
    limits: Limits | None = None,
    deadline: timedelta = DEADLINE,
    share_left: float = DEFAULT_SHARE_LEFT,
    of_pages: Transport | None = None,
) -> Arm:
    """ARM over a given transport, which may be an in-process one. The caller closes what it passed in.

    share_left: the part of each ARM quota that is left to the owner's other tools. of_pages: a transport of its own for
    pages of rows.
    """
    governor = Governor(ambient, share_left, (limits or Limits()).budget)
    pipeline = arm_pipeline(transport, credential, cloud, ambient, governor, limits)
    page_pipeline = arm_pipeline(of_pages or transport, credential, cloud, ambient, governor, limits)

    def sharing(allowance: Allowance) -> Sharing:
        sweeps = Pace(Lane.SWEEPING, Blocks(allowance, share_left, ambient))
        pacer = QueryPacer(Blocks(allowance, share_left, ambient, Lane.HEALING), ambient)
        return Sharing(
            PipelineReader(pipeline, cloud, sweeps),
            ResourceGraph(page_pipeline, cloud, sweeps),
            ResourceGraph(pipeline, cloud, Pace(longest=GATHER_SECONDS), pacer),
        )

    return Arm(
        reader=PipelineReader(pipeline, cloud),
        writer=SdkWriter(pipeline, credential, cloud, ambient, deadline),
        identity=TokenIdentity(credential, cloud.scope),
        changes=ResourceGraph(pipeline, cloud),
        credential=credential,
        transport=transport,
        cloud=cloud,
        governor=governor,
        sharing=sharing,
        low_budgets=governor.low,
        credentials={cloud: credential},
    )


def routed(home: Arm, further: Sequence[Arm], placement: Placement) -> Arm:
    """One ARM made of several, which sends each call to the cloud of its subscription."""
    routes = Routes(placement, {arm.cloud.name: arm for arm in (home, *further)})

    def sharing(allowance: Allowance) -> Sharing:
        parts = routes.of(lambda arm: arm.sharing(OneTenant(allowance, arm.cloud.name)))
        return Sharing(
            RoutedReader(parts.of(lambda part: part.reader)),
            RoutedGraph(parts.of(lambda part: part.table)),
            RoutedGraph(parts.of(lambda part: part.changes)),
        )

    return replace(
        home,
        reader=RoutedReader(routes.of(lambda arm: arm.reader)),
        writer=RoutedWriter(routes.of(lambda arm: arm.writer)),
        identity=RoutedIdentity(routes.of(lambda arm: arm.identity)),
        changes=RoutedGraph(routes.of(lambda arm: arm.changes)),
        sharing=sharing,
        low_budgets=lambda: tuple(low for arm in routes.by_cloud.values() for low in arm.low_budgets()),
        credentials={arm.cloud: arm.credential for arm in routes.by_cloud.values()},
    )


@asynccontextmanager
async def arm_on(
    transport: Transport,
    environment: Mapping[str, str],
    ambient: Ambient,
    share_left: float = DEFAULT_SHARE_LEFT,
    of_pages: Transport | None = None,
) -> AsyncIterator[Arm]:
    """ARM as the environment describes it, over transports that the caller closes.

    With all subscriptions in one cloud, that cloud's adapters are used directly. Raises UnknownCloud,
    CredentialsUnavailable when the environment asks for a credential that does not exist, and FurtherCredentialWrong. A
    credential that exists but does not work shows in the first read or write of its cloud.
    """
    placement = placement_of(environment)
    async with AsyncExitStack() as stack:

        def opened(cloud: Cloud, credential: AsyncTokenCredential) -> Arm:
            stack.push_async_callback(credential.close)
            credential = SparedCredential(credential, ambient)
            return arm_over(transport, credential, cloud, ambient, share_left=share_left, of_pages=of_pages)

        home = opened(placement.home, default_credential(placement.home, environment, transport))
        further = [opened(cloud, further_credential(cloud, environment, transport)) for cloud in placement.further]
        yield routed(home, further, placement) if further else home


@asynccontextmanager
async def open_arm(
    environment: Mapping[str, str], ambient: Ambient, share_left: float = DEFAULT_SHARE_LEFT
) -> AsyncIterator[Arm]:
    """The same over sessions of its own, one set for the process, which are closed on exit."""
    tls = tls_context(environment)
    async with (
        http_session(environment, tls=tls) as session,
        http_session(environment, connections=CONNECTIONS_OF_PAGES, tls=tls) as of_pages,
        arm_on(session_transport(session), environment, ambient, share_left, session_transport(of_pages)) as arm,
    ):
        yield arm
