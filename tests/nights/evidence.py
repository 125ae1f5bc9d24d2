"""What a trace shows, looked up once for all promises: who knew what, the states of the world, what was stored."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from tests.nights import schedule
from tests.nights.clock import DUSK
from tests.nights.declared import Declared, Item, items, owned
from tests.nights.night import Dawn
from tests.nights.place import CONTAINERS, ROOTS, ZONES, Path, State, root_at
from tests.nights.trace import Acted, Began, Call, Changed, Ended, Happened, Looked, Read, Seen, Stored, Trace

OUTBOX: Final = "outbox:"
PARTITIONS: Final[Mapping[str, str]] = {id_.lower(): name for name, id_ in ROOTS.items()}
"""The root of each partition of the durable state."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it was stored, at `place` by `work`."""

    place: int
    work: str
    root: str
    id: str
    type: str
    data: Mapping[str, Any]
    text: str

    @property
    def episode(self) -> str:
        return str(self.data.get("episode", ""))


class Evidence:
    def __init__(self, dawn: Dawn) -> None:
        self.dawn = dawn
        self.trace: Trace = dawn.trace
        self._by_type: dict[type[Any], list[tuple[int, Any]]] = defaultdict(list)
        for place, each in enumerate(dawn.trace.seen):
            self._by_type[type(each)].append((place, each))

    def of[T: Seen](self, type_: type[T]) -> Sequence[tuple[int, T]]:
        return self._by_type[type_]

    # --- the world ---

    @cached_property
    def _states(self) -> tuple[list[int], list[State]]:
        pairs = list(self.trace.states())
        return [place for place, _ in pairs], [state for _, state in pairs]

    def state_at(self, place: int) -> State:
        """The world just after this place of the trace."""
        places, states = self._states
        return states[bisect_right(places, place) - 1]

    def states_between(self, first: int, last: int) -> Iterator[State]:
        """The world as it was at `first`, and after each change until `last`."""
        places, states = self._states
        begin, end = bisect_right(places, first) - 1, bisect_right(places, last)
        yield from states[begin:end]

    # --- who knew what ---

    @cached_property
    def _began(self) -> Mapping[str, int]:
        return {began.work: place for place, began in self.of(Began)}

    def beginning(self, work: str) -> Began:
        began = self.trace.seen[self._began[work]]
        assert isinstance(began, Began), "what began a work is where it began"
        return began

    def specs_of(self, work: str, until: int) -> list[Declared]:
        """The versions of the spec that a work may have used: its instance's, and those it read since."""
        who, begun = work.partition("/")[0], self._began[work]
        read = [(place, each.declared) for place, each in self.of(Read) if each.who == who and place <= until]
        before = [declared for place, declared in read if place < begun][-1:]
        return before + [declared for place, declared in read if place >= begun]

    def may_write(self, work: str, until: int) -> frozenset[Path]:
        """The paths that were declared `enforce` as far as a work can have known."""
        return frozenset().union(*(owned(declared) for declared in self.specs_of(work, until)))

    @cached_property
    def in_force(self) -> Declared:
        """The spec in the morning."""
        changes = [each for each in self.dawn.schedule.entries if isinstance(each, schedule.Respec)]
        declared = self.trace.declared
        for change in sorted(changes, key=lambda each: each.at):
            declared = declared.after(change)
        return declared

    def items(self) -> tuple[Item, ...]:
        return items(self.in_force)

    # --- what instances wrote ---

    @cached_property
    def writes(self) -> list[tuple[int, Call]]:
        """The writes of instances that ARM carried out."""
        return [(place, call) for place, call in self.of(Call) if call.verb == "write" and call.executed]

    def is_blind_creation(self, write: Call) -> bool:
        """Whether it creates a container for which Azure has no precondition. For a zone there is one."""
        blind = {id_.lower() for name, id_ in CONTAINERS.items() if name not in ZONES}
        return write.method == "PUT" and write.path.lower() in blind and not write.if_match

    def write_of(self, change: Changed) -> Call | None:
        return next((call for _, call in self.writes if call.correlation == change.correlation), None)

    def is_rollback(self, work: str) -> bool:
        return self.beginning(work).what.startswith("rollback")

    def is_retest(self, work: str) -> bool:
        return self.beginning(work).what.startswith("re-test")

    @cached_property
    def own_changes(self) -> list[tuple[int, Changed]]:
        """The changes of the world that Homeostat made."""
        return [(place, change) for place, change in self.of(Changed) if change.work]

    @property
    def recreated(self) -> tuple[str, ...]:
        """The containers that the spec allows Homeostat to recreate unattended."""
        containers = self.trace.declared.containers
        return containers.recreated if containers and containers.declared else ()

    @property
    def policy(self) -> schedule.Govern:
        return self.trace.declared.policy or schedule.Govern()

    @cached_property
    def _calls(self) -> Mapping[str, list[tuple[int, Call]]]:
        found: dict[str, list[tuple[int, Call]]] = defaultdict(list)
        for place, call in self.of(Call):
            found[call.work].append((place, call))
        return found

    def last_read(self, write: Call, path: str) -> int | None:
        """Where the write's work last read a path that is or ends with this one, with an answer of ARM."""
        reads = [
            place
            for place, call in self._calls[write.work]
            if place < write.sent and call.verb == "read" and call.executed and call.path.lower().endswith(path)
        ]
        return reads[-1] if reads else None

    def intent_of(self, write: Call) -> int:
        """Where the intent of a write was first stored. Renewing a lease stores it again."""
        intents = self._intents(write)
        return next((place for place, intent in intents if intent["id"] == intents[-1][1]["id"]), -1)

    def snapshots_of(self, write: Call) -> Sequence[str]:
        """The names of the snapshots that the intent of a write announces."""
        intents = self._intents(write)
        return intents[-1][1].get("snapshots", ()) if intents else ()

    def _intents(self, write: Call) -> list[tuple[int, Mapping[str, Any]]]:
        """The intents in the record that the same work stored before a write, in order."""
        root = root_at(write.path)
        assert root is not None, f"nobody else's resources are written: {write.path}"
        records = self.records_by(root, write.work, write.sent)
        return [(place, record["intent"]) for place, record in records if record.get("intent")]

    def intended_at(self, write: Call) -> float:
        place = self.intent_of(write)
        return self.trace.seen[place].at if place >= 0 else write.sent_at

    def clock_of(self, write: Call) -> datetime:
        """The time of its writer's clock when a write was sent, without jumps since the look at the pauses."""
        look = self.last_look_at_pauses(write.work, write.sent)
        if look is None:
            return DUSK + timedelta(seconds=write.sent_at)
        return datetime.fromisoformat(look[1].clock) + timedelta(seconds=write.sent_at - look[1].at)

    @cached_property
    def _endings(self) -> Mapping[str, Ended]:
        return {ended.work: ended for _, ended in self.of(Ended)}

    def ended_well(self, work: str) -> bool:
        """Whether a work reached its end, and could store what it had done."""
        return work in self._endings and not self._endings[work].failure

    def place_of(self, work: str) -> int:
        return self._began[work]

    def told_writers(self, root: str, kind: str, until: int) -> frozenset[str]:
        """The writers whose events had been taken by then, if the last foreign change of the kind was among them."""
        paths = {path for item in self.items() if (item.root, item.kind) == (root, kind) for path in item.wanted}
        changes = [each for at, each in self.of(Changed) if at < until and not each.work and paths & each.values.keys()]
        taken = {each.about for at, each in self.of(Happened) if at < until and each.what == "event taken"}
        if not changes or changes[-1].correlation not in taken:
            return frozenset()
        return frozenset(acted.who for _, acted in self.of(Acted) if acted.correlation in taken)

    # --- the durable state ---

    @cached_property
    def _records(self) -> Mapping[str, list[tuple[int, str, Mapping[str, Any]]]]:
        """The record of each root after each change of it: place, work, record."""
        found: dict[str, list[tuple[int, str, Mapping[str, Any]]]] = defaultdict(list)
        for place, stored in self.of(Stored):
            root = PARTITIONS.get(stored.partition)
            for row, text in stored.rows:
                if root and row == "root" and text is not None:
                    found[root].append((place, stored.work, json.loads(text)))
        return found

    def record_at(self, root: str, place: int) -> Mapping[str, Any]:
        records = self._records[root]
        index = bisect_right(records, place, key=lambda each: each[0]) - 1
        return records[index][2] if index >= 0 else {}

    def records_by(self, root: str, work: str, until: int) -> list[tuple[int, Mapping[str, Any]]]:
        """The records of a root that a work stored until then, oldest first."""
        return [(place, record) for place, by, record in self._records[root] if by == work and place < until]

    @cached_property
    def alerts(self) -> list[Alert]:
        """Every alert that was stored to be sent, in order. One that was stored twice is there twice."""
        found = []
        for place, stored in self.of(Stored):
            for row, text in stored.rows:
                if row.startswith(OUTBOX) and text is not None:
                    alert = json.loads(text)
                    root = PARTITIONS.get(stored.partition, "")
                    content = json.dumps(alert, sort_keys=True)
                    found.append(Alert(place, stored.work, root, alert["id"], alert["type"], alert["data"], content))
        return found

    def pauses_at(self, place: int) -> Mapping[str, datetime]:
        """The end of every stored pause, by its row. The row's beginning tells whose pause it is."""
        found: dict[str, datetime] = {}
        for at, stored in self.of(Stored):
            if at > place:
                break
            if stored.partition == "pauses":
                for row, text in stored.rows:
                    if text is None:
                        found.pop(row, None)
                    else:
                        found[row] = datetime.fromisoformat(json.loads(text)["until"])
        return found

    def last_look_at_pauses(self, work: str, before: int) -> tuple[int, Looked] | None:
        looks = [(at, each) for at, each in self.of(Looked) if each.work == work and each.partition == "pauses"]
        return next(((at, each) for at, each in reversed(looks) if at < before), None)

    def held_codes(self, root: str, kind: str, before: int) -> frozenset[str]:
        """The codes of the holds of a root's kind, by its last alert until then."""
        told = [
            each for each in self.alerts if each.place < before and (each.root, each.data.get("kind")) == (root, kind)
        ]
        return frozenset(held["code"] for held in told[-1].data.get("held", ())) if told else frozenset()

    # --- excuses ---

    def is_looked_at(self, root: str, kind: str, state: State) -> bool:
        """Whether a kind whose items are as declared is also in order to Homeostat: nothing else of it differs."""
        caps = self.entries(schedule.Cap)
        if caps and max(caps, key=lambda each: each.at).mode == "ignore":
            return False
        if kind == "nsg_rules":  # a rule that nobody declares may undo what a declared one promises
            declared = {name for name, *_ in self.in_force.rules}
            return {
                path.split("/")[1] for name, path in state if name == root and path.startswith("rules/")
            } <= declared
        # Of a defended secret it is told, too, that its value is not the accepted one: that is no state of an item.
        return kind != "app_settings" or not self.in_force.defends_secret

    def happened(self, what: str) -> list[Happened]:
        return [each for _, each in self.of(Happened) if each.what == what]

    @cached_property
    def told_correlations(self) -> frozenset[str]:
        """The correlation ids of the events that an instance took."""
        return frozenset(each.about for each in self.happened("event taken"))

    def entries[T](self, type_: type[T]) -> list[T]:
        return [each for each in self.dawn.schedule.entries if isinstance(each, type_)]

    @cached_property
    def clocks_apart(self) -> float:
        """How far, in seconds, any two clocks can have been apart."""
        jumps = [abs(each.seconds) for each in self.entries(schedule.Jump)]
        return sum(jumps)

    def roots_without_news(self) -> frozenset[str]:
        """The roots with an event, or the work that followed from it, that never arrived."""
        return self.roots_of("event lost", "event given up", "poison")

    def roots_of(self, *whats: str) -> frozenset[str]:
        """The roots to which one of these things happened."""
        texts = [each.about for what in whats for each in self.happened(what)]
        found = set()
        for text in texts:
            path = json.loads(text)["root"] if text.startswith('{"root"') else text
            found.add(root_at(path) or "")
        return frozenset(found)
