"""What `doctor` found, and how good it is: judgements of what Azure and the service answered. Pure.

Each finding is one line for an operator: what was looked at, whether it is well, and if not, what to do.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homeostat.core import json
from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.arm_time import GRAIN
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.leases import DEFAULT_TERMS
from homeostat.core.model import Facts, Gone, Read, Unreadable

ROLE_REMEDY: Final = "Assign the role of infra/role.json (docs/access.md), or leave out what needs it"
ERRORS_REMEDY: Final = "See docs/operations.md, Errors of Azure"


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, and somebody should look
    PROBLEM = "problem"  # something does not work until a person puts it right
    NOT_ASKED = "not asked"  # it could not be looked at, for the reason that `what` gives


class Check(StrEnum):
    """In the order in which they are made and told."""

    SETTINGS = "settings"
    TOKEN = "token"  # noqa: S105 - a word for people
    ARM = "resource manager"
    SPECS = "specs"
    READS = "reads"
    GRAPH = "resource graph"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Finding:
    """remedy: a command, or a page; empty where `what` says it already, or where there is nothing to do."""

    check: Check
    state: State
    what: str
    remedy: str = ""


def ok(check: Check, what: str) -> Finding:
    return Finding(check, State.OK, what)


def warning(check: Check, what: str, remedy: str = "") -> Finding:
    return Finding(check, State.WARNING, what, remedy)


def problem(check: Check, what: str, remedy: str = "") -> Finding:
    return Finding(check, State.PROBLEM, what, remedy)


def not_asked(check: Check, why: str) -> Finding:
    return Finding(check, State.NOT_ASKED, why)


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether nothing is a problem. What was not asked is none: the reason for it is told as one of its own."""
    return all(finding.state is not State.PROBLEM for finding in findings)


# --- Azure Resource Manager -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heard:
    """ARM said that it is `said` between `asked` and `answered`, both by this machine's clock."""

    said: datetime
    asked: datetime
    answered: datetime

    @property
    def ahead(self) -> timedelta:
        """By how much at least this machine's clock is ahead of ARM's; negative where it is behind."""
        return max(self.asked - self.said - GRAIN, timedelta()) or min(self.answered - self.said, timedelta())


def of_clock(heard: Heard | None) -> Finding:
    """Instances must agree on the time to within what a lease allows for (docs/adr/0019)."""
    if heard is None:
        return warning(Check.ARM, "its answer has no time, so this machine's clock is not compared", ERRORS_REMEDY)
    limit, off = DEFAULT_TERMS.skew, heard.ahead
    if abs(off) <= limit:
        return ok(Check.ARM, f"this machine's clock is within {limit.seconds} s of Azure's")
    told = f"this machine's clock is {'ahead of' if off > timedelta() else 'behind'} Azure's by {_seconds(abs(off))}"
    why = f"more than the {limit.seconds} s that a lease allows for"
    return problem(Check.ARM, f"{told}, {why}", "Set it, and keep it with NTP")


def of_subscriptions(shown: Sequence[JsonObject], wanted: Collection[str], cloud: str) -> Iterator[Finding]:
    """shown: those that ARM shows to the credential. wanted: the ids, in lower case, of those that are declared."""
    by_id = {json.text_at(each, "subscriptionId").lower(): each for each in shown}
    if not wanted:
        told = f"{cloud} answers; subscriptions that it shows to this identity: {len(by_id)}"
        yield ok(Check.ARM, told) if by_id else warning(Check.ARM, told, "Give the identity a role in one")
    for id_ in sorted(wanted):
        found = by_id.get(id_)
        if found is None:
            yield problem(
                Check.ARM,
                f"subscription {id_} is not among the {len(by_id)} that {cloud} shows to this identity",
                "Correct the id, sign in to its tenant, or give the identity a role there (docs/access.md)",
            )
            continue
        told = f"subscription {id_} ({json.text_at(found, 'displayName')}) is {json.text_at(found, 'state').lower()}"
        if json.text_at(found, "state") == "Enabled":
            yield ok(Check.ARM, f"{told} in {cloud}")
        else:
            yield problem(Check.ARM, f"{told}, so nothing can be written there", "Have it enabled again")


# --- what the specs declare -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """A look at one root. refused: the actions that the role lacked. errors: why else something could not be read."""

    root: ResourceId
    is_there: bool
    refused: frozenset[str]
    errors: tuple[ArmError, ...]


def look_of(root: ResourceId, facts: Facts, refused: Collection[str]) -> Look:
    errors = (fact.error for fact in facts.values() if isinstance(fact, Unreadable))
    return Look(
        root,
        is_there=not any(
            isinstance(query, Read) and query.id == root and isinstance(facts[query], Gone) for query in facts
        ),
        refused=frozenset(refused),
        errors=tuple(error for error in errors if error.error_class is not ErrorClass.DENIED),
    )


