"""What the specs on the command line declare, and which of their targets are meant."""

import asyncio
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homeostat.ambient import Ambient, SystemAmbient
from homeostat.cli.output import progress, say
from homeostat.core.errors import HomeostatError
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.spec import Fleet, Specs
from homeostat.fleet.selections import NotResolved, Selections
from homeostat.fleet.specs import DesiredState, SpecFiles
from homeostat.memory import MemoryStorage
from remediators import REGISTRY

if TYPE_CHECKING:
    from homeostat.azure.arm import Arm

SHOWN_NAMES: Final = 20


class NothingDeclared(HomeostatError):
    """The specs hold no document."""


class NoSuchTarget(HomeostatError):
    """A --target that no spec declares."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared targets. selectors: their number; what they select is unknown without Azure."""

    fleet: Fleet
    selectors: int = 0


def declared_by(specs: Sequence[Path], subscription: str, own: OwnResources = NOTHING_OWN) -> Declared:
    """Without querying Azure. own: what Homeostat runs on, which no spec may declare.

    Raises SpecError with everything that is wrong, and NothingDeclared.
    """
    read = Specs(REGISTRY, own)
    read.update(asyncio.run(SpecFiles(tuple(specs)).texts()))
    fleet, selectors = read.fleet(subscription), len(read.wanted(subscription))
    if not fleet.targets and not selectors:
        where = ", ".join(map(str, specs))
        raise NothingDeclared(f"{where} declares no target. Write a document that begins with `target: NAME`.")
    return Declared(fleet, selectors)


def resolved(
    specs: Sequence[Path], subscription: str, environment: Mapping[str, str], own: OwnResources = NOTHING_OWN
) -> Fleet:
    """With the apps that selectors select, if there are selectors. Also raises NotResolved and ArmError."""
    declared = declared_by(specs, subscription, own)
    if not declared.selectors:
        return declared.fleet
    progress(f"asking Azure for what {declared.selectors} selectors select ...")
    return asyncio.run(_resolved(specs, subscription, environment, own))


def names_for_the_service(
    names: Sequence[str], specs: Sequence[Path], subscription: str, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """The targets that are meant. If there are selectors, the service has to judge the names."""
    declared = declared_by(specs, subscription)
    if declared.selectors and names:
        return tuple(dict.fromkeys(names))
    return chosen(names, resolved(specs, subscription, environment).targets)


def checked_name(name: str, specs: Sequence[Path], subscription: str) -> None:
    """Raises NoSuchTarget for a target that no spec declares; if there are selectors, the service has to judge."""
    declared = declared_by(specs, subscription)
    if not declared.selectors:
        chosen([name], declared.fleet.targets)


async def _resolved(
    specs: Sequence[Path], subscription: str, environment: Mapping[str, str], own: OwnResources
) -> Fleet:
    from homeostat.azure.arm import open_arm  # Azure's libraries are only imported where they are needed

    ambient = SystemAmbient()
    async with open_arm(environment, ambient) as arm:
        fleet = await selected(arm, specs, subscription, own, ambient)
    for problem in fleet.left_out:
        say(str(problem))
    if not fleet.targets:
        raise NothingDeclared("the selectors select no web app. Tag one, or see `select` in the specs.")
    return fleet


async def selected(arm: "Arm", specs: Sequence[Path], subscription: str, own: OwnResources, ambient: Ambient) -> Fleet:
    """What the specs declare, with the apps that their selectors select. Raises NotResolved and ArmError."""
    selections = Selections(arm.changes, arm.reader, MemoryStorage(ambient.now).blobs, ambient)
    desired = DesiredState(SpecFiles(tuple(specs)), REGISTRY, ambient, subscription, own, selections)
    fleet = await desired.fleet()
    if selections.problem:
        raise NotResolved(selections.problem)
    return fleet


def chosen(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The names, each once; all known ones if none is given. Raises NoSuchTarget, which suggests similar names."""
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
