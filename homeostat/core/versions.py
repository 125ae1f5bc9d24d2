"""Which version of the spec a root was last seen to agree with, and whether the spec has changed since. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from homeostat.core import json
from homeostat.core.attribution import Actor, ActorKind, Source
from homeostat.core.digests import canonical
from homeostat.core.json import Json
from homeostat.core.record import Accepted, RootRecord
from homeostat.core.spec import Root


def wants_digest(root: Root, kind: str) -> str:
    """The digest of all that is declared of the kind on the root, in whichever file and by whichever owner."""
    want = root.wants[kind]
    items: dict[str, Json] = {
        name: {"value": canonical(declared.value), "mode": declared.mode.value} for name, declared in want.items.items()
    }
    whole = {"items": items, "unmanaged": want.unmanaged.value, "mode": want.mode.value}
    return hashlib.sha256(json.render(whole).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_new(root: Root, kind: str, record: RootRecord) -> bool:
    """Whether the kind's declaration changed since the root was last seen to agree; False if it never was."""
    accepted = record.accepted.get(kind)
    return accepted is not None and accepted.digest != wants_digest(root, kind)


def accepted(root: Root, kinds: Iterable[str], record: RootRecord, now: datetime) -> Mapping[str, Accepted]:
    """What was accepted, once these kinds were seen as declared. What is no longer declared is forgotten."""
    seen = {kind: Accepted(wants_digest(root, kind), root.spec_version, now) for kind in kinds}
    return {kind: it for kind, it in {**record.accepted, **seen}.items() if kind in root.wants}


def cause_in_spec(root: Root, kind: str, record: RootRecord) -> Actor | None:
    """The spec's version as the cause of a drift, if its declaration of the kind differs from the one before."""
    if not is_new(root, kind, record):
        return None
    name, was = f"spec version {root.spec_version}", f"spec version {record.accepted[kind].version}"
    return Actor(name=name, kind=ActorKind.SPEC, source=Source.SPEC, was=was)
