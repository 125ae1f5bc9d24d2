"""One night from dusk to morning: a schedule in, a trace out."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final, override

from homeostat.core.model import Mode
from homeostat.memory import MemoryStorage
from simulator.cloud import Cloud
from simulator.messages import Response
from tests.nights import people, place, schedule
from tests.nights.asking import Asking
from tests.nights.azure import Azure
from tests.nights.clock import DUSK, NightLoop, spend
from tests.nights.declared import Declared
from tests.nights.host import Host
from tests.nights.instance import FULL_READ_DAYS, Instance, Make, as_it_is, start
from tests.nights.people import Base
from tests.nights.ports import Ground
from tests.nights.schedule import Change, Fight, Schedule
from tests.nights.trace import Acted, Call, Happened, Logged, Trace

HORIZON: Final = 2400.0
"""Seconds since dusk after which nothing of a schedule happens."""

RESTART: Final = 8.0
"""Seconds from the death of an instance to the start of the next one."""

PATIENCE: Final = 10 * 3600.0
"""Seconds after which all retries have ended."""


@dataclass(slots=True)
class Dawn:
    """The result of a night: its trace, and the durable state at its end."""

    schedule: Schedule
    trace: Trace
    rows: dict[str, str]
    queued: list[str]
    struck: dict[str, int]
    instances: int
    before_sweep: int = 0  # the place in the trace at which the last sweep began


def play(night: Schedule, make: Make = as_it_is) -> Dawn:
    """Runs a night. `make` may put a deliberate mistake into every engine."""
    return spend(lambda loop: _Night(loop, night, make).live())


@dataclass(slots=True)
class _Night:
    loop: NightLoop
    night: Schedule
    make: Make
    dice: Random = field(init=False)
    trace: Trace = field(init=False)
    azure: Azure = field(init=False)
    ground: Ground = field(init=False)
    host: Host = field(init=False)
    asking: Asking = field(init=False)
    slots: list[Instance] = field(default_factory=list, init=False)
    lives: list[Instance] = field(default_factory=list, init=False)
    cap: Mode = Mode.ENFORCE
    fights: list[Fight] = field(default_factory=list, init=False)
    acts: int = 0

    def __post_init__(self) -> None:
        night = self.night
        self.dice = Random(f"{night.seed}/night")
        cloud = place.fresh(night.seed, night.operation_seconds)
        policy = next((each for each in night.entries if isinstance(each, schedule.Govern)), None)
        containers = next((each for each in night.entries if isinstance(each, schedule.Contain)), None)
        routing = next((each for each in night.entries if isinstance(each, schedule.Routing)), None)
        has_slot = any(isinstance(each, schedule.Slots) for each in night.entries)
        if containers:
            self._let_go(cloud)
        declared = Declared(policy=policy, containers=containers, has_slot=has_slot, routing=routing)
        self.trace = Trace(place.state(cloud), declared)
        self.azure = Azure(self.loop, cloud, self.trace, self.dice)
        self.ground = Ground(self.loop, self.azure, MemoryStorage(self.azure.now), self.trace, self.trace.declared)
        mail = [each for each in night.entries if isinstance(each, schedule.Mail)]
        self.host = Host(self.ground, lambda: self.slots, mail)
        self.asking = Asking(self.host, self.ground)
        self.azure.on_race = lambda race: self._write(
            race.who, race.change, self._look(race.who, race.change), honest=False
        )
        self.azure.on_write = self._fight_back

    def _let_go(self, cloud: Cloud) -> None:
        """Detaches the containers from everything, so that they can be deleted."""
        change = Change("subnet alone")
        base = people.look(cloud, "anna", change, DUSK)
        people.act(cloud, "anna", change, base, DUSK, honest=False, correlation="")
        cloud.advance(DUSK.replace(year=DUSK.year + 1))

    async def live(self) -> Dawn:
        handler = _Ear(self.trace, self.loop)
        logger = logging.getLogger("homeostat")
        level = logger.level
        logger.setLevel(logging.INFO)  # which makes it forget what it was asked before, unlike the attribute
        logger.addHandler(handler)
        try:
            for entry in self.night.entries:
                self._arrange(entry)
            for number in range(self.night.instances):
                self.slots.append(self._started(number, 0))
            self.host.start(self.asking.sweep())  # so that every root was seen once: the next sweep believes in rows
            await asyncio.sleep(HORIZON)
            return await self._morning()
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            await self._tidy()

    # --- instances ---

    def _started(self, number: int, generation: int) -> Instance:
        instance = start(self.ground, f"{'abc'[number]}{generation}", self.night.seed, self.cap, self.make)
        instance.life.on_death.append(lambda: self._replace_later(number, generation + 1))
        self.lives.append(instance)
        return instance

    def _replace_later(self, number: int, generation: int) -> None:
        self.loop.call_later(RESTART, self._replace, number, generation)

    def _replace(self, number: int, generation: int) -> None:
        if not self.trace.sealed:
            self.slots[number] = self._started(number, generation)
            self.host.look_at_queues()

    # --- what the schedule says ---

    def _arrange(self, entry: schedule.Entry) -> None:
        match entry:
            case schedule.Mail() | schedule.Govern() | schedule.Contain() | schedule.Slots() | schedule.Routing():
                pass  # the host has it, and the spec
            case schedule.Fault():
                self.azure.faults.append(entry)
                self.azure.recalls |= entry.kind == "stale"
            case schedule.StoreFault():
                self.ground.store_faults.append(entry)
            case schedule.Race():
                self.azure.races.append(entry)
            case schedule.Fight():
                self.fights.append(entry)
            case schedule.Again(at):
                self.host.twice.append(at)
            case schedule.OldRows(seconds):
                self.azure.lag(seconds)
            case schedule.Quotas(share_left):
                self.azure.cloud.throttling.on = True
                self.ground.share_left = share_left
            case _:
                self.loop.call_at(entry.at, self._act, entry)

    def _act(self, entry: schedule.Entry) -> None:
        match entry:
            case schedule.Edit(_, who, change, think, honest):
                base = self._look(who, change)
                self.loop.call_later(think, lambda: self._write(who, change, base, honest=honest))
            case schedule.Crash(_, number, calls, after):
                life = self.slots[number % len(self.slots)].life
                life.calls_left, life.after = calls, after
            case schedule.Jump(_, number, seconds):
                self.slots[number % len(self.slots)].ambient.ahead += timedelta(seconds=seconds)
            case schedule.Respec():
                self.ground.declared = self.ground.declared.after(entry)
            case schedule.Cap(_, mode):
                self._cap(Mode(mode))
            case schedule.Spend(_, quota, part):
                self.azure.spend(quota, part)
            case schedule.Deploy():
                self._deploy(entry)
            case schedule.Deaf(at, seconds):
                self.ground.deaf_until = at + seconds
            case _:
                self.host.start(self.asking.ask(entry))

    def _cap(self, mode: Mode) -> None:
        self.cap = mode
        for instance in self.slots:
            instance.capped(mode)

    # --- people ---

    def _look(self, who: str, change: Change) -> Base:
        return people.look(self.azure.cloud, who, change, self.azure.now())

    def _write(self, who: str, change: Change, base: Base, *, honest: bool) -> None:
        self.acts += 1
        correlation = f"{who}-{self.acts}"

        def write() -> Response:
            now = self.azure.now()
            return people.act(self.azure.cloud, who, change, base, now, honest=honest, correlation=correlation)

        answer = self.azure.observed(who, "", write)
        told = f"{change.what} {change.where} {change.name} {change.value}"
        self.trace.add(Acted(self.loop.time(), who, told, answer.status, correlation))

    def _deploy(self, entry: schedule.Deploy) -> None:
        change, cloud = Change("deployment", name=entry.name), self.azure.cloud
        base, timing = self._look("terraform", change), cloud.timing
        cloud.timing = type(timing)(entry.seconds, timing.retry_after)
        self._write("terraform", change, base, honest=False)
        cloud.timing = timing

    def _fight_back(self, call: Call) -> None:
        """Another writer undoes what Homeostat wrote, a while later."""
        for fight in self.fights:
            begun = fight.at <= self.loop.time() <= fight.at + fight.seconds
            if begun and call.executed and _is_about(fight.change, call.path):
                self.loop.call_later(fight.delay, self._undo, fight)

    def _undo(self, fight: Fight) -> None:
        self._write(fight.who, fight.change, self._look(fight.who, fight.change), honest=False)

    # --- the end ---

    async def _morning(self) -> Dawn:
        """The faults stop, work that is under way ends, a sweep runs, and the work that it starts ends."""
        self.azure.faults.clear()
        self.azure.races.clear()
        self.fights.clear()
        self.ground.store_faults.clear()
        self.ground.deaf_until = 0.0
        for instance in self.slots:
            instance.life.calls_left = None
            instance.ambient.ahead = timedelta()
        self.trace.add(Happened(self.loop.time(), "faults stop"))
        await asyncio.sleep(2 * RESTART)
        await self._until_quiet()
        before_sweep = len(self.trace.seen)
        self.trace.add(Happened(self.loop.time(), "the last sweep"))
        await self.asking.sweep()
        await self._until_quiet()
        if self.azure.cloud.timing.row_seconds:
            await self._further_nights()
        self.trace.add(Happened(self.loop.time(), "morning"))
        partitions = self.ground.memory.documents._partitions
        rows = {f"{name}|{row}": stored.text for name, held in partitions.items() for row, stored in held.items()}
        queued = [message.body for held in self.ground.memory.queues._queues.values() for message in held]
        return Dawn(self.night, self.trace, rows, queued, self.azure.struck, len(self.lives), before_sweep)

    async def _further_nights(self) -> None:
        """Runs as many nights as it takes until no old row can hide anything."""
        for _ in range(FULL_READ_DAYS):
            await asyncio.sleep(24 * 3600)
            await self.asking.sweep()
            await self._until_quiet()

    async def _until_quiet(self) -> None:
        """Waits until no message is queued or worked on, for longer than any event takes to come again."""
        end = self.loop.time() + PATIENCE
        calm = 0
        while calm < 5 and self.loop.time() < end:
            await asyncio.sleep(60)
            calm = calm + 1 if self.host.quiet else 0

    async def _tidy(self) -> None:
        """Stops recording, and ends what still waits, so that no task outlives its loop."""
        self.trace.sealed = True
        for instance in self.lives:
            instance.life.end()
        for task in self.host.tasks:
            task.cancel()
        await asyncio.gather(*self.host.tasks, return_exceptions=True)


def _is_about(change: Change, path: str) -> bool:
    return people.WAYS[change.what].path(change).lower() == path.lower() or (
        change.what.startswith("rule") and path.lower() == place.ROOTS[place.NSG].lower()
    )


class _Ear(logging.Handler):
    """Adds what is logged to the trace."""

    def __init__(self, trace: Trace, loop: NightLoop) -> None:
        super().__init__()
        self._trace, self._loop = trace, loop

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        self._trace.add(Logged(self._loop.time(), record.levelname, text))
