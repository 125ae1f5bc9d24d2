"""Something that happens during one of the loop's calls to ARM: somebody else writes, or time passes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from homeostat.core.model import Fact, Read
from homeostat.core.plan import Action
from homeostat.ports.azure import ArmReader, ArmWriter, Written
from tests.loop.stand import Stand


@dataclass(frozen=True)
class Meddling:
    """A reader or writer around the real one; `before` and `after` run around each call."""

    reader: ArmReader
    writer: ArmWriter
    before: Callable[[Any], Awaitable[None]]
    after: Callable[[Any], Awaitable[None]]

    async def read(self, read: Read) -> Fact:
        await self.before(read)
        fact = await self.reader.read(read)
        await self.after(read)
        return fact

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        await self.before(action)
        written = await self.writer.write(action, correlation_id=correlation_id, send_by=send_by)
        await self.after(action)
        return written


async def nothing(_: Any) -> None: ...


def once(act: Callable[[], Any], kind: type) -> Callable[[Any], Awaitable[None]]:
    """Runs `act` at the first call of that kind."""
    left = [act]

    async def run(called: Any) -> None:
        if isinstance(called, kind) and left:
            result = left.pop()()
            if isinstance(result, Awaitable):
                await result

    return run


def meddled(
    world: Stand,
    before: Callable[[Any], Awaitable[None]] = nothing,
    after: Callable[[Any], Awaitable[None]] = nothing,
) -> Stand:
    around = Meddling(world.engine.reader, world.engine.writer, before, after)
    engine = replace(world.engine, reader=around, writer=around)
    return replace(world, engine=engine, service=replace(world.service, engine=engine))
