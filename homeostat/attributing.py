"""Who caused what one reconcile found to differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homeostat.core.arm_errors import ArmError
from homeostat.core.attribution import Actor, ForeignWrite
from homeostat.core.causes import causes, completed
from homeostat.core.model import Drift
from homeostat.core.record import RootRecord
from homeostat.core.spec import Root
from homeostat.observing import Observer
from homeostat.ports.azure import ChangeHistory


@dataclass(slots=True)
class Attribution:
    """changes: from Azure's change history; None before it was queried, which happens once at most."""

    root: Root
    history: ChangeHistory
    observer: Observer
    changes: Sequence[ForeignWrite] | None = None

    def begin_look(self) -> None:
        """Forgets the answer for an earlier look's drifts, which may not explain those of this one."""
        self.changes = self.changes and ()

    async def query(self, drifts: Sequence[Drift], record: RootRecord) -> None:
        """Queries Azure for who changed the root, if there is new drift that nothing in its record explains.

        It may run beside reads that the repair needs anyway, so that the alerts that go with its intent name the actor.
        """
        found = causes(self.root, drifts, record)
        if found.open and found.since is not None and self.changes is None:
            self.changes = ()
            try:
                self.changes = await self.history.changes(self.root.id, found.since)
            except ArmError as error:  # only a name is missing because of it
                self.observer.note(error)

    async def causes(self, drifts: Sequence[Drift], record: RootRecord) -> Mapping[str, Actor]:
        """By kind, who or what caused the drifts, as far as the record and Azure's answer say."""
        await self.query(drifts, record)
        return completed(causes(self.root, drifts, record), drifts, record, self.changes or ())
