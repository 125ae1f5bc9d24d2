"""Starts and ends a re-test of routing, for a person who wants to know whether routing causes a fault.

Its order makes it safe: first the deadline and the look that is due then are stored, then that look's message is sent,
and only then is routing switched off. From there on the loop does the rest: it holds the repair until the deadline,
runs the probes, and restores what is declared. Nothing in this process has to survive until the end.
https://learn.microsoft.com/azure/app-service/configure-vnet-integration-routing
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from homeostat.core import marks, retest
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.situation import FLEET
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, JsonObject, Path
from homeostat.core.model import Declared, Disruption, Drift, Edit, Fact, Mode, Place, Read, Want
from homeostat.core.outcome import JUDGED, Outcome, Status, Trigger
from homeostat.core.plan import Plan, merge
from homeostat.core.record import IMMEDIATE, RootRecord
from homeostat.core.retest import Finding, Retest
from homeostat.core.spec import Root
from homeostat.engine import Engine
from homeostat.fleet.specs import DesiredState
from homeostat.operations import runs
from homeostat.store import Leased
from remediators import route_all
from remediators.route_all import ALL, APPLICATION, FLAGS, LEGACY, LEGACY_SETTING, REMEDIATOR, ROUTING, Legacy

type _Facts = dict[Read, Fact]

_EVERYTHING = {LEGACY: Declared(Legacy.REMOVE, Mode.ALERT, (), Place("", 0))}
"""With the legacy setting to be removed, the remediator reads every place."""


class RetestRefused(HomeostatError):
    """The re-test is not started: it could not be undone, or would show nothing. The message says what to do."""


class NoRetest(HomeostatError):
    """There has been no retest of that target's routing."""


class RetestFailed(HomeostatError):
    """Routing could not be switched off. Whatever was switched off is restored at once."""


@dataclass(frozen=True, slots=True)
class Retests:
    engine: Engine
    desired: DesiredState

    async def start(self, name: str, duration: timedelta, reason: str, by: str) -> JsonObject:
        """Switches a target's routing off for that long. Returns its state, with the findings before and during.

        Raises UnknownTarget, RetestRefused, RetestFailed and StorageError.
        """
        root = await self._root(name)
        planned = Retest(name, self.engine.ambient.now() + duration, reason, by)
        await self._refuse_what_would_not_be_restored(root)
        self._refuse_a_second((await self.engine.store.load(root.id)).record)
        trigger = Trigger("retest", caller=by, reason=reason, until=planned.deadline)
        before = await self._look(root, trigger)
        leased = await self.engine.store.lease(root.id, str(self.engine.ambient.uuid()))
        if leased is None:
            raise RetestRefused("another instance works on the web app: try again in a minute")
        try:
            self._refuse_a_second(leased.stored.record)
            plan = await self._switch_off(root)
            stored = replace(planned, before=before)
            await self._store(leased, stored)
        except Exception:
            await leased.abandon()
            raise
        outcome = await self.engine.carry_out(plan, root, trigger, leased, own=stored)
        return await self._started(name, root, outcome, by)

    async def state(self, name: str) -> JsonObject:
        """The target's last retest. Raises UnknownTarget, NoRetest and StorageError."""
        root = await self._root(name)
        found = (await self.engine.store.load(root.id)).record.retest
        if found is None:
            raise NoRetest(f"the routing of {name} has not been re-tested")
        return _json(found, self.engine.ambient.now())

    async def end(self, name: str, by: str) -> JsonObject:
        """Ends the target's retest now and marks its root. Raises as `state` does."""
        await self._end(await self._root(name), by)
        return await self.state(name)

    async def _end(self, root: Root, by: str) -> None:
        now = self.engine.ambient.now()
        await self.engine.store.change(root.id, lambda current: marks.retest_ended(current, now=now, by=by))
        await self.engine.store.mark(root.id, "retest", IMMEDIATE, comes_again=False)

    async def _root(self, name: str) -> Root:
        fleet = await self.desired.fleet()
        runs.roots_of(fleet, [name])
        web_app = fleet.targets[name].web_app
        if web_app not in fleet.roots:
            raise RetestRefused(f"{name} declares nothing of its web app: nobody would restore its routing")
        return fleet.roots[web_app]

    # --- preconditions ---

    async def _refuse_what_would_not_be_restored(self, root: Root) -> None:
        if self.engine.cap is not Mode.ENFORCE:
            raise RetestRefused(f"HOMEOSTAT_MODE is {self.engine.cap}: nobody would restore the routing")
        if not any(declared for _, _, declared in _declared(root)):
            message = "neither route_all nor WEBSITE_VNET_ROUTE_ALL is declared on with mode enforce"
            raise RetestRefused(f"{message}: nobody would restore the routing")
        for pause in await self.engine.store.pauses():
            if pause.until > self.engine.ambient.now() and pause.target in {FLEET, *root.targets}:
                whom = "the fleet" if pause.target == FLEET else pause.target
                raise RetestRefused(f"{whom} is paused until {pause.until.isoformat()}: nothing is written before then")

    def _refuse_a_second(self, current: RootRecord) -> None:
        found = current.retest
        if found is not None and found.runs(self.engine.ambient.now()):
            raise RetestRefused(f"a retest by {found.by} is running until {found.deadline.isoformat()}")

    async def _look(self, root: Root, trigger: Trigger) -> tuple[Finding, ...]:
        """The probes' findings now, while routing is as declared."""
        outcome = await self.engine.reconcile(root, replace(trigger, dry_run=True))
        drifts = outcome.plan.drifts
        if outcome.status not in {*JUDGED, Status.PLANNED}:
            raise RetestRefused(f"the web app cannot be looked at: {outcome.error or outcome.status}")
        if any(retest.routes(drift.kind, drift.item) for drift in drifts):
            raise RetestRefused("routing is not as declared, or could not be read: see `plan`, and repair it first")
        return retest.findings(root, drifts, self.engine.registry)

    # --- switching off ---

    async def _switch_off(self, root: Root) -> Plan:
        """The writes that switch routing off wherever it is on. Raises RetestRefused if that could not be undone."""
        facts, have = await self._read(root)
        on = [flag for flag in FLAGS if have.is_on(FLAGS[flag])]
        if not ({APPLICATION, ALL} & {*on} or have.legacy_routes):
            raise RetestRefused("routing is not on: there is nothing to switch off")
        restored = {(kind, item) for kind, item, declared in _declared(root) if declared}
        owned = [flag for flag in on if ("route_all", flag) in restored]
        for flag in {APPLICATION, ALL}.intersection(on).difference(owned):
            raise RetestRefused(
                f"{flag} is on, and not declared so under route_all with mode enforce: it would stay off"
            )
        edits = [_flags_off(root.id, have.flags, owned)] if owned else []
        if have.legacy_routes and have.legacy:
            if ("app_settings", LEGACY_SETTING) not in restored:
                message = f"{have.legacy[0]} is on, and not declared so under app_settings with mode enforce"
                raise RetestRefused(f"{message}: it would stay off")
            edits.append(_legacy_off(root.id, *have.legacy))
        # The setting first, and so restored last: it is judged by its value, and the flag only while no setting routes.
        actions = sorted(merge(edits, facts), key=lambda action: action.resource == root.id)
        return Plan(root.id, actions=tuple(actions))

    async def _read(self, root: Root) -> tuple[_Facts, route_all.Have]:
        want = Want(root.id, _EVERYTHING)
        facts: _Facts = {}
        while wanted := REMEDIATOR.reads(want, facts) - facts.keys():
            for read in sorted(wanted, key=lambda read: read.id):
                facts[read] = await self.engine.reader.read(read)
        have = REMEDIATOR.observe(want, facts)
        if reason := have.unread or have.unread_settings:
            raise RetestRefused(f"the web app's routing could not be read: {reason}")
        return facts, have

    async def _store(self, leased: Leased, planned: Retest) -> None:
        """Stores the deadline and sends the message that leads to it, before anything is switched off."""
        delay = timedelta()

        def transition(current: RootRecord) -> RootRecord:
            nonlocal delay
            after, delay = marks.retesting(current, planned, now=self.engine.ambient.now())
            return after

        await leased.save(transition)
        await self.engine.store.enqueue(leased.root, delay)

    async def _started(self, name: str, root: Root, outcome: Outcome, by: str) -> JsonObject:
        """The state, once a look found routing off. If none did, the retest ends here."""
        found = (await self.engine.store.load(root.id)).record.retest
        if found is not None and found.during is not None:
            return _json(found, self.engine.ambient.now())
        await self._end(root, by)
        if outcome.status is Status.HELD and not outcome.written:
            raise RetestRefused(outcome.reason)
        reason = outcome.reason or f"the web app is {outcome.status}"
        raise RetestFailed(f"the routing of {name} could not be switched off, and is restored: {reason}")


