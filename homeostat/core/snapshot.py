"""The state before a write, so that it can be read and restored later. Pure.

A snapshot is taken before each write: of the resource's body, and of the former value of each edit. No secret gets in.
What is or may be secret is replaced by a keyed digest, which tells whether two values are the same and nothing else; it
cannot be restored.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from homeostat.core import json
from homeostat.core.arm_types import arm_type
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject, Path, Value
from homeostat.core.model import Disruption, Edit
from homeostat.core.outcome import Trigger
from homeostat.core.plan import Action, Verb, writable
from homeostat.core.record import Intent
from homeostat.core.secrets import is_key_vault_reference, is_secret_name, looks_like_secret
from homeostat.core.spec import Root

DIGEST: Final = "homeostatDigest"
"""The only member of the object that replaces a secret."""

_FOLDER: Final = "/snapshots/"
_NAME: Final = re.compile(r"(?P<root>.+)/snapshots/(?P<at>\d{8}T\d{6}\.\d{6})Z-[0-9a-f]+-\d+\.json")
_TIME: Final = "%Y%m%dT%H%M%S.%f"

type Digest = Callable[[str], str]
"""A keyed digest of a secret: equal values have equal digests, which say nothing without the key."""


@dataclass(frozen=True, slots=True)
class Inverse:
    """What one edit changed, `before` and `after`, at `path` of the resource; neither holds a secret's value."""

    kind: str
    item: str
    resource: ResourceId
    path: Path
    before: Value
    after: Value
    disruption: Disruption = Disruption.NONE

    @property
    def is_secret(self) -> bool:
        """Whether the former value is not kept, so that it cannot be restored."""
        return hides(self.before)

    @property
    def place(self) -> str:
        return f"{'/'.join(self.path)} of {self.resource.short}" if self.path else self.resource.short


@dataclass(frozen=True, slots=True)
class Snapshot:
    """id: its blob's name. body: the resource's as it was; ABSENT if the resource was not there.

    spec_version: of the spec that the write carried out.
    """

    id: str
    root: ResourceId
    resource: ResourceId
    verb: Verb
    at: datetime
    intent: str
    cause: str
    caller: str
    reason: str
    spec_version: str
    body: Value
    inverses: tuple[Inverse, ...]


class Unseen(HomeostatError):
    """A write would replace something that was never read: a mistake of its remediator; it is not carried out."""


def as_seen(action: Action) -> Action:
    """The action with the body that it replaces: from its drifts, if its resource was only seen through another one.

    Raises Unseen if they do not tell.
    """
    if action.before is not ABSENT or action.creates:
        return action
    told = [edit.drift for edit in action.edits if edit.drift.path and edit.drift.have is not ABSENT]
    if not told:
        raise Unseen(f"{action.resource.short}: what a write of it replaces was not read")
    before: Json = {}
    for drift in told:
        before = json.with_value(before, drift.path, drift.have)
    return replace(action, before=before)


def taken(root: Root, action: Action, intent: Intent, number: int, trigger: Trigger, digest: Digest) -> Snapshot:
    """The snapshot before one of an intent's writes. number: which of them, from 1."""
    action = replace(action, before=_clear(action.before))
    open_names = _open_names(root) | _told_in_clear(action)

    def hidden(resource: ResourceId, path: Path, value: Value) -> Value:
        return masked(resource, path, _clear(value), open_names, digest)

    return Snapshot(
        id=name(root.id, intent, number),
        root=root.id,
        resource=action.resource,
        verb=action.verb,
        at=intent.at,
        intent=intent.id,
        cause=trigger.cause,
        caller=trigger.caller,
        reason=trigger.reason,
        spec_version=root.spec_version,
        body=hidden(action.resource, (), action.before),
        inverses=tuple(
            replace(each, before=hidden(each.resource, each.path, each.before), after=hidden(*_after(each)))
            for each in inverses(action)
        ),
    )


def _clear(value: Value) -> Value:
    """The value with the text of every Secret: what is hidden is decided here, by name."""
    return ABSENT if value is ABSENT else json.revealed(value)


def _after(inverse: Inverse) -> tuple[ResourceId, Path, Value]:
    return inverse.resource, inverse.path, inverse.after


def inverses(action: Action) -> tuple[Inverse, ...]:
    """What each edit of a write changes, with the values themselves, one for each place."""
    by_place = {(edit.resource.key, edit.path): edit for edit in action.edits}
    return tuple(_inverse(action, edit) for edit in by_place.values())


