"""Which web apps the selectors select: queried from Azure Resource Graph, and kept in a blob.

An answer stays in force until a newer one replaces it: an instance that starts reads the blob and queries nothing, a
failed query changes nothing, and an answer from which no fleet can be built is not kept. One instance queries at a
time; the others meanwhile use the answers that they have (`homeostat.fleet.claim`). If all apps of a
subscription disappear from an answer, one of them is read through ARM: Resource Graph silently leaves out what the
caller may not see.
https://learn.microsoft.com/azure/governance/resource-graph/overview#permissions-in-azure-resource-graph
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import json
from homeostat.core.answers import Answer, Apps, by_id, from_data, reuse_known, to_data
from homeostat.core.arm_errors import ArmError
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.budget import BUDGET_SPENT
from homeostat.core.errors import HomeostatError
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, JsonObject
from homeostat.core.model import Read, Unreadable
from homeostat.core.selectors import Criteria, SelectedApp, Selection
from homeostat.core.spec import Wanted
from homeostat.fleet.ages import Ages
from homeostat.fleet.claim import Claims
from homeostat.paging import picked
from homeostat.ports.azure import ArmReader, ResourceTable
from homeostat.ports.storage import Blobs, Conflict, StorageError

log = logging.getLogger(__name__)

CONTAINER: Final = "homeostat-fleet"
BLOB: Final = "selection.json"

CLAIM: Final = "selection-claim.json"

RETRY_EVERY: Final = timedelta(minutes=2)
"""How soon after a failed query any instance queries again."""

CLAIM_WHILE_QUERYING: Final = timedelta(minutes=1)
"""How long a claim lasts without renewal while its holder queries: a page may take seventy seconds, but seldom does."""

CLAIM_WHILE_BUILDING: Final = timedelta(minutes=10)
"""The same while the holder builds a fleet: for a million apps that takes some three minutes of a core."""

MAX_WAIT_FOR_TOKEN: Final = timedelta(minutes=5)
"""How long a page waits for a token of the quota: healing goes first, and a sweep shares what is left."""

POLL_EVERY: Final = timedelta(seconds=2)
"""How often an instance checks again while it waits for another's answer, or for a token."""

FORGOTTEN_AFTER: Final = timedelta(days=7)
"""How long an answer is kept that no selector needs: another instance may still have the spec that does."""

GONE_CODES: Final = frozenset({"resourcegroupnotfound", "resourcenotfound"})
"""ARM's codes, in lower case, by which a caller who may see a thing learns that it is gone."""

SUBSCRIPTION_GONE: Final = "subscriptionnotfound"


