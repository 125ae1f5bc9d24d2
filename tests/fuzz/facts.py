"""What ARM says of resources: any JSON in the place of any fact that a remediator asks for, through the whole loop.

Promise: an outcome, stored and told as any other; no exception, no write that is not JSON, a bounded number of reads.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Final

from homeostat.adopt.survey import Remembering
from homeostat.core.arm_errors import ArmError
from homeostat.core.json import revealed, sealed
from homeostat.core.model import Fact, Found, Gone, Read, Unreadable
from homeostat.core.outcome import Trigger, outcome_json
from homeostat.core.plan import Action
from homeostat.core.probes import Probe, Probed, Result
from homeostat.core.spec import Root
from homeostat.memory import MemoryStorage
from homeostat.ports.azure import StillRunning, Written
from homeostat.store import Store
from tests.fuzz.junk import Junk
from tests.fuzz.target import Target, worked
from tests.loop.stand import Inbox, Stand, stand

SPEC: Final = Path(__file__).parents[2] / "examples/flask-app/homeostat.yaml"
ADDRESSES: Final = ("10.10.2.4", "10.10.2.5", "52.1.2.3", "::1", "fd00::1")
MAX_READS: Final = 400
MAX_WRITES: Final = 60
REFUSALS: Final = (
    ArmError.from_answer(409, {}, '{"error": {"code": "ScopeLocked", "message": "locked"}}'),
    ArmError.from_answer(404, {}, '{"error": {"code": "ResourceGroupNotFound", "message": "gone"}}'),
    ArmError.from_answer(404, {}, '{"error": {"code": "SubscriptionNotFound", "message": "gone"}}'),
    ArmError.from_answer(429, {"Retry-After": "9" * 20}, ""),
    ArmError.from_answer(412, {}, '{"error": {"code": "PreconditionFailed", "message": "stale"}}'),
    ArmError.no_answer("reset", sent=True),
)


@cache
def _world() -> Stand:
    return stand("guide", spec=SPEC.read_text(encoding="utf-8"))


@cache
def _roots() -> tuple[Root, ...]:
    fleet = worked(_world().fleet)
    return tuple(fleet.roots.values())


@dataclass(slots=True)
class Odd:
    """ARM and the network as the bytes have it: every answer may be right, damaged, junk, gone or refused."""

    junk: Junk
    right: Mapping[Read, Fact]
    reads: int = 0
    written: list[Action] = field(default_factory=list)

    async def read(self, read: Read) -> Fact:
        self.reads += 1
        return self._answer(read, self.right.get(read, Gone()))

    def _answer(self, read: Read, right: Fact) -> Fact:
        match self.junk.below(16):
            case 0 | 1 | 2 | 3:
                return right
            case 4:
                return Gone()
            case 5:
                return Unreadable(self.junk.one_of(REFUSALS))
            case 6:
                return Found(self.junk.json(), self.junk.text())
            case _:
                body = revealed(right.body) if isinstance(right, Found) else {}
                odd = self.junk.damaged(body)
                return Found(sealed(odd) if read.type.listed else odd, '"1"')

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        del send_by
        json.dumps(revealed(action.body), allow_nan=False)
        self.written.append(action)
        ids = Written(correlation_id, "c")
        match self.junk.below(8):
            case 1:
                raise self.junk.one_of(REFUSALS)
            case 2:
                raise StillRunning(action.resource, ids, timedelta(seconds=30))
            case _:
                return ids

    async def probe(self, probe: Probe) -> Probed:
        del probe
        return Probed(
            self.junk.one_of(tuple(Result)), tuple(self.junk.one_of(ADDRESSES) for _ in range(self.junk.below(3)))
        )


def run(data: bytes) -> None:
    junk = Junk(data)
    root = junk.one_of(_roots())
    trigger = Trigger("manual", create=bool(junk.below(2)), dry_run=not junk.below(8))
    odd = Odd(junk, _as_declared())
    memory = MemoryStorage(_world().ambient.now)
    store = Store(memory.documents, memory.queues, memory.blobs, _world().ambient)
    engine = replace(_world().engine, reader=odd, writer=odd, prober=odd, store=store, channel=Inbox())
    for _ in range(1 + junk.below(3)):
        outcome = worked(partial(engine.reconcile, root, trigger))
        json.dumps(outcome_json(outcome), allow_nan=False)
    assert odd.reads <= MAX_READS
    assert len(odd.written) <= MAX_WRITES


@cache
def _as_declared() -> Mapping[Read, Fact]:
    """Every fact that the roots ask for while all is as declared."""
    remembering = Remembering(_world().arm.reader)
    engine = replace(_world().engine, reader=remembering)
    for root in _roots():
        worked(partial(engine.reconcile, root, Trigger("manual", dry_run=True)))
    return remembering.facts


def seeds() -> Iterator[bytes]:
    for index in range(len(_roots())):
        for second in (0, 4, 5, 6, 7, 200):
            yield bytes((index, 0, 1, 1)) + bytes(second + step for step in range(40))
            yield bytes((index, 1, 1, 0)) + bytes((second, 3, 9, 1, 7, second)) * 12


FACTS = Target("facts", run, seeds)
