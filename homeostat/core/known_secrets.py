"""Secrets without a declared value: a change is noticed by a keyed digest of the value as last accepted. Pure.

The first value that is seen is accepted, since there is nothing to compare it with. A changed value cannot be repaired,
since nobody has the former one: it is drift, and held until the former value is back, or until a new `rotated` in the
spec says that the value was meant to change.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from homeostat.core.decision import Judged
from homeostat.core.ids import ResourceId
from homeostat.core.model import Drift, Facts, GuardedSecret, KeepsSecrets, Mode, Obstacle, Registry
from homeostat.core.record import KnownSecret
from homeostat.core.secret_value import MASK
from homeostat.core.spec import Root

NO_VALUE: Final = "no-secret-value"
"""The hold of what only somebody who knows the secret can repair."""

CHANGED: Final = "changed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """known: what is to be remembered. anew: the secrets whose value is accepted now. changed: those whose is not."""

    known: Mapping[str, KnownSecret] = field(default_factory=dict)
    anew: tuple[str, ...] = ()
    changed: tuple[tuple[str, GuardedSecret], ...] = ()  # with their kinds


def guarded_in(root: Root, facts: Facts, registry: Registry) -> tuple[tuple[str, GuardedSecret], ...]:
    """The secrets of a root that are declared without a value, each with its kind."""
    found: list[tuple[str, GuardedSecret]] = []
    for kind, want in root.wants.items():
        if kind in registry and isinstance(remediator := registry[kind], KeepsSecrets):
            secrets = remediator.secrets(want, facts)
            found.extend((kind, each) for each in secrets if want.mode_of(each.item) is not Mode.IGNORE)
    return tuple(found)


def compare(
    root: ResourceId, guarded: Sequence[tuple[str, GuardedSecret]], remembered: Mapping[str, KnownSecret], key: bytes
) -> Comparison:
    """Compares the secrets with what was accepted.

    A secret that cannot be seen now stays remembered; one that is no longer declared is forgotten. A digest under
    another key cannot be compared: the value is accepted, as at first sight.
    """
    known: dict[str, KnownSecret] = {}
    anew: list[str] = []
    changed: list[tuple[str, GuardedSecret]] = []
    for kind, secret in guarded:
        name = f"{kind}/{secret.item}"
        before = remembered.get(name)
        if secret.value is None:
            known.update({name: before} if before else {})
            continue
        now = KnownSecret(secret.value.digest(key, f"{root.key} {name}"), secret.rotated, _name_of(key))
        if before is None or (before.rotated, before.key) != (now.rotated, now.key):
            known[name] = now
            anew.append(name)
        else:
            known[name] = before
            if not hmac.compare_digest(before.digest, now.digest):
                changed.append((kind, secret))
    return Comparison(known, tuple(anew), tuple(changed))


def with_changes(judged: Judged, changed: Sequence[tuple[str, GuardedSecret]]) -> Judged:
    """What differs on the root, with the changed secrets, none of which is repaired."""
    drifts = tuple(
        Drift(kind, secret.resource, secret.path, secret.item, MASK, CHANGED, note="its value is not the accepted one")
        for kind, secret in changed
    )
    obstacles = tuple(
        Obstacle(
            drift,
            NO_VALUE,
            f"the value of {drift.item} has changed: set it back, or say with `rotated` that it was meant to change",
        )
        for drift in drifts
    )
    every = sorted((*judged.drifts, *drifts), key=lambda drift: drift.key) if drifts else judged.drifts
    return replace(judged, drifts=tuple(every), obstacles=(*judged.obstacles, *obstacles))


def _name_of(key: bytes) -> str:
    """Tells keys apart without revealing anything about them."""
    return hmac.new(key, b"the name of this key", hashlib.sha256).hexdigest()[:8]