class NotResolved(HomeostatError):
    """A selector could not be resolved."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers, by their criteria's key.

    version: of the blob that holds them; ABSENT if there is no blob. unkept: whether some are newer than the blob.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    version: "str | json.Absent" = ABSENT
    unkept: bool = False

    @property
    def selection(self) -> Selection:
        return {key: answer.apps for key, answer in self.answers.items()}


@dataclass(slots=True)
class Selections:
    """held: the last good answers. problem: why they are not the latest."""

    table: ResourceTable
    reader: ArmReader
    blobs: Blobs
    ambient: Ambient
    every: timedelta = timedelta(minutes=15)
    problem: str = ""
    held: Answers = field(default_factory=Answers)
    _in_use: frozenset[str] = field(default=frozenset(), init=False)  # keys of the criteria that are wanted now
    _asked_at: dict[str, float] = field(default_factory=dict, init=False)  # monotonic, by the criteria's key
    _ages: Ages = field(init=False)
    _claims: Claims = field(init=False)

    def __post_init__(self) -> None:
        self._ages = Ages(self.ambient)
        self._claims = Claims(self.blobs, self.ambient, CONTAINER, CLAIM)

    async def look(self, wanted: Sequence[Wanted], *, afresh: bool = False, old_will_do: bool = False) -> Answers:
        """The best answers available for what is wanted: the newest that are stored, or newer ones from Azure.

        afresh: query Azure even if the answers are not old yet. old_will_do: query it only where there is no answer.
        While another instance queries, what is stored has to do; only a caller who lacks an answer, or wants them
        afresh, waits for that instance. The result is not in force before `keep`; `refuse` says that it cannot be.
        """
        self._in_use = frozenset(each.criteria.key for each in wanted)
        if not wanted:
            self.problem = ""
            return self.held
        selectors = _together(wanted)
        while due := await self._due(selectors, afresh=afresh, old_will_do=old_will_do):
            ours, others = await self._ours_of(due, afresh=afresh)
            if ours:
                if still := await self._due(ours, afresh=afresh, old_will_do=old_will_do):
                    return await self._asked(self.held, still, self.ambient.now())
                await self._claims.give_back()  # another gave its own back right before, with newer answers
            elif others and (afresh or any(self._is_lacking(self.held, each) for each in others)):
                await self.ambient.sleep(POLL_EVERY.total_seconds())
            else:
                return self.held
        if not self.is_old(selectors):
            self.problem = ""  # another instance has resolved since what this one could not
        return self.held

    def is_old(self, wanted: Sequence[Wanted]) -> bool:
        """Whether an answer in force is old or missing."""
        return any(not self._is_new(self.held, each) for each in _together(wanted))

    def _is_lacking(self, found: Answers, wanted: Wanted) -> bool:
        answer = found.answers.get(wanted.criteria.key)
        return answer is None or not wanted.tags <= answer.tags

    def _is_new(self, found: Answers, wanted: Wanted) -> bool:
        return not self._is_lacking(found, wanted) and self._ages.is_younger(wanted.criteria.key, self.every)

    async def _due(self, wanted: Sequence[Wanted], *, afresh: bool, old_will_do: bool) -> list[Wanted]:
        """Those for which Azure is to be queried, given what is stored now."""
        self.held = await self._stored()
        for key, answer in self.held.answers.items():
            self._ages.see(key, answer.at)
        return [each for each in wanted if afresh or self._is_due(self.held, each, old_will_do=old_will_do)]

    def _is_due(self, found: Answers, wanted: Wanted, *, old_will_do: bool) -> bool:
        asked = self._asked_at.get(wanted.criteria.key)
        if asked is not None and self.ambient.monotonic() - asked < RETRY_EVERY.total_seconds():
            return False
        return self._is_lacking(found, wanted) if old_will_do else not self._is_new(found, wanted)

    async def _ours_of(self, due: Sequence[Wanted], *, afresh: bool) -> tuple[Sequence[Wanted], Sequence[Wanted]]:
        """Splits `due` into what this instance is to query, and what another instance queries and is waited for.

        The rest is in neither: a query failed a moment ago, or it is unknown who queries and an old answer will do.
        Raises StorageError if that is unknown of something that has no answer.
        """
        try:
            claim = await self._claims.seen()
            if claim is not None and claim.held and self._claims.ours is None:
                return [], due
            if claim is not None and not afresh:
                self.problem = claim.problem
                due = [each for each in due if each.criteria.key not in claim.of]
            if not due:
                return [], []
            keys = frozenset(each.criteria.key for each in due)
            return (due, []) if await self._claims.take(keys, CLAIM_WHILE_QUERYING) else ([], due)
        except StorageError as error:
            if any(self._is_lacking(self.held, each) for each in due):
                raise
            log.warning("who resolves the selectors is not known, and what was selected last stays: %s", error)
            return [], []

    async def _asked(self, found: Answers, due: Sequence[Wanted], now: datetime) -> Answers:
        answers = dict(found.answers)
        problems: list[str] = []
        for each in due:
            self._asked_at[each.criteria.key] = self.ambient.monotonic()
            before = answers.get(each.criteria.key)
            failures: Sequence[HomeostatError]
            try:
                answers[each.criteria.key], failures = await self._ask(each, before, now)
            except (ArmError, NotResolved) as error:
                failures = [error]
            kept = f"what was selected at {before.at:%Y-%m-%d %H:%M} UTC stays" if before else "nothing is selected"
            problems.extend(f"a selector could not be resolved, and {kept}: {error}" for error in failures)
        self.problem = "\n".join(sorted(set(problems)))
        if self.problem:
            log.error("%s", self.problem)
        await self._claims.renew(CLAIM_WHILE_BUILDING)
        return replace(found, answers=answers, unkept=True)

    async def _ask(self, wanted: Wanted, before: Answer | None, now: datetime) -> tuple[Answer, Sequence[ArmError]]:
        """Also why some clouds did not answer, whose apps stay as they were. Raises ArmError and NotResolved."""
        apps: dict[ResourceId, SelectedApp] = {}
        known = by_id(before)
        failures: list[ArmError] = []
        unanswered: set[str] = set()  # subscriptions
        for query in (part for whole in wanted.criteria.queries() for part in self.table.apart(whole)):
            try:
                apps |= await self._selected(query, wanted, known)
            except ArmError as error:
                if before is None or not query.subscriptions or not wanted.tags <= before.tags:
                    raise  # which apps stay, or with which tags, is unknown
                failures.append(error)
                unanswered.update(query.subscriptions)
        if before:
            stay = {app.id: app for app in before.apps if app.id.subscription.lower() in unanswered}
            await self._check_vanished(wanted.criteria, before.apps, (*apps.values(), *stay.values()))
            apps |= stay
        at = before.at if before and failures else now  # the apps that stay are as old as they were
        return Answer(at, wanted.tags, tuple(sorted(apps.values(), key=lambda app: app.id.key))), failures

    async def _selected(self, query: RowQuery, wanted: Wanted, known: Apps) -> dict[ResourceId, SelectedApp]:
        """Raises ArmError."""

        def pick(row: JsonObject) -> SelectedApp | None:
            app = wanted.criteria.selected(row)
            return reuse_known(app.with_tags(wanted.tags), known) if app else None

        pages = _Renewing(self.table, self._claims, self.ambient)
        return {app.id: app for app in await picked(pages, query, self.ambient.sleep, pick)}

    async def _check_vanished(
        self, criteria: Criteria, before: Iterable[SelectedApp], now: Iterable[SelectedApp]
    ) -> None:
        """Raises NotResolved if a subscription has no selected app any more and cannot be read either."""
        left = {app.id.subscription.lower() for app in now}
        vanished = {key: app.id for app in before if (key := app.id.subscription.lower()) not in left}
        for subscription, app in sorted(vanished.items()):
            fact = await self.reader.read(Read(SLOT if app.is_type(SLOT.name) else SITE, app))
            if isinstance(fact, Unreadable) and not _is_gone(fact.error, named=subscription in criteria.subscriptions):
                raise NotResolved(
                    f"subscription {subscription} had selected apps and can no longer be read ({fact.error.code}): "
                    "give our identity its role there, or take the subscription out of the selector"
                )

    async def _stored(self) -> Answers:
        """What the blob holds, read only if it changed. If the store fails: what is known."""
        try:
            versions = [info.version async for info in self.blobs.list(CONTAINER, BLOB) if info.name == BLOB]
            if not versions:
                return replace(self.held, version=ABSENT)
            if versions[0] == self.held.version:
                return self.held
            blob = await self.blobs.read(CONTAINER, BLOB)
        except StorageError as error:
            log.warning("what was selected last cannot be read: %s", error)
            return self.held
        return Answers(self._understood(blob.data), blob.version) if blob else self.held

    def _understood(self, data: bytes) -> Mapping[str, Answer]:
        """Empty if the blob is not one of ours: then Azure is queried."""
        try:
            return from_data(data, self.held.answers)
        except (ValueError, TypeError, KeyError, RecursionError, HomeostatError) as error:
            log.warning("what was selected last makes no sense: %s", error)
            return {}

    async def keep(self, found: Answers) -> None:
        """Stores the answers, of which a fleet was built. Raises StorageError, but not if another wrote first."""
        self.held = replace(found, unkept=False)
        if not found.unkept:
            return
        now = self.ambient.now()
        lasting = {
            key: answer
            for key, answer in found.answers.items()
            if key in self._in_use or now - answer.at < FORGOTTEN_AFTER
        }
        try:
            version = await self.blobs.write(
                CONTAINER, BLOB, to_data(lasting), expected=found.version, content_type="application/json"
            )
            self.held = Answers(lasting, version)
        except Conflict:
            pass  # another instance resolved them at the same time: its answers are read at the next look
        except StorageError as error:
            await self._claims.give_back(str(error), RETRY_EVERY)
            raise
        await self._claims.give_back(self.problem, RETRY_EVERY)

    async def refuse(self, why: str) -> None:
        """Drops the answers: no fleet can be built from them. The claim tells the others not to query again at once."""
        await self._claims.give_back(why, RETRY_EVERY)


@dataclass(frozen=True, slots=True)
class _Renewing:
    """A table that renews the claim before each page, and waits while a sweep leaves no token."""

    table: ResourceTable
    claims: Claims
    ambient: Ambient

    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page:
        until = self.ambient.monotonic() + MAX_WAIT_FOR_TOKEN.total_seconds()
        while True:
            await self.claims.renew()
            try:
                return await self.table.page(query, top=top, token=token)
            except ArmError as error:
                if error.code != BUDGET_SPENT or self.ambient.monotonic() >= until:
                    raise
            await self.ambient.sleep(POLL_EVERY.total_seconds())


def _together(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Merges selectors with equal criteria into one query, with the tags of all."""
    found: dict[str, Wanted] = {}
    for each in wanted:
        known = found.get(each.criteria.key)
        found[each.criteria.key] = replace(each, tags=each.tags | known.tags) if known else each
    return list(found.values())


def _is_gone(error: ArmError, *, named: bool) -> bool:
    """Whether the app no longer exists. A subscription that ended counts only if no selector names it."""
    return error.code.lower() in GONE_CODES or (not named and error.code.lower() == SUBSCRIPTION_GONE)
