"""What a repair waits for, on a clock of its own: `bench/repair_latency.py` without the machine's own time in it.

The real loop over the simulated Azure in this process (`tests/support/virtual.py`): a call to ARM takes 50 ms, one to
storage 5 ms, everything else none. So it shows how many calls wait for one another, on any machine and however busy.
"""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from bench.breakages import Breakage, all_kinds
from bench.chain import Call, duration, longest_chain
from bench.happenings import event_of
from bench.rows import Row, at_most
from bench.service import take
from demo.operator import Operator
from homeostat.core.record import Settle
from tests.nights.clock import NightLoop, spend
from tests.support.patience import patient_texts
from tests.support.virtual import ARM_SECONDS, STORAGE_SECONDS, Place, place

IMMEDIATE: Final = Settle(timedelta(), timedelta())
TARGET: Final = 1.2


@dataclass(frozen=True, slots=True)
class Waits:
    """One repair. took: seconds from the message to the stored ledger entry. chain: its dependent ARM calls."""

    took: float
    chain: tuple[Call, ...]

    @property
    def of_chain(self) -> float:
        return duration(self.chain).total_seconds()

    @property
    def stores(self) -> int:
        """How many calls to storage the repair waited for, one after the other."""
        return round((self.took - self.of_chain) / STORAGE_SECONDS)


def rows() -> Iterator[Row]:
    for breakage in all_kinds():
        waits = measured(breakage)
        ratio = waits.took / waits.of_chain
        yield Row(
            f"repair, its waits alone at {ARM_SECONDS * 1000:.0f} ms a call: {breakage.kind}",
            f"{waits.took * 1000:.0f} ms",
            f"the chain of {len(waits.chain)} calls: {waits.of_chain * 1000:.0f} ms",
            ratio,
            *at_most(TARGET, ratio),
        )


def measured(breakage: Breakage) -> Waits:
    """Measures the second repair of this kind of drift, since the first one finds no state."""

    async def night(loop: NightLoop) -> Waits:
        here = place(loop, "guide", patient_texts(), settle=IMMEDIATE)
        operator = AtHand("", here.cloud.subscription, "", ssl.create_default_context(), here)
        await _repair(here, operator, breakage)
        return await _repair(here, operator, breakage)

    return spend(night)


async def _repair(here: Place, operator: "AtHand", breakage: Breakage) -> Waits:
    whole = breakage.look(operator)
    breakage.do(operator)
    await here.service.on_event(event_of(operator, breakage.root))
    (message,) = await take(here.memory.queues)
    here.cloud.exchanges.clear()
    began = here.loop.time()
    await here.service.work(message)
    if breakage.look(operator) != whole:
        raise RuntimeError(f"{breakage.kind}: it was not repaired: there is nothing to measure")
    return Waits(here.recorded - began, longest_chain(_calls(here)))


def _calls(here: Place) -> Sequence[Call]:
    calls = [asdict(each) for each in here.calls()]
    return [Call.of({**call, "time": call["time"].isoformat()}) for call in calls]


@dataclass(frozen=True, slots=True)
class AtHand(Operator):
    """A person in the same process, whose calls take no time."""

    here: Place

    def _send(self, method: str, path: str, version: str, body: Any) -> tuple[int, Any]:
        answer = self.here.ask(method, path, body, version)
        return answer.status, answer.body
