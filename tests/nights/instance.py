"""One instance of the function app: the real service, engine, SDKs and pipeline over the watched ports."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import arm_over
from homeostat.azure.clouds import cloud_of
from homeostat.core.attribution import Principal
from homeostat.core.model import Mode
from homeostat.core.record import Settle
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.service import Service
from homeostat.store import Store
from homeostat.sweeps.course import SweepAccess
from remediators import REGISTRY
from simulator.cloud import HOMEOSTAT, SUBSCRIPTION
from tests.nights.azure import Line
from tests.nights.clock import OwnAmbient
from tests.nights.declared import Declared, texts
from tests.nights.ports import Blobs, Channel, Documents, Ground, Life, Queues, Transport
from tests.nights.trace import Read

SETTLE: Final = Settle(timedelta(seconds=15), timedelta(minutes=2))
FULL_READ_DAYS: Final = 2
_NEVER_EXPIRES: Final = 4_000_000_000


class Credential:
    """A credential whose token never expires. Other tests are about expiry."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        del scopes
        return AccessToken("a token", _NEVER_EXPIRES)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        del scopes, options
        return AccessTokenInfo("a token", _NEVER_EXPIRES)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@dataclass(slots=True)
class Specs:
    """The current documents, and the version that this instance has read last."""

    ground: Ground
    who: str
    read: Declared | None = None

    async def versions(self) -> dict[str, str]:
        return dict.fromkeys(texts(self.ground.declared), repr(self.ground.declared))

    async def texts(self, names: Iterable[str]) -> dict[str, str]:
        self.read = self.ground.declared
        self.ground.trace.add(Read(self.ground.loop.time(), self.who, self.read))
        found = texts(self.ground.declared)
        return {name: found[name] for name in names if name in found}


@dataclass(slots=True)
class Instance:
    who: str
    life: Life
    ambient: OwnAmbient
    specs: Specs
    service: Service
    works: int = 0

    def next_work(self) -> str:
        self.works += 1
        return f"{self.who}/{self.works}"

    @property
    def cap(self) -> Mode:
        return self.service.engine.cap

    def capped(self, mode: Mode) -> None:
        """Work that begins from now on runs under another HOMEOSTAT_MODE."""
        self.service = replace(self.service, engine=replace(self.service.engine, cap=mode))


type Make = Callable[[Service], Service]
"""What is changed in every instance before it runs: nothing, or one deliberate mistake."""


def as_it_is(service: Service) -> Service:
    return service


class Ourselves:
    """The Identity port: Homeostat's principal, as events name it."""

    async def principal(self, subscription: str) -> Principal | None:
        return Principal(HOMEOSTAT.object_id, HOMEOSTAT.app_id)


def start(ground: Ground, who: str, seed: int, cap: Mode, make: Make) -> Instance:
    """A new instance, which remembers nothing."""
    ambient = OwnAmbient(ground.loop, who, seed)
    life = Life(ground.loop, ground.trace, who)
    transport = Transport(Line(ground.azure, who), life)
    arm = arm_over(transport, Credential(), cloud_of({}), ambient, share_left=ground.share_left)
    parts = ground, life, ambient
    store = Store(Documents(*parts), Queues(*parts), Blobs(*parts), ambient)
    shared = arm.sharing(SharedAllowance(store.documents, ambient, ground.share_left))
    engine = Engine(
        REGISTRY,
        arm.reader,
        arm.writer,
        store,
        Channel(*parts),
        ambient,
        cap=cap,
        settle=SETTLE,
        changes=shared.changes,
        deployments=arm.reader,
    )
    specs = Specs(ground, who)
    desired, access = (
        DesiredState(specs, REGISTRY, ambient, SUBSCRIPTION),
        SweepAccess(shared.reader, shared.table, FULL_READ_DAYS),
    )
    service = make(Service(engine, desired, {}, Ourselves(), sweep_access=access))
    return Instance(who, life, ambient, specs, service)
