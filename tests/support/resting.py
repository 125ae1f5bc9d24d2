"""A fleet that was swept before: every root is recorded as a look that found it as declared records it."""

import asyncio
from functools import partial
from itertools import batched

from homeostat.core.conclusion import Evidence, conclude
from homeostat.core.decision import judged_kinds
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Plan
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.engine import Engine
from homeostat.service import Service

BATCH_SIZE = 16


async def rest(service: Service) -> None:
    """Records every root with the function that concludes looks, since reading a fleet of 10,000 takes minutes."""
    for roots in batched((await service.desired.fleet()).roots.values(), BATCH_SIZE, strict=False):
        await asyncio.gather(*(_rest(service.engine, root) for root in roots))


async def _rest(engine: Engine, root: Root) -> None:
    as_declared, judged = Outcome(root.id, Status.IN_SYNC, Plan(root.id)), judged_kinds(root, engine.registry)
    record, _ = conclude(root, as_declared, RootRecord(), Evidence(judged=judged), engine.ambient.now())
    await engine.store.change(root.id, partial(_instead, record))


def _instead(record: RootRecord, _: RootRecord) -> RootRecord:
    return record
