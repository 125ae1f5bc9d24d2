"""What the specs on the command line declare, and the targets among them that are meant."""

import asyncio
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from homeostat.core.errors import HomeostatError
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.spec import Fleet, load
from homeostat.specs import SpecFiles
from remediators import REGISTRY

SHOWN_NAMES: Final = 20


class NothingDeclared(HomeostatError):
    """The specs hold no document."""


class NoSuchTarget(HomeostatError):
    """A --target that no spec declares."""


def fleet_of(specs: Sequence[Path], subscription: str, own: OwnResources = NOTHING_OWN) -> Fleet:
    """own: what Homeostat runs on, which no spec may declare.

    Raises SpecError with everything that is wrong, and NothingDeclared.
    """
    fleet = load(asyncio.run(SpecFiles(tuple(specs)).texts()), REGISTRY, subscription=subscription, own=own)
    if not fleet.targets:
        where = ", ".join(map(str, specs))
        raise NothingDeclared(f"{where} declares no target. Write a document that begins with `target: NAME`.")
    return fleet


def chosen(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The names, each once; all that are known when none is given. Raises NoSuchTarget with what is near them."""
    declared = sorted(known)
    unknown = sorted(set(names) - set(declared))
    if unknown:
        raise NoSuchTarget("\n".join(_refusal(name, declared) for name in unknown))
    return tuple(dict.fromkeys(names)) or tuple(declared)


def _refusal(name: str, declared: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, declared)
    if near:
        return f"there is no target {name!r}. Did you mean {' or '.join(near)}?"
    listed = ", ".join(declared[:SHOWN_NAMES]) + (", ..." if len(declared) > SHOWN_NAMES else "")
    return f"there is no target {name!r}. There are: {listed or 'none'}."
