"""The events of one night as data, so that a night can be drawn from a seed, repeated, shrunk and printed.

Times are seconds since dusk. An entry that is about a call, message or event takes the next one after `at` that fits.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, Self

type Who = Literal["anna", "terraform"]
type Where = Literal[
    "",
    "appsettings",
    "networksecuritygroups",
    "privatednszones",
    "routetables",
    "/subnets/",
    "/sites/",
    "/sites/app-flask",
]
type Verb = Literal["read", "write", "poll"]
type Fate = Literal["lost", "twice", "late"]
type Port = Literal["read", "apply", "scan", "send", "publish"]
type StoreKind = Literal["unavailable", "answer lost"]


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody does to the world. `people` defines the values of `what`, and their use of the other fields."""

    what: str
    where: str = ""  # a root, by the name that `place` gives it
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody reads, thinks and writes. `honest`: with the ETag that was read, if there is one."""

    at: float
    who: Who
    change: Change
    think: float = 0.0
    honest: bool = True


@dataclass(frozen=True, slots=True)
class Race:
    """Somebody's write reaches ARM just before Homeostat's next one, or (`after`) between that and its answer."""

    at: float
    on: Where
    who: Who
    change: Change
    after: bool = False


@dataclass(frozen=True, slots=True)
class Fight:
    """For so many seconds another writer undoes each write of Homeostat's, `delay` seconds later."""

    at: float
    seconds: float
    who: Who
    change: Change
    delay: float


@dataclass(frozen=True, slots=True)
class Fault:
    """The next call of an instance that fits fails. `amount`: seconds, if the kind has any."""

    at: float
    on: Where
    verb: Verb
    kind: str
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreFault:
    """The next call of an instance to its durable state fails, or only its answer is lost."""

    at: float
    port: Port
    kind: StoreKind


@dataclass(frozen=True, slots=True)
class Crash:
    """An instance dies at its n-th call of a port from then on: before it is made, or while it is on its way."""

    at: float
    instance: int
    calls: int
    after: bool = False


@dataclass(frozen=True, slots=True)
class Jump:
    """An instance's clock jumps by so many seconds."""

    at: float
    instance: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Mail:
    """What happens to the n-th event of the night."""

    number: int
    fate: Fate
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Pausing:
    """A person pauses a target, or all ("*"), for so many seconds; 0 ends the pause."""

    at: float
    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Respec:
    """Another spec is in force from then on. `declared` defines its content."""

    at: float
    what: str
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Govern:
    """The fleet's policy in this night, from its beginning. A deny window is given in minutes of the hour of dusk.

    times, backoff (in minutes) and stop_after: of the flap breaker, which counts repairs within an hour.
    """

    at: float = 0.0
    writes_per_resource: int = 10
    writes_per_hour: int = 500
    times: int = 3
    backoff: int = 15
    stop_after: int = 5
    shut: tuple[int, int] | None = None  # from the first of these minutes until the last, exclusive


@dataclass(frozen=True, slots=True)
class Contain:
    """The spec of this night declares the containers too. Those that are named are recreated unattended.

    From dusk on the group and the table are not associated with anything, so that Azure lets people delete them.
    """

    recreated: tuple[str, ...]
    declared: bool = True  # or else nobody says how they are made
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Slots:
    """The spec of this night declares the first app's slot, too."""

    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Routing:
    """The spec of this night declares the routing of the apps' traffic, too: the flag, and the setting of old."""

    by_setting: bool
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Quotas:
    """From dusk on ARM refuses what is beyond its quotas. So large a part of each is left to other tools."""

    share_left: float
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Spend:
    """Another tool with Homeostat's identity draws so large a part of a quota at once."""

    at: float
    quota: str
    part: float


@dataclass(frozen=True, slots=True)
class Deploy:
    """Somebody's template deployment in the resource group runs for so many seconds."""

    at: float
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Cap:
    """HOMEOSTAT_MODE has another value for work that begins from then on."""

    at: float
    mode: Literal["enforce", "alert", "ignore"]


@dataclass(frozen=True, slots=True)
class Run:
    """A person asks for a reconcile of a target, perhaps with permission to recreate what is gone."""

    at: float
    target: str
    dry: bool = False
    create: bool = False


@dataclass(frozen=True, slots=True)
class Approve:
    """A person approves everything that waits for approval."""

    at: float


@dataclass(frozen=True, slots=True)
class Rollback:
    """A person has the last write to a target undone, and the target left alone for so many seconds."""

    at: float
    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Retest:
    """A person has the routing of a target switched off for so many seconds, to see whether a fault is in it."""

    at: float
    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EndRetest:
    """A person ends the re-test of a target early."""

    at: float
    target: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """The timer fires."""

    at: float


@dataclass(frozen=True, slots=True)
class OldRows:
    """From dusk on the rows of Resource Graph may be so many seconds old."""

    seconds: float
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Deaf:
    """The alert channel takes nothing for so many seconds."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Again:
    """The queue hands out the next message twice, since its first delivery could not be acknowledged."""

    at: float


type Entry = (
    Edit
    | Race
    | Fight
    | Fault
    | StoreFault
    | Crash
    | Jump
    | Mail
    | Pausing
    | Respec
    | Govern
    | Contain
    | Slots
    | Routing
    | Quotas
    | Spend
    | Deploy
    | Cap
    | Run
    | Approve
    | Rollback
    | Retest
    | EndRetest
    | Sweep
    | OldRows
    | Deaf
    | Again
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A night: how many instances there are, how long operations take in ARM, and what happens.

    kept: the numbers of the drawn entries that happen; None for all of them.
    """

    seed: int
    instances: int
    operation_seconds: float
    entries: tuple[Entry, ...]
    kept: tuple[int, ...] | None = None

    def only(self, numbers: Collection[int]) -> Self:
        """The same night with some of its entries, by their numbers in the night as it was drawn."""
        mine = range(len(self.entries)) if self.kept is None else self.kept
        pairs = [(number, entry) for number, entry in zip(mine, self.entries, strict=True) if number in numbers]
        return replace(self, entries=tuple(entry for _, entry in pairs), kept=tuple(number for number, _ in pairs))

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(range(len(self.entries))) if self.kept is None else self.kept

    @property
    def command(self) -> str:
        """The command that reproduces it."""
        part = "" if self.kept is None else f" KEEP={','.join(map(str, self.kept)) or 'none'}"
        return f"make sim SEED={self.seed} RUNS=1{part}"

    def __str__(self) -> str:
        head = f"night {self.seed}: {self.instances} instances, operations take {self.operation_seconds} s"
        return "\n".join(
            [head, *(f"  {number:3} {entry}" for number, entry in zip(self.numbers, self.entries, strict=True))]
        )
