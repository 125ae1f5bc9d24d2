"""Plans and repairs by this process alone: the loop runs here, against ARM, and nothing is remembered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from homeostat.azure.credentials import CredentialsUnavailable
from homeostat.bootstrap import open_standalone
from homeostat.cli.output import progress
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.errors import HomeostatError
from homeostat.core.model import Fact, Mode, Read, Unreadable
from homeostat.core.outcome import Outcome, Status, Trigger
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.spec import Fleet, Root
from homeostat.engine import Engine
from homeostat.operations import runs
from homeostat.ports.azure import ArmReader
from homeostat.render.report import Report

COMMAND: Final = "command"
"""The run of one command, by which its writes are counted."""

type _Work = Callable[[Engine, Sequence[Root], Trigger], Awaitable[tuple[Outcome, ...]]]


class CannotReadAzure(HomeostatError):
    """Nothing could be read, for a reason that applies to all reads."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """cap: HOMEOSTAT_MODE. own: what Homeostat runs on, and never repairs. targets: the names of those that are meant.

    create: whether containers may be created.
    max_writes: how many writes it may make, in place of the policy's cap for a run.
    """

    environment: Mapping[str, str] = field(repr=False)
    cap: Mode
    fleet: Fleet
    targets: tuple[str, ...]
    own: OwnResources = NOTHING_OWN
    create: bool = False
    max_writes: int | None = None

    def plan(self) -> Report:
        """Reads, and writes nothing. Raises CannotReadAzure."""
        return self._report(runs.examine, done=False)

    def remediate(self) -> Report:
        """Raises CannotReadAzure."""
        return self._report(runs.reconcile, done=True)

    def _report(self, work: _Work, *, done: bool) -> Report:
        roots = runs.roots_of(self.fleet, self.targets)
        progress(f"{'repairing' if done else 'reading'} {len(roots)} roots of {len(self.targets)} targets ...")
        outcomes = asyncio.run(self._outcomes(work, roots))
        return Report.of([self.fleet.targets[name] for name in self.targets], outcomes, done=done)

    async def _outcomes(self, work: _Work, roots: Sequence[Root]) -> tuple[Outcome, ...]:
        # Whoever is asked has seen the plan, and without a service nobody else could be waited for.
        trigger = Trigger("command-line", create=self.create, consents=True, run=COMMAND, max_writes=self.max_writes)
        async with open_standalone(self.environment, self.cap, self.own) as engine:
            witness = _Witness(engine.reader)
            outcomes = await work(replace(engine, reader=witness), roots, trigger)
        if witness.refusal and all(outcome.status is Status.UNKNOWN for outcome in outcomes):
            raise CannotReadAzure(why_nothing_is_read(witness.refusal)) from witness.refusal
        return outcomes


@dataclass(slots=True)
class _Witness:
    """A reader that remembers why ARM as a whole could not be read: no connection, or no token."""

    reader: ArmReader
    refusal: ArmError | None = None

    async def read(self, read: Read) -> Fact:
        fact = await self.reader.read(read)
        if isinstance(fact, Unreadable) and concerns_all(fact.error):
            self.refusal = self.refusal or fact.error
        return fact


def concerns_all(error: ArmError) -> bool:
    return error.status == 0 or error.error_class is ErrorClass.UNAUTHENTICATED


def why_nothing_is_read(error: ArmError) -> str:
    if isinstance(error, CredentialsUnavailable):
        return error.message
    if error.status == 0:
        return (
            f"Azure Resource Manager does not answer: {error.message}. "
            "Check the network and its proxy; HOMEOSTAT_ARM_ENDPOINT and HOMEOSTAT_CLOUD say where it is"
        )
    return (
        f"Azure Resource Manager refuses the token, {error.code}: {error.message} "
        "Sign in again with `az login`, or mend the credential that AZURE_TOKEN_CREDENTIALS names"
    )
