"""Requests for approval: stored, signed and decided. Which edits need one, and how ids are made, is in the core.

They are rows of one partition, so that a link needs only the id. The signing key is made on first need, and stays in
the same storage account.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from homeostat.ambient import Ambient
from homeostat.core import approvals, json
from homeostat.core.alerts import Alert
from homeostat.core.approvals import Approval, State
from homeostat.core.errors import HomeostatError
from homeostat.core.gate.approval import APPROVAL_NEEDED, to_approve
from homeostat.core.gate.situation import Situation
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json, JsonObject
from homeostat.core.model import Edit
from homeostat.deployment_keys import LINKS, deployment_key
from homeostat.ports.storage import Conflict, Document, Documents, Insert, Remove, Replace, Upsert

_PARTITION: Final = "approvals"
_TRIES: Final = 5


class UnknownApproval(HomeostatError):
    """There is no such request: it was decided long ago, or its plan has changed."""


class BadLink(HomeostatError):
    """The link is not one that Homeostat made, or it has expired."""


@dataclass(frozen=True, slots=True)
class Approvals:
    """public_url: the address under which people reach the HTTP API; without it alerts carry no links."""

    documents: Documents
    ambient: Ambient
    public_url: str = ""

    # --- for the loop ---

    async def of(self, root: ResourceId, edits: Sequence[Edit], situation: Situation) -> Approval | None:
        """The request for those edits that need approval; None if none does. Stores nothing."""
        asked = to_approve(edits, situation)
        if not asked:
            return None
        id_ = approvals.identify(root, asked, await self.key())
        expires = situation.now + situation.policy.approvals.valid_for
        fresh = approvals.request(id_, root, situation.targets, asked, expires)
        return approvals.renewed(await self._find(id_), fresh, situation.now)

    async def ask(self, approval: Approval) -> None:
        """Stores a request unless it is there already, and removes the root's other requests: their plan has changed.

        A decision that was made meanwhile is not overwritten: the row must still be as it was read.
        """
        found = await self.documents.read(_PARTITION, approval.id)
        known = approvals.from_json(found.body) if found else None
        if known is not None and approvals.renewed(known, approval, self.ambient.now()) is known:
            return
        body = approvals.to_json(approval)
        rows = await self._rows_of(ResourceId.parse(approval.root))
        void = [Remove(row.row) for row in rows if row.row != approval.id]
        asked = Replace(approval.id, body, found.version) if found else Insert(approval.id, body)
        with suppress(Conflict):  # another instance stored the same request, or somebody has just decided it
            await self.documents.apply(_PARTITION, [asked, *void])

    async def void(self, root: ResourceId) -> None:
        """Removes the root's requests, pending or approved, once nothing needs approval: they do not apply later."""
        rows = await self._rows_of(root)
        if void := [Remove(row.row) for row in rows if approvals.from_json(row.body).state is not State.USED]:
            with suppress(Conflict):  # somebody has just decided one: the root is looked at again for that
                await self.documents.apply(_PARTITION, void)

    async def _rows_of(self, root: ResourceId) -> Sequence[Document]:
        first = approvals.prefix(root)
        return [row async for row in self.documents.scan(_PARTITION, first=first, last=first[:-1] + ".")]

    async def use(self, approval: Approval) -> None:
        """Marks an approval as used: it allows nothing more."""
        used = replace(approval, state=State.USED)
        await self.documents.apply(_PARTITION, [Upsert(approval.id, approvals.to_json(used))])

    async def with_links(self, alert: Alert) -> JsonObject:
        """The alert's data, with a link for each request in it. A link is a credential, and never stored."""
        asked = {
            (json.text_at(held, "numbers", "approval"), json.text_at(held, "numbers", "expires"))
            for held in json.objects_at(alert.data, "held")
            if json.text_at(held, "code") == APPROVAL_NEEDED
        }
        if not asked or not self.public_url:
            return alert.data
        key = await self.key()
        links: list[Json] = [
            {"approval": id_, "expires": expires, "url": self._link(id_, datetime.fromisoformat(expires), key)}
            for id_, expires in sorted(asked)
        ]
        return {**alert.data, "approvals": links}

    def _link(self, id_: str, expires: datetime, key: bytes) -> str:
        query = {"expires": expires.isoformat(), "signature": approvals.signature(id_, expires, key)}
        return f"{self.public_url.rstrip('/')}/api/approvals/{quote(id_, safe='')}?{urlencode(query)}"

    # --- for people ---

    async def linked(self, id_: str, expires: str, signature: str) -> Approval:
        """The request that a link points to. Raises BadLink and UnknownApproval."""
        try:
            until = datetime.fromisoformat(expires)
        except ValueError:
            until = None
        if until is None or until.tzinfo is None or not approvals.is_signed(id_, until, signature, await self.key()):
            raise BadLink("the link is not one that Homeostat made: take it from the alert as it is")
        if self.ambient.now() >= until:
            raise BadLink(f"the link has expired at {until.isoformat()}: a new alert tells the next one")
        return await self.get(id_)

    async def get(self, id_: str) -> Approval:
        """Raises UnknownApproval."""
        found = await self._find(id_)
        if found is None:
            raise _unknown(id_)
        return found

    async def open(self) -> tuple[Approval, ...]:
        """The requests that are pending, or approved and not used yet, in order of their expiry."""
        now = self.ambient.now()
        found = [approvals.from_json(row.body) async for row in self.documents.scan(_PARTITION)]
        lasting = [each for each in found if each.expires > now and each.state is not State.USED]
        return tuple(sorted(lasting, key=lambda each: (each.expires, each.id)))

    async def decide(self, id_: str, *, yes: bool, by: str, valid_for: timedelta) -> Approval:
        """Records a person's decision. Raises UnknownApproval, NotPending and StorageError."""
        for tries in range(_TRIES):
            found = await self.documents.read(_PARTITION, id_)
            if found is None:
                break
            known = approvals.from_json(found.body)
            after = approvals.decided(known, yes=yes, by=by, now=self.ambient.now(), valid_for=valid_for)
            try:
                await self.documents.apply(_PARTITION, [Replace(id_, approvals.to_json(after), found.version)])
            except Conflict:
                if tries == _TRIES - 1:
                    raise
            else:
                return after
        raise _unknown(id_)

    async def _find(self, id_: str) -> Approval | None:
        found = await self.documents.read(_PARTITION, id_)
        return approvals.from_json(found.body) if found else None

    async def key(self) -> bytes:
        """The key of this deployment's links."""
        return await deployment_key(self.documents, self.ambient, LINKS)


def _unknown(id_: str) -> UnknownApproval:
    return UnknownApproval(f"there is no request {id_}: the plan has changed, or it was never made")
