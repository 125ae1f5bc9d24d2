"""What people ask of the function app, and its timer: each request meets one instance, and fails with it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from homeostat.core.gate.situation import Pause
from homeostat.core.json import JsonObject
from homeostat.core.outcome import Trigger
from homeostat.ports.storage import serialised
from tests.nights import schedule
from tests.nights.azure import WORK
from tests.nights.host import Host
from tests.nights.instance import Instance
from tests.nights.people import WHO_ASKS
from tests.nights.ports import Ground
from tests.nights.trace import Answered

type Request = Callable[[Instance], Awaitable[JsonObject | None]]


class Asking:
    def __init__(self, host: Host, ground: Ground) -> None:
        self._host, self._ground = host, ground

    async def ask(self, entry: schedule.Entry) -> None:
        match entry:
            case schedule.Pausing(_, target, seconds):
                await self._pause(target, seconds)
            case schedule.Run(_, target, dry, create):
                await self._run(target, dry=dry, create=create)
            case schedule.Approve():
                await self._approve()
            case schedule.Rollback(_, target, seconds):
                await self._undo(target, timedelta(seconds=seconds))
            case schedule.Retest(_, target, seconds):
                await self._retest(target, timedelta(seconds=seconds))
            case schedule.EndRetest(_, target):
                await self._end_retest(target)
            case schedule.Sweep():
                await self.sweep()
            case _:
                raise AssertionError(f"nobody knows what to do about {entry}")

    async def sweep(self) -> None:
        """Fires the timer. If that fails, it fires again tomorrow."""

        async def swept(instance: Instance) -> None:
            await instance.service.sweeps.start("nightly")

        await self._request("sweep", swept)
        self._host.look_at_queues()

    async def _pause(self, target: str, seconds: float) -> None:
        async def paused(instance: Instance) -> None:
            if seconds:
                until = instance.ambient.now() + timedelta(seconds=seconds)
                await instance.service.pause(Pause(target, until, "maintenance", WHO_ASKS))
            else:
                await instance.service.resume(target, by=WHO_ASKS)

        await self._request(f"pause of {target} for {seconds} s", paused)

    async def _run(self, target: str, *, dry: bool, create: bool) -> None:
        """Asks for a run. If its instance dies, the run's message takes the run up."""

        async def run(instance: Instance) -> None:
            trigger = Trigger("manual", caller=WHO_ASKS, dry_run=dry, create=create)
            remediations = instance.service.remediations
            await remediations.execute(await remediations.start([target], trigger, backup=True))

        await self._request(f"{'creating ' if create else ''}run of {target}", run)

    async def _approve(self) -> None:
        """Approves everything that waits for approval."""

        async def decided(instance: Instance) -> JsonObject:
            service = instance.service
            waiting = [str(each["id"]) for each in await service.open_approvals()]
            done = [await service.decide_approval(id_, yes=True, by=WHO_ASKS) for id_ in waiting]
            return {"approved": [each.root for each in done]}

        await self._request("approval", decided)

    async def _undo(self, target: str, duration: timedelta) -> None:
        async def undone(instance: Instance) -> JsonObject:
            return await instance.service.rollbacks.start(target, "", duration, "it looked wrong", WHO_ASKS)

        await self._request(f"rollback of {target}", undone)

    async def _retest(self, target: str, duration: timedelta) -> None:
        async def begun(instance: Instance) -> JsonObject:
            return await instance.service.retests.start(target, duration, "is it the routing?", WHO_ASKS)

        await self._request(f"re-test of {target}", begun)

    async def _end_retest(self, target: str) -> None:
        async def ended(instance: Instance) -> JsonObject:
            return await instance.service.retests.end(target, WHO_ASKS)

        await self._request(f"end of the re-test of {target}", ended)

    async def _request(self, what: str, request: Request) -> None:
        instance = self._host.next_instance()
        if instance is None:
            return
        WORK.set(work := instance.next_work())
        self._host.begin(instance, work, what)
        try:
            answer = await request(instance)
        except Exception as error:  # noqa: BLE001 - who asked is told, and that is all
            self._host.end(instance, work, f"{type(error).__name__}: {error}")
        else:
            if answer is not None:
                self._ground.trace.add(Answered(self._ground.loop.time(), instance.who, work, serialised(answer)))
            self._host.end(instance, work, "")
