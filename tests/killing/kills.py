"""Kills the function app again and again in the middle of repairs, and judges the outcome each time.

In a round, somebody sets new unowned values and breaks some of what is declared. Events arrive, and at a random moment
the process gets SIGKILL. While it is dead somebody changes an unowned value. Then another process starts on what the
dead one left; some rounds kill that one too. Then all work has to be finished, and the round is judged.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

from homeostat.core import json
from tests.killing.ground import DAMAGE, LATENCY, Durable, Ground
from tests.support.function_app import FunctionApp

CALLS: Final = 24
"""How many ARM calls a round with all damage takes, including the looks at the function app's own writes."""

SECONDS: Final = 1.5
"""How long its repairs take."""

MAX_KILLS: Final = 3
"""The most kills in one round. A message that five processes died of goes to the poison queue, as it has to."""

STAGES: Final = (("intent", "writing"), ("lease", "looking"), ("working", "looking again"), ("mark", "about to look"))
"""What a record that was left behind says about the stage of the work, the furthest first."""

AGAIN: Final = 0.35
"""How likely it is that the next process is killed too."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: after so many more answers of ARM, or regardless of them; and so many seconds after that."""

    calls: int
    seconds: float

    def __str__(self) -> str:
        after = f"the {self.calls}. call + " if self.calls else ""
        return f"{after}{self.seconds * 1000:.0f} ms"

    @classmethod
    def drawn(cls, chance: Random, damages: int) -> "Moment":
        if chance.random() < 0.5:
            # As long as a call takes: so it strikes before the next one arrives, while it is carried out, or after.
            return cls(chance.randint(1, CALLS * damages // len(DAMAGE)), chance.uniform(0, 2 * LATENCY))
        return cls(0, chance.uniform(0, SECONDS))

    async def comes(self, ground: Ground, since: int) -> bool:
        """Waits for the moment. Returns whether it came before the work was over."""
        deadline = time.monotonic() + 2 * SECONDS + 10 * (self.calls > 0)
        while ground.own_calls() - since < self.calls:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.002)
        await asyncio.sleep(self.seconds)
        return True


@dataclass(frozen=True, slots=True)
class Kill:
    """A death. left: what the process left behind, by root. Empty if it had no work in hand."""

    moment: Moment
    left: dict[str, tuple[str, ...]]

    @property
    def stage(self) -> str:
        """The furthest stage that any of the roots in its hands had reached."""
        held = {name for names in self.left.values() for name in names}
        for name, stage in STAGES:
            if name in held:
                return stage
        return "before or after"


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    kinds: tuple[str, ...]
    kills: tuple[Kill, ...]
    took: float  # seconds from the first death to the end of all work
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        kills = ", ".join(f"{kill.moment} ({kill.stage})" for kill in self.kills) or "none"
        verdict = "; ".join(self.wrong) or "whole"
        return f"round {self.number}: {'+'.join(self.kinds)}; killed at {kills}; {self.took:.1f} s; {verdict}"


async def rounds(ground: Ground, chance: Random, times: int) -> AsyncIterator[Round]:
    """Plays rounds until there were `times` kills. It stops early if a round ends badly."""
    killed = number = 0
    with ExitStack() as stack:
        app = stack.enter_context(ground.app())
        while killed < times:
            number += 1
            app, played = await _round(ground, chance, app, stack, number, times - killed)
            killed += len(played.kills)
            yield played
            if played.wrong:
                return  # what it left undone would be found wrong in every later round


async def _round(
    ground: Ground, chance: Random, app: FunctionApp, stack: ExitStack, number: int, left: int
) -> tuple[FunctionApp, Round]:
    kinds = tuple(sorted(chance.sample(sorted(DAMAGE), chance.randint(1, len(DAMAGE)))))
    ground.leave_unowned(f"{number}")
    ground.whole = ground.seen()
    began, told, calls = ground.now(), len(ground.alerts()), ground.own_calls()
    for kind in kinds:
        ground.damage(kind)
    kills: list[Kill] = []
    died = time.monotonic()
    while len(kills) < min(MAX_KILLS, left) and (not kills or chance.random() < AGAIN):
        moment = Moment.drawn(chance, len(kinds))
        if not await moment.comes(ground, calls):
            break
        app.kill()
        died = died if kills else time.monotonic()
        kills.append(Kill(moment, _in_hand(await ground.durable())))
        ground.change_unowned(f"{number}, while it was dead, {len(kills)}")
        stack.close()
        app, calls = stack.enter_context(ground.app()), ground.own_calls()
    wrong = await _verdict(ground, kinds, began, told)
    if wrong:
        print("".join(app.log[-60:]))
    return app, Round(number, kinds, tuple(kills), time.monotonic() - died, wrong)


def _in_hand(durable: Durable) -> dict[str, tuple[str, ...]]:
    held = {
        root.rpartition("/")[2]: durable.left(root, "intent", "lease", "working", "mark") for root in durable.records
    }
    return {root: found for root, found in held.items() if found}


async def _verdict(ground: Ground, kinds: tuple[str, ...], began: datetime, told: int) -> tuple[str, ...]:
    """What is wrong at the end of a round, in sentences."""
    try:
        await ground.is_over()
    except AssertionError as error:
        return (str(error),)
    return (*_told_wrongly(ground.alerts()[told:], kinds), *await _kept_wrongly(ground, kinds, began))


def _told_wrongly(alerts: Iterable[dict[str, Any]], kinds: tuple[str, ...]) -> list[str]:
    """Each drift is told once, and its end once; a repetition has the same id, for a death can come before the note."""
    by_id = {alert["id"]: alert for alert in alerts}
    told = Counter((alert["type"].split(".")[1], str(alert["data"].get("kind"))) for alert in by_id.values())
    due = Counter((type_, kind) for type_ in ("DriftDetected", "Remediated") for kind in kinds)
    # Whether what was written while it was dead came before its last write is not known for sure, and then said.
    odd = {each: count for each, count in told.items() if count != due[each] and each[0] != "PossibleOverwrite"}
    return [
        f"told {count} times: {type_} {kind}"
        for (type_, kind), count in {**dict.fromkeys(due - told, 0), **odd}.items()
    ]


async def _kept_wrongly(ground: Ground, kinds: tuple[str, ...], began: datetime) -> list[str]:
    """Every repair is in the ledger: as what was written, or as what was begun and not seen to its end."""
    entries = await ground.ledger(began)
    kept = {json.text_at(entry, "root").lower() for entry in entries if entry["written"] or "unfinished" in entry}
    return [
        f"not in the ledger: the repair of {kind}"
        for kind in kinds
        if not any(_is(root, DAMAGE[kind]) for root in kept)
    ]


def _is(root: str, path: str) -> bool:
    return root.endswith(path.lower())