def _inverse(action: Action, edit: Edit) -> Inverse:
    base, row = _before(action, edit.resource), arm_type(edit.resource)
    if base is not ABSENT and not edit.path:
        base = writable(base, row)
    before = ABSENT if base is ABSENT else json.at(base, edit.path)
    drift = edit.drift
    return Inverse(drift.kind, drift.item, edit.resource, edit.path, before, edit.value, edit.disruption)


def _before(action: Action, resource: ResourceId) -> Value:
    """The resource as it was: the action's own, or a child inside its body."""
    return _inside(action.resource, action.before, resource)


def _inside(holder: ResourceId, body: Value, resource: ResourceId) -> Value:
    if resource == holder or body is ABSENT:
        return body
    children = json.objects_at(body, *arm_type(resource).embedded)
    named = (child for child in children if json.text_at(child, "name").lower() == resource.name.lower())
    return next(named, ABSENT)


def in_effect(snapshots: Sequence[Snapshot]) -> Iterator[Inverse]:
    """What the writes changed, oldest first, without what the next intent's snapshot shows to have been otherwise.

    Such a write was refused, as somebody else was quicker, or was undone before the next one.
    """
    for number, found in enumerate(snapshots):
        later = [each for each in snapshots[number + 1 :] if each.intent != found.intent]
        for inverse in found.inverses:
            telling = next((each for each in later if _tells_of(each, inverse.resource)), None)
            if telling is None or _shows(telling, inverse):
                yield inverse


def _tells_of(snapshot: Snapshot, resource: ResourceId) -> bool:
    return resource == snapshot.resource or (resource.parent == snapshot.resource and bool(arm_type(resource).embedded))


def _shows(later: Snapshot, inverse: Inverse) -> bool:
    """Whether the field was as the earlier write had left it when the later snapshot was taken."""
    body = _inside(later.resource, later.body, inverse.resource)
    return holds(ABSENT if body is ABSENT else json.at(body, inverse.path), inverse.after)


# --- secrets ---------------------------------------------------------------------------------------------------------


def _open_names(root: Root) -> frozenset[str]:
    """The names, lower case, of what the spec itself has in clear: neither secrets nor references to any.

    What replaces a Key Vault reference is taken for the secret itself.
    """
    return frozenset(
        name.lower()
        for want in root.wants.values()
        for name, item in want.items.items()
        if isinstance(value := getattr(item.value, "value", None), str) and not is_key_vault_reference(value)
    )


def _told_in_clear(action: Action) -> frozenset[str]:
    """The names of values that drifts show: their remediator knows that they may be shown."""
    before = {(each.resource.key, each.path): each.before for each in inverses(action) if each.path}
    return frozenset(
        edit.path[-1].lower()
        for edit in action.edits
        if edit.path and edit.drift.have == before[edit.resource.key, edit.path]
    )


def masked(resource: ResourceId, path: Path, value: Value, open_names: frozenset[str], digest: Digest) -> Value:
    """The value at a path of the resource, with a digest in place of everything that is or may be a secret.

    In a body that ARM only shows to a POST (app settings), everything counts as secret that the spec does not have in
    clear; elsewhere, what has a secret's name or looks like one.
    """
    if value is ABSENT:
        return ABSENT
    sealed = resource.name.lower() in arm_type(resource).listed
    if sealed and not path and isinstance(value, Mapping):
        properties = {"properties": _masked(value.get("properties"), "", open_names, digest)}
        return {**{key: _masked(other, key, None, digest) for key, other in value.items()}, **properties}
    return _masked(value, path[-1] if path else "", open_names if sealed else None, digest)


def _masked(value: Json, name: str, open_names: frozenset[str] | None, digest: Digest) -> Json:
    """open_names: the only names whose values may be shown; if None, all but those of secrets may."""
    match value:
        case str():
            closed = open_names is not None and name.lower() not in open_names
            return {DIGEST: digest(value)} if _may_be_secret(name, value, closed=closed) else value
        case Mapping():
            return {key: _masked(member, key, open_names, digest) for key, member in value.items()}
        case Sequence():
            return [_masked(member, name, open_names, digest) for member in value]
        case _:
            return value


def _may_be_secret(name: str, value: str, *, closed: bool) -> bool:
    """A Key Vault reference is no secret: it only names one."""
    if is_key_vault_reference(value):
        return False
    return closed or is_secret_name(name) or looks_like_secret(name, value)


