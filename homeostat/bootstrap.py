"""Puts the parts together. The only module that knows which adapters stand behind the ports."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cache

from homeostat.alerts.eventgrid import LogChannel, channel_of
from homeostat.allowances import SharedAllowance
from homeostat.ambient import Ambient, SystemAmbient
from homeostat.azure.arm import Arm, open_arm
from homeostat.azure.storage import AzureStorage, account_from
from homeostat.config import SETTLE_PREFIX, Config, ConfigError
from homeostat.core.model import Mode
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.engine import Engine
from homeostat.fleet.managed import Managed
from homeostat.fleet.selections import Selections
from homeostat.fleet.specs import DesiredState, SpecBlobs, SpecFiles, SpecSource
from homeostat.memory import MemoryStorage
from homeostat.own import Own, own_site
from homeostat.ports.alerts import AlertChannel
from homeostat.ports.network import NoProber
from homeostat.probes.network import prober_of
from homeostat.service import Service
from homeostat.store import Store
from homeostat.sweeps.course import SweepAccess
from remediators import REGISTRY, WITHOUT_PROBES


@cache
def memory_storage() -> MemoryStorage:
    """The process's own storage where HOMEOSTAT_STATE is `memory`; the dev host takes its queues from here."""
    return MemoryStorage(SystemAmbient().now)


@asynccontextmanager
async def open_service(config: Config) -> AsyncIterator[Service]:
    """The service that the function app's triggers share. What it opens is closed on the way out.

    Raises a HomeostatError that names the setting where one is wrong.
    """
    refuse_unknown_kinds(config)
    ambient = SystemAmbient()
    async with AsyncExitStack() as stack:
        arm = await stack.enter_async_context(open_arm(config.environment, ambient, config.arm_share_left))
        storage = await _storage(config, arm, ambient, stack)
        source: SpecSource = (
            SpecBlobs(storage.blobs, config.spec_container)
            if config.spec_container
            else SpecFiles((config.spec_folder,))
        )
        channel = channel_of(config.environment, arm.credential, arm.transport)
        store = Store(storage.documents, storage.queues, storage.blobs, ambient, config.terms)
        engine = Engine(
            REGISTRY,
            arm.reader,
            arm.writer,
            store,
            channel,
            ambient,
            config.mode,
            config.settle,
            deployments=arm.reader,
            own=Own(config.own, own_site(config.environment)),
            public_url=config.public_url,
        )
        shared = arm.sharing(SharedAllowance(storage.documents, ambient, config.arm_share_left))
        engine = replace(_with_probes(engine, config.environment), changes=shared.changes)
        selections = Selections(shared.table, arm.reader, storage.blobs, ambient, config.select_every)
        desired = DesiredState(source, REGISTRY, ambient, config.subscription, config.own, selections)
        managed = Managed(store, storage.blobs, ambient)
        sweep_access = SweepAccess(shared.reader, shared.table, config.full_read_days)
        yield Service(
            engine,
            desired,
            config.settle_by_kind,
            arm.identity,
            config.access,
            config.retention_period,
            managed,
            sweep_access=sweep_access,
            low_budgets=arm.low_budgets,
        )


def refuse_unknown_kinds(config: Config) -> None:
    """Raises ConfigError for a settle time of a kind that there is not."""
    if unknown := sorted(config.settle_by_kind.keys() - REGISTRY.keys()):
        names = ", ".join(f"{SETTLE_PREFIX}_{kind.upper()}" for kind in unknown)
        raise ConfigError((f"{names}: there is no such kind; there are {', '.join(REGISTRY)}",))


@asynccontextmanager
async def open_standalone(
    environment: Mapping[str, str], cap: Mode = Mode.ENFORCE, own: OwnResources = NOTHING_OWN
) -> AsyncIterator[Engine]:
    """An engine on its own, for the command line: nothing is remembered, and alerts are lines in the log."""
    ambient = SystemAmbient()
    async with open_arm(environment, ambient) as arm:
        yield _with_probes(standalone_over(arm, ambient, cap, own), environment)


def _with_probes(engine: Engine, environment: Mapping[str, str]) -> Engine:
    """The engine with its prober. Where the environment configures none, the kinds that need one are left out."""
    prober = prober_of(environment)
    return replace(engine, registry=REGISTRY if prober else WITHOUT_PROBES, prober=prober or NoProber())


def standalone_over(arm: Arm, ambient: Ambient, cap: Mode = Mode.ENFORCE, own: OwnResources = NOTHING_OWN) -> Engine:
    """The same over an ARM that is open, without probes."""
    memory = MemoryStorage(ambient.now)
    channel: AlertChannel = LogChannel()
    store = Store(memory.documents, memory.queues, memory.blobs, ambient)
    reader, writer = arm.reader, arm.writer
    return Engine(WITHOUT_PROBES, reader, writer, store, channel, ambient, cap, deployments=reader, own=Own(own))


async def _storage(config: Config, arm: Arm, ambient: Ambient, stack: AsyncExitStack) -> AzureStorage | MemoryStorage:
    if config.in_memory:
        return memory_storage()
    account = account_from(config.environment, identity=arm.credential, suffix=arm.cloud.storage)
    storage = AzureStorage(account, new_id=lambda: str(ambient.uuid()), transport=arm.transport)
    stack.push_async_callback(storage.aclose)
    return storage