def _declared(root: Root) -> Iterator[tuple[str, str, bool]]:
    """(kind, item, whether the loop would switch it on again) for everything declared about routing."""
    flags, settings = root.wants.get("route_all"), root.wants.get("app_settings")
    for name, item in flags.items.items() if flags else ():
        yield "route_all", name, item.value is True and item.mode is Mode.ENFORCE
    for name, item in settings.items.items() if settings else ():
        if name.upper() == LEGACY_SETTING:
            is_on = route_all.enables(str(getattr(item.value, "value", None)))
            yield "app_settings", LEGACY_SETTING, is_on and item.mode is Mode.ENFORCE


def _flags_off(site: ResourceId, flags: Mapping[str, bool], names: list[str]) -> Edit:
    """One object with all flags, since a PATCH may replace the object: see `remediators.route_all`."""
    off: JsonObject = {**flags, **dict.fromkeys((FLAGS[name] for name in names), False)}
    return _edit("route_all", site, ROUTING, names[0], off, dict(flags))


def _legacy_off(site: ResourceId, name: str, value: str) -> Edit:
    return _edit("app_settings", site.child("config", "appsettings"), ("properties", name), name, "0", value)


def _edit(kind: str, resource: ResourceId, path: Path, item: str, off: Json, on: Json) -> Edit:
    drift = Drift(kind, resource, path, item, off, on, note="switched off for a re-test of routing")
    return Edit(drift, path, off, Disruption.CONNECTIVITY)


def _json(found: Retest, now: datetime) -> JsonObject:
    ended = "restored" if found.after is not None else "ending"
    return {
        "target": found.target,
        "state": "running" if found.runs(now) else ended,
        "deadline": found.deadline.isoformat(),
        "reason": found.reason,
        "by": found.by,
        "endedBy": found.ended_by or None,
        **{name: _findings_json(getattr(found, name)) for name in ("before", "during", "after")},
        "comparison": list(retest.comparison(found)),
    }


def _findings_json(found: tuple[Finding, ...] | None) -> Json:
    if found is None:
        return None
    return [{"what": each.what, "reached": each.reached.value, "note": each.note} for each in found]