def of_reads(looks: Sequence[Look]) -> Iterator[Finding]:
    """Each lacking permission and each kind of error once, with how many roots it concerns."""
    total = len(looks)
    if not any(look.refused or look.errors for look in looks):
        yield ok(Check.READS, f"readable: all {total} roots that the specs declare")
    lacking = defaultdict[str, list[ResourceId]](list)
    failing = defaultdict[tuple[str, str], list[ResourceId]](list)
    for look in looks:
        for action in look.refused:
            lacking[action].append(look.root)
        for kind in dict.fromkeys((error.error_class.value, error.code) for error in look.errors):
            failing[kind].append(look.root)
    for action, roots in sorted(lacking.items()):
        yield problem(Check.READS, f"the role lacks {action}, needed for {_of(roots, total)}", ROLE_REMEDY)
    for (class_, code), roots in sorted(failing.items()):
        yield problem(Check.READS, f"not readable, {class_}, {code}: {_of(roots, total)}", ERRORS_REMEDY)
    if gone := [look.root for look in looks if not look.is_there]:
        yield warning(
            Check.READS,
            f"not there: {_of(gone, total)}",
            "Correct the name in the spec; `plan` shows what could be created",
        )


def _of(roots: Sequence[ResourceId], total: int) -> str:
    return f"{len(roots)} of {total} roots, such as {roots[0].short} in {roots[0].resource_group}"


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"


# --- the service ----------------------------------------------------------------------------------------------------

SWEEP_AGE: Final = timedelta(days=2)
"""Two nights: one may be missed where the function app was being deployed."""


def of_health(health: JsonObject, fleet: JsonObject) -> Iterator[Finding]:
    """From GET /api/health and /api/fleet."""
    status = json.text_at(health, "status")
    if status == "ok":
        yield ok(Check.SERVICE, f"it is ok, in mode {json.text_at(health, 'mode')}")
        return
    whys = json.texts_at(fleet, "health", "why") or ("it does not say why",)
    for why in whys:
        yield problem(Check.SERVICE, f"it is {status}: {why}", "See docs/operations.md, When nothing moves")


def of_hour(fleet: JsonObject) -> Iterator[Finding]:
    """Whether the caps of an hour hold the fleet back."""
    for name, what in (("writes", "writes"), ("roots", "roots to write to")):
        used, allowed = json.at(fleet, ("hour", name)), json.at(fleet, ("hour", f"{name}Allowed"))
        if isinstance(used, int) and isinstance(allowed, int) and used >= allowed:
            told = f"the {allowed} {what} of this hour are used up, and further repairs are held"
            yield warning(Check.SERVICE, told, "Wait, or see docs/policy.md, Caps")


def of_targets(targets: Sequence[JsonObject]) -> Iterator[Finding]:
    """From GET /api/targets: how many there are, which fail, and what is paused."""
    failing = [json.text_at(target, "name") for target in targets if json.objects_at(target, "failing")]
    told = f"targets: {len(targets)}"
    if failing:
        what = f"{told}, and failing: {len(failing)}, such as {failing[0]}"
        yield warning(Check.SERVICE, what, f"`explain {failing[0]}` says why")
    else:
        yield ok(Check.SERVICE, told)
    pauses = {json.render(pause): pause for target in targets for pause in json.objects_at(target, "pauses")}
    yield from _of_pauses(tuple(pauses.values()))


def _of_pauses(pauses: Sequence[JsonObject]) -> Iterator[Finding]:
    for pause in pauses:
        if pause.get("target") is None:
            until, by, reason = (json.text_at(pause, name) for name in ("until", "by", "reason"))
            what = f"the whole fleet is paused until {until} by {by}: {reason or 'no reason given'}"
            yield warning(Check.SERVICE, what, "`resume --all` ends it")
    if single := sorted({str(name) for pause in pauses if (name := pause.get("target")) is not None}):
        yield ok(Check.SERVICE, f"paused targets: {len(single)}, such as {single[0]}")


def of_sweeps(sweeps: Sequence[JsonObject], now: datetime) -> Finding:
    """From GET /api/sweeps, newest first. One that is under way has no `ended`."""
    ended = next((at for sweep in sweeps if (at := _time_of(json.text_at(sweep, "ended")))), None)
    if ended is None:
        return warning(Check.SERVICE, "no sweep has ended yet", "Wait for the night, or ask for one: `sweep`")
    age, told = now - ended, f"the last sweep ended at {ended.isoformat(timespec='seconds')}"
    if age <= SWEEP_AGE:
        return ok(Check.SERVICE, told)
    return warning(Check.SERVICE, f"{told}, {age.days} days ago", "Is the timer on? `sweep` asks for one now")


def of_poison(told: JsonObject) -> Finding:
    """From GET /api/poison."""
    count = told.get("count")
    if isinstance(count, int) and not count:
        return ok(Check.SERVICE, "no message is in a poison queue")
    return warning(Check.SERVICE, f"messages in the poison queues: {count}", "`poison` shows them")


def _time_of(text: str) -> datetime | None:
    """None for what is no time, or has no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
