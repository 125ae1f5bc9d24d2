"""Deliberate defects of the product's own source. Each is a text of the source and the text that replaces it.

`mutants` applies them one at a time, and reports what caught them. If the source no longer has a text, the run fails:
whoever changes such a line says here what would now be a defect of it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Patch:
    """A replacement in one file of the project. old: occurs there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect. tests: those that catch it, if nights cannot, since its effect does not occur in them."""

    name: str
    patches: tuple[Patch, ...]
    tests: tuple[str, ...] = ()


RECONCILE: Final = "homeostat/reconcile.py"
WRITING: Final = "homeostat/writing.py"
WRITER: Final = "homeostat/azure/writer.py"
SURROUNDINGS: Final = "homeostat/core/gate/surroundings.py"
RETEST: Final = "homeostat/operations/retest.py"
STANDING: Final = "homeostat/core/gate/standing.py"

ONCE_BROKEN: Final = "tests/nights/test_nights.py::test_a_night_that_once_broke_a_promise_breaks_it_no_more"

_KEEP: Final = "                    await self._snapshot(planned, intent, number)\n"
_SEND: Final = (
    "                    await leased.ensure()\n"
    "                    await self._send(as_seen(planned), name, leased, self._send_by(leased, asked=together))\n"
)

DEFECTS: Final = (
    Defect(
        "app settings are written without being read again",
        (
            Patch(WRITING, "for each in planned if each.unprotected)", "for each in planned if False)"),
            Patch(WRITING, "        if planned.unprotected:\n", "        if False:\n"),
        ),
    ),
    Defect(
        "no If-Match is sent",
        (Patch(WRITER, 'return {"If-Match": action.etag}', "return {}"),),
    ),
    Defect(
        "no If-None-Match is sent for what is to be new",
        (Patch(WRITER, 'return {"If-None-Match": "*"}', "return {}"),),
    ),
    Defect(
        "another instance's lease is ignored",
        (
            Patch(
                "homeostat/core/marks.py", "return record.lease is None or record.lease.expires <= now", "return True"
            ),
        ),
    ),
    Defect(
        "a lease is not renewed",
        (Patch("homeostat/store.py", "if self._left() < self.store.terms.for_a_write:", "if False:"),),
        ("tests/loop/test_one_writer.py",),
    ),
    Defect(
        "a write is sent however late it is",
        (Patch(WRITING, "correlation_id=name, send_by=send_by)", "correlation_id=name)"),),
        ("tests/loop/test_one_writer.py",),
    ),
    Defect(
        "a guard that fails allows",
        (
            Patch(
                "homeostat/core/gate/passing.py",
                'return Hold(GUARD_ERROR, f"the guard {name} failed with {type(error).__name__}", {"guard": name})',
                "return None",
            ),
        ),
        ("tests/core/test_guards.py", "tests/gate/test_surroundings.py"),
    ),
    Defect(
        "a 409 counts as success",
        (
            Patch(
                WRITER,
                "if action.verb is Verb.DELETE and error.error_class is ErrorClass.MISSING:",
                "if error.status == 409 or action.verb is Verb.DELETE and error.error_class is ErrorClass.MISSING:",
            ),
        ),
    ),
    Defect(
        "the intent is not stored",
        (Patch(RECONCILE, "replace(written.intending(named, intent), episodes", "replace(named, episodes"),),
    ),
    Defect(
        "pauses are ignored",
        (Patch(STANDING, "    if not active:\n", "    if True:\n"),),
    ),
    Defect(
        "pause tags are ignored",
        (Patch(SURROUNDINGS, "if end > situation.now and", "if False and"),),
    ),
    Defect(
        "HOMEOSTAT_MODE is ignored",
        (Patch(STANDING, "return None if situation.cap is Mode.ENFORCE else", "return None if True else"),),
    ),
    Defect(
        "windows are ignored",
        (Patch("homeostat/core/gate/windows.py", "    if not barriers:\n", "    if True:\n"),),
    ),
    Defect(
        "running deployments are ignored",
        (Patch(SURROUNDINGS, "    if not fresh:\n", "    if True:\n"),),
    ),
    Defect(
        "writes are not reserved",
        (
            Patch(
                "homeostat/gate/reservations.py",
                "        return hold or await self._of_hour(plan, root, seen.hour)\n",
                "        return hold\n",
            ),
            Patch(RECONCILE, "reserved = uses.with_plan(current.reserved, plan, now)", "reserved = current.reserved"),
        ),
    ),
    Defect(
        "the flap breaker never trips",
        (Patch("homeostat/core/gate/flapping.py", "if flap is None or not flap.is_tripped(limits, now):", "if True:"),),
    ),
    Defect(
        "repairs are not counted for the flap breaker",
        (Patch(WRITING, "for action, _ in self.written[self.counted :] for", "for action, _ in () for"),),
    ),
    Defect(
        "Homeostat's own events are not recognised",
        (Patch("homeostat/service.py", "if ours or (foreign and", "if (foreign and"),),
    ),
    Defect(
        "a failed read counts as absence",
        (
            Patch(
                "homeostat/azure/reader.py",
                "    if error.error_class is not ErrorClass.MISSING:\n        return Unreadable(error)\n",
                "    if error.error_class is not ErrorClass.MISSING:\n        return Gone()\n",
            ),
        ),
        ("tests/azure/test_reader.py", "tests/loop/test_failed_reads.py"),
    ),
    Defect(
        "an alert has another id at each delivery",
        (Patch("homeostat/outbox.py", "CloudEventData(alert.id,", 'CloudEventData(f"{self.store.ambient.uuid()}",'),),
    ),
    Defect(
        "PossibleOverwrite is never told",
        (
            Patch(
                "homeostat/core/conclusion.py",
                "overwritten = _overwritten(root, before, after, now)",
                "overwritten = ()",
            ),
        ),
    ),
    Defect(
        "a write whose answer was lost counts as not made",
        (Patch(WRITING, "if error.executed is not Executed.NO:", "if False:"),),
        (ONCE_BROKEN,),
    ),
    Defect(
        "the snapshot is stored after the write",
        (
            Patch(RECONCILE, "await asyncio.gather(saved, self.writes.snapshot_first(plan, intent))", "await saved"),
            Patch("homeostat/judging.py", "await self.writes.snapshot_ahead(plan)", "pass"),
            Patch(WRITING, _KEEP + _SEND, _SEND + _KEEP),
        ),
    ),
    Defect(
        "a secret value is written into a drift",
        (
            Patch(
                "remediators/app_settings.py",
                "return OTHER_SECRET if literal or _shown(name, found) == MASK else found",
                "return found.reveal() if isinstance(found, Secret) else found",
            ),
        ),
    ),
    Defect(
        "Homeostat's part of a quota is exceeded",
        (Patch("homeostat/core/budget.py", "start - now + self._store.due(kept + place, start)", "start - now"),),
    ),
    Defect(
        "a throttled request is repeated at once",
        (
            Patch(
                "homeostat/azure/governor.py",
                "budget.shut((error.retry_after or timedelta()).total_seconds(), now)",
                "budget.shut(0.0, now)",
            ),
        ),
        ("tests/azure/test_governor_answers.py",),
    ),
    Defect(
        "what other tools drew comes back only at the rate of Homeostat's part",
        (Patch("homeostat/core/budget.py", "* whole, at, tokens, whole)", "* whole, at, tokens)"),),
        (ONCE_BROKEN,),
    ),
    Defect(
        "a rollback sets no pause",
        (
            Patch(
                "homeostat/operations/rollback.py",
                "        await self.engine.store.pause(pause)\n        try:\n",
                "        try:\n",
            ),
        ),
        ("tests/loop/test_rollback.py",),
    ),
    Defect(
        "a rollback that dies is not looked after",
        (Patch("homeostat/operations/rollback.py", "            await self._look_after(root.id, pause)\n", ""),),
        (ONCE_BROKEN,),
    ),
    Defect(
        "a rollback ignores the tags of what it restores",
        (Patch("homeostat/operations/rollback.py", "own=pause, facts=facts)", "own=pause)"),),
        (ONCE_BROKEN,),
    ),
    Defect(
        "a rollback takes a note away with what it was made on",
        (
            Patch(
                "homeostat/operations/rollback.py",
                "and (bool(inverse.path) or _notes(current) == _notes(inverse.after))",
                "",
            ),
        ),
        ("tests/loop/test_rollback_refusals.py",),
    ),
    Defect(
        "a rollback undoes what was never written",
        (
            Patch(
                "homeostat/operations/rollback.py",
                "for each in snapshot.in_effect(snapshots):",
                "for each in (inverse for found in snapshots for inverse in found.inverses):",
            ),
        ),
        ("tests/loop/test_rollback.py",),
    ),
    Defect(
        "a rollback undoes what somebody wrote since",
        (
            Patch(
                "homeostat/operations/rollback.py",
                "if changed := [(each, now) for each, now in found if not (_is_after(each, now) or "
                "_is_before(each, now))]:",
                "if changed := [each for each in found if False]:",
            ),
            Patch(
                "homeostat/operations/rollback.py",
                "for each, now in found if _is_after(each, now)]",
                "for each, now in found]",
            ),
        ),
        ("tests/loop/test_rollback_refusals.py",),
    ),
    Defect(
        "a re-test is not minded",
        (
            Patch(
                STANDING,
                "if retest is None or not retest.runs(situation.now) or not routes(edit.drift.kind, edit.drift.item):",
                "if True:",
            ),
        ),
    ),
    Defect(
        "a re-test's end is not stored before routing is off",
        (Patch(RETEST, "            await self._store(leased, stored)\n", ""),),
    ),
    Defect(
        "no message comes when a re-test ends",
        (Patch(RETEST, "        await self.engine.store.enqueue(leased.root, delay)\n", ""),),
    ),
    Defect(
        "a re-test switches off what nobody would switch on again",
        (
            Patch(
                RETEST,
                'owned = [flag for flag in on if ("route_all", flag) in restored]',
                "owned = [flag for flag in on if flag in {APPLICATION, ALL}]",
            ),
            Patch(RETEST, 'if ("app_settings", LEGACY_SETTING) not in restored:', "if False:"),
        ),
    ),
    Defect(
        "what is asked for is written though it is over",
        (Patch(WRITING, "if until is None or not asked:", "if True:"),),
        ("tests/loop/test_retest.py", "tests/loop/test_rollback.py"),
    ),
    Defect(
        "what others wrote beside an owned flag is not looked at again",
        (
            Patch(
                "homeostat/core/plan.py",
                "return any(_carries_over(edit, self.before) for edit in self.edits)",
                "return False",
            ),
        ),
    ),
    Defect(
        "a container is created without permission",
        (Patch("homeostat/core/gate/approval.py", "    if reason is None:\n", "    if True:\n"),),
    ),
    Defect(
        "who waited for a subnet is not looked at once it is delegated",
        (
            Patch(
                "homeostat/operations/waking.py",
                "return edit.recreate is not None or (arm_type(edit.resource).container and bool(edit.reaches))",
                "return edit.recreate is not None",
            ),
        ),
        ("tests/loop/test_gone.py",),
    ),
    Defect(
        "what a write without an ETag replaces is not read again after a wait",
        (Patch(WRITING, "send_by = min(send_by, base.answered + fresh_for)", "pass"),),
        ("tests/loop/test_blind_writes.py",),
    ),
    Defect(
        "what Azure says to have been replaced is not told",
        (Patch(WRITING, "if ids.replaced:", "if False:"),),
        (ONCE_BROKEN, "tests/loop/test_gone.py"),
    ),
    Defect(
        "a subnet is created without permission",
        (Patch("remediators/subnet.py", "recreate=wanted.recreate)", "recreate=True)"),),
    ),
    Defect(
        "a subnet loses what others have in it",
        (Patch("homeostat/core/arm_types.py", '"interfaceEndpoints",', '"interfaceEndpoints", "serviceEndpoints",'),),
    ),
    Defect(
        "a container is recreated at its first 404",
        (Patch(RECONCILE, "by_word or self.trigger.dry_run or self.ending.was_missed_twice()", "True"),),
    ),
    Defect(
        "a group is created over one that somebody created meanwhile",
        (Patch("homeostat/core/plan.py", "return not self.type.if_none_match", "return False"),),
    ),
    Defect(
        "a container that is gone and held is not looked at when the hold ends",
        (
            Patch(
                "homeostat/core/endings.py",
                "retry_at = None if status is Status.RETIRED else _first_end(held.hold for held in plan.held)",
                "retry_at = None",
            ),
        ),
        (ONCE_BROKEN,),
    ),
    Defect(
        "a slot's settings are written during a swap",
        (
            Patch(
                "remediators/app_settings.py",
                'return replace(have, swaps_into=json.text_at(site, "properties", "targetSwapSlot"))',
                "return have",
            ),
        ),
    ),
    Defect(
        "a swap is looked after on one side only",
        (Patch("homeostat/core/events.py", "if id_ == site or id_.key.startswith(below))", "if id_ == site)"),),
    ),
    Defect(
        "a failed root is not tried again",
        (
            Patch(
                "homeostat/core/endings.py",
                "return max(planned, self.now + at_least) if planned else None",
                "return None",
            ),
        ),
    ),
)
