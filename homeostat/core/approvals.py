"""Approvals: some repairs wait until a person has seen exactly what would be written, and approved it. Pure.

A request is for a root and the set of its edits that need approval. Its id is a keyed digest of both, values included:
a person approves what is then written, and nothing else. When the plan changes, so does the id, and the earlier
approval no longer counts.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import Field, TypeAdapter

from homeostat.core import json
from homeostat.core.arm_types import arm_type
from homeostat.core.durations import Duration
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject, Value
from homeostat.core.model import Edit, Section, Verdict

VALID_FOR = timedelta(hours=24)


class Containers(StrEnum):
    UNDECLARED = "undeclared"  # those whose spec does not say `recreate: true`
    ALWAYS = "always"


class Removals(StrEnum):
    REQUIRED = "required"
    NONE = "none"


class ApprovalRules(Section):
    """What waits for approval in the whole fleet, besides what targets and sections mark with `approval: required`."""

    containers: Containers = Field(
        default=Containers.UNDECLARED,
        description="Creation of groups, zones, endpoints and the like: of those without `recreate: true`, or always.",
    )
    removals: Removals = Field(
        default=Removals.REQUIRED, description="Removal of what is not declared, where a section says `remove`."
    )
    valid_for: Duration = Field(
        default=VALID_FOR, description="How long a request, and then its approval, is good.", examples=["24h"]
    )


class Reason(StrEnum):
    """Why an edit needs approval."""

    CONTAINER = "container"
    REMOVAL = "removal"
    MARKED = "marked"


def creates_container(edit: Edit) -> bool:
    """By the edit itself or by its type's row: a remediator that forgets to say so creates nothing without approval."""
    is_new = not edit.path and edit.drift.have is ABSENT and edit.value is not ABSENT
    return edit.recreate is not None or (is_new and arm_type(edit.resource).container)


def removes(edit: Edit) -> bool:
    """Whether a whole resource is removed, or something that nobody declares."""
    return edit.value is ABSENT and (not edit.path or edit.drift.verdict is Verdict.UNMANAGED)


def reason(edit: Edit, rules: ApprovalRules, marked: frozenset[str], *, create: bool) -> Reason | None:
    """marked: the kinds that an owner of the root marks. create: a person asked for containers to be created."""
    if edit.drift.kind in marked:
        return Reason.MARKED
    if creates_container(edit) and not create and (rules.containers is Containers.ALWAYS or not edit.recreate):
        return Reason.CONTAINER
    return Reason.REMOVAL if rules.removals is Removals.REQUIRED and removes(edit) else None


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    USED = "used"


class NotPending(HomeostatError):
    """The request was decided or used, or has expired: it can no longer be decided."""


@dataclass(frozen=True, slots=True)
class Change:
    """One edit in a form that may be shown: drifts never hold secret values."""

    does: str  # create, remove or change
    resource: str
    kind: str
    item: str
    path: str
    want: Any = None
    have: Any = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """A request and what became of it. by, at: of the decision."""

    id: str
    root: str
    targets: tuple[str, ...]
    changes: tuple[Change, ...]
    expires: datetime
    state: State = State.PENDING
    by: str = ""
    at: datetime | None = None

    def allows(self, now: datetime) -> bool:
        return self.state is State.APPROVED and now < self.expires

    def is_about(self, edits: Iterable[Edit]) -> bool:
        """Whether any of the edits belongs to the request."""
        about = {(change.kind, change.resource, change.path, change.item) for change in self.changes}
        return any(key in about for key in map(_key, edits))


def request(id_: str, root: ResourceId, targets: tuple[str, ...], edits: Sequence[Edit], expires: datetime) -> Approval:
    return Approval(id_, root.text, targets, tuple(map(_change, edits)), expires)


def decided(approval: Approval, *, yes: bool, by: str, now: datetime, valid_for: timedelta) -> Approval:
    """The request after a person's decision; repeating the decision changes nothing. Raises NotPending.

    An approval is valid from when it is given, since the write may have to wait for a window.
    """
    wanted = State.APPROVED if yes else State.REJECTED
    if now >= approval.expires:
        raise NotPending(f"request {approval.id} has expired: a new one is made while the repair still waits")
    if approval.state is wanted:
        return approval
    if approval.state is not State.PENDING and not (approval.state is State.APPROVED and not yes):
        raise NotPending(f"request {approval.id} is {approval.state} already")
    return replace(approval, state=wanted, by=by, at=now, expires=now + valid_for if yes else approval.expires)


def renewed(known: Approval | None, fresh: Approval, now: datetime) -> Approval:
    """The request that counts for the edits of `fresh`: the known one, or `fresh` if that was used or has expired."""
    if known is None or known.state is State.USED or now >= known.expires:
        return fresh
    return known


def prefix(root: ResourceId) -> str:
    """The beginning of the ids of all requests of a root."""
    return hashlib.sha256(root.key.encode()).hexdigest()[:10] + "-"


def identify(root: ResourceId, edits: Iterable[Edit], key: bytes) -> str:
    """The id of these edits of a root, in any order. Keyed, since values may be secret and ids are public."""
    lines = sorted(json.render(_identity(edit)) for edit in edits)
    text = "\n".join(("approval", root.key, *lines))
    return prefix(root) + hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:24]


def _identity(edit: Edit) -> JsonObject:
    shown: list[Json] = list(edit.path)
    removed = edit.value is ABSENT
    return {"resource": edit.resource.key, "path": shown, "removed": removed, "value": _shown(edit.value)}


def signature(id_: str, expires: datetime, key: bytes) -> str:
    """The signature of a link, so that nobody can forge one or prolong it."""
    text = f"approval-link\n{id_}\n{expires.isoformat()}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def is_signed(id_: str, expires: datetime, given: str, key: bytes) -> bool:
    """Compares in constant time, so that the time it takes reveals nothing about the right signature."""
    return hmac.compare_digest(signature(id_, expires, key).encode(), given.encode("utf-8", "replace"))


def _key(edit: Edit) -> tuple[str, str, str, str]:
    drift = edit.drift
    return drift.kind, drift.resource.text, "/".join(drift.path), drift.item


def _change(edit: Edit) -> Change:
    drift = edit.drift
    does = "remove" if removes(edit) else "create" if creates_container(edit) else "change"
    path = "/".join(drift.path)
    want, have = _shown(drift.want), _shown(drift.have)
    return Change(does, drift.resource.text, drift.kind, drift.item, path, want, have, drift.note)


def _shown(value: Value) -> Json:
    return None if value is ABSENT else value


@cache
def _adapter() -> TypeAdapter[Approval]:
    return TypeAdapter(Approval)


def to_json(approval: Approval) -> JsonObject:
    dumped: dict[str, Any] = _adapter().dump_python(approval, mode="json")
    return dumped


def from_json(body: JsonObject) -> Approval:
    """Raises ValueError (pydantic.ValidationError) for a document that is no approval."""
    return _adapter().validate_python(body)