def hides(value: Value) -> bool:
    """Whether a digest is in it."""
    match value:
        case Mapping():
            return DIGEST in value or any(map(hides, value.values()))
        case Sequence() if not isinstance(value, str):
            return any(map(hides, value))
        case _:
            return False


# --- what is there now -----------------------------------------------------------------------------------------------


def holds(current: Value, written: Value) -> bool:
    """Whether `current`, as ARM reports it, is what was written: ARM adds members, and changes the case of names."""
    match written, current:
        case None, None | json.ABSENT:
            return True
        case Mapping(), Mapping():
            return all(holds(current.get(key, None), member) for key, member in written.items())
        case (str(), _) | (_, str()):
            return current is not ABSENT and str(current).lower() == str(written).lower()
        case Sequence(), Sequence():
            return len(current) == len(written) and all(map(holds, current, written))
        case _:
            return current == written


# --- names and JSON --------------------------------------------------------------------------------------------------


def folder(root: ResourceId) -> str:
    """The folder of a root's snapshots, which are in order of time."""
    return f"{root.key.strip('/')}{_FOLDER}"


def name(root: ResourceId, intent: Intent, number: int) -> str:
    return f"{folder(root)}{intent.at.astimezone(UTC):{_TIME}}Z-{intent.id.replace('-', '')[-12:]}-{number}.json"


def names(root: ResourceId, intent: Intent) -> tuple[str, ...]:
    """The names for all writes of an intent, whether or not it came to them."""
    return tuple(name(root, intent, number) for number in range(1, len(intent.actions) + 1))


def parsed(id_: str) -> tuple[str, datetime] | None:
    """The key of a snapshot's root and its time; None if the blob is no snapshot."""
    found = _NAME.fullmatch(id_)
    if found is None:
        return None
    try:
        return f"/{found['root']}", datetime.strptime(f"{found['at']}+0000", f"{_TIME}%z")
    except ValueError:  # such as a month 13, which a person may have typed
        return None


def to_json(snapshot: Snapshot) -> JsonObject:
    return {
        "id": snapshot.id,
        "root": snapshot.root.text,
        "resource": snapshot.resource.text,
        "verb": snapshot.verb.value,
        "at": snapshot.at.isoformat(),
        "intent": snapshot.intent,
        "cause": snapshot.cause,
        "caller": snapshot.caller,
        "reason": snapshot.reason,
        "specVersion": snapshot.spec_version,
        "inverses": [_inverse_json(each) for each in snapshot.inverses],
        **_present("body", snapshot.body),
    }


def _inverse_json(inverse: Inverse) -> JsonObject:
    """`before` and `after` are left out if the field is absent."""
    return {
        "kind": inverse.kind,
        "item": inverse.item,
        "resource": inverse.resource.text,
        "path": list(inverse.path),
        "disruption": inverse.disruption.value,
        "restorable": not inverse.is_secret,
        **_present("before", inverse.before),
        **_present("after", inverse.after),
    }


def _present(member: str, value: Value) -> JsonObject:
    return {} if value is ABSENT else {member: value}


def from_json(body: Json) -> Snapshot:
    """Raises ValueError (InvalidResourceId among them) for what `to_json` did not write."""
    return Snapshot(
        id=json.text_at(body, "id"),
        root=ResourceId.parse(json.text_at(body, "root")),
        resource=ResourceId.parse(json.text_at(body, "resource")),
        verb=Verb(json.text_at(body, "verb")),
        at=datetime.fromisoformat(json.text_at(body, "at")),
        intent=json.text_at(body, "intent"),
        cause=json.text_at(body, "cause"),
        caller=json.text_at(body, "caller"),
        reason=json.text_at(body, "reason"),
        spec_version=json.text_at(body, "specVersion"),
        body=json.at(body, ("body",)),
        inverses=tuple(_inverses_of(body)),
    )


def _inverses_of(body: Json) -> Iterator[Inverse]:
    for each in json.objects_at(body, "inverses"):
        path = each.get("path")
        yield Inverse(
            kind=json.text_at(each, "kind"),
            item=json.text_at(each, "item"),
            resource=ResourceId.parse(json.text_at(each, "resource")),
            path=tuple(str(key) for key in path) if isinstance(path, Sequence) else (),
            before=json.at(each, ("before",)),
            after=json.at(each, ("after",)),
            disruption=Disruption(json.text_at(each, "disruption")),
        )
