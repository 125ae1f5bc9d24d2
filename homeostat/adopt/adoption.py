"""Adopts a web app: survey, sections, text; then the text is checked against what was read, before anybody uses it.

Whatever the spec's own rules refuse, and whatever would drift at once, is removed again, with a comment in the file. So
the promise of an empty plan does not depend on every section handling every shape of Azure's answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from homeostat.adopt import text
from homeostat.adopt.findings import findings
from homeostat.adopt.sections import ADOPTERS
from homeostat.adopt.survey import Remembering, Survey, survey
from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Json, JsonObject, Path
from homeostat.core.model import Drift, Place
from homeostat.core.outcome import Trigger
from homeostat.core.source import SpecError, parse_documents
from homeostat.core.spec import Fleet, load
from homeostat.core.variables import escaped
from homeostat.engine import Engine
from homeostat.operations import runs
from homeostat.ports.azure import SubscriptionReader
from remediators import REGISTRY, WITHOUT_PROBES

FILE: Final = "adopted.yaml"
KEY_LIMIT: Final = 500
"""Characters. A YAML parser accepts no longer key without an explicit mark."""


class CannotAdopt(HomeostatError):
    """What was found cannot be declared."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """text: the spec. left_out, unread: in words, what it does not declare, as its comments also say."""

    text: str
    left_out: tuple[str, ...]
    unread: tuple[str, ...]


async def adopt(web_app: ResourceId, engine: Engine, everywhere: SubscriptionReader) -> Adoption:
    """The spec of a live web app, whose plan is empty. Reads only.

    Raises NoWebApp, and CannotAdopt if the app itself cannot be declared.
    """
    reader = Remembering(engine.reader)
    found = await survey(web_app, reader, everywhere)
    draft = _Draft.of(found, engine.ambient.now())
    looking = replace(engine, reader=reader, registry=WITHOUT_PROBES)  # ARM was surveyed, the network was not
    while True:
        written = draft.written()
        try:
            fleet = load({FILE: written}, REGISTRY)
        except SpecError as error:
            draft = draft.without((problem.place, problem.message) for problem in error.problems)
            continue
        drifts = await _drifts(looking, fleet)
        if not drifts:
            return Adoption(written, draft.left_out, draft.unread)
        draft = draft.without(_reasons(drifts, fleet))


async def _drifts(engine: Engine, fleet: Fleet) -> tuple[Drift, ...]:
    """What a plan finds that is made from the same reads: it should be nothing."""
    trigger = Trigger("command-line", dry_run=True)
    outcomes = await runs.examine(engine, tuple(fleet.roots.values()), trigger)
    return tuple(drift for outcome in outcomes for drift in outcome.plan.drifts)


def _reasons(drifts: Iterable[Drift], fleet: Fleet) -> Iterator[tuple[Place, str]]:
    for drift in drifts:
        declared = [
            root.wants[drift.kind].items[drift.item].place
            for root in fleet.roots.values()
            if root.id in drift.resource.lineage
            if drift.kind in root.wants and drift.item in root.wants[drift.kind].items
        ]
        if not declared:
            raise CannotAdopt(f"{drift.resource.short} differs from what was read of it just now: {_words(drift)}")
        yield declared[0], _words(drift)


def _words(drift: Drift) -> str:
    where = "/".join(drift.path) or drift.resource.short
    return f"{where} is {drift.verdict}" + (f", {drift.note}" if drift.note else "")


@dataclass(frozen=True, slots=True)
class _Draft:
    begun: datetime
    found: tuple[str, ...]
    data: JsonObject = field(repr=False)
    comments: Mapping[Path, tuple[str, ...]]
    left_out: tuple[str, ...]
    unread: tuple[str, ...]

    @classmethod
    def of(cls, found: Survey, now: datetime) -> "_Draft":
        data: dict[str, Json] = dict(_head(found))
        comments: dict[Path, tuple[str, ...]] = {("mode",): ("`alert` would only report, and repair nothing",)}
        left_out: list[str] = []
        for kind, adopter in ADOPTERS.items():
            part = adopter(found)
            left_out.extend(part.left_out)
            if part.section:
                data[kind] = escaped(part.section)
                comments |= {(kind, *(str(escaped(key)) for key in path)): (it,) for path, it in part.comments.items()}
        draft = cls(now, tuple(findings(found)), data, comments, tuple(left_out), found.unread)
        for path in _unwritable(data, ()):
            draft = draft._taken_out(path, "its name or value cannot stand in a text file")
        return draft

    def written(self) -> str:
        return text.render(self.data, self.comments, tuple(self._header()))

    def _header(self) -> Iterator[str]:
        yield f"What {self.data['web_app']} is like, written down by `homeostat adopt` on {self.begun:%Y-%m-%d}."
        yield "Read it before you rely on it: this is how things are, not how somebody wants them."
        parts = {
            "Found": self.found,
            "Left out": self.left_out,
            "Could not be read, and so not declared": self.unread,
        }
        for title, lines in parts.items():
            if lines:
                yield ""
                yield f"{title}:"
                yield from (f"- {line}" for line in lines)

    def without(self, reasons: Iterable[tuple[Place, str]]) -> "_Draft":
        """The draft without what is at these places. Raises CannotAdopt if the app itself is the problem."""
        paths = _paths_by_line(self.written())
        draft = self
        for place, why in sorted(reasons):
            path = paths.get(place.line, ())
            if path[:1] == () or path[0] not in ADOPTERS:
                raise CannotAdopt(f"the web app cannot be declared: {why}")
            draft = draft._taken_out(path, why)
        return draft

    def _taken_out(self, path: Path, why: str) -> "_Draft":
        if json.at(self.data, path) is ABSENT:
            return self  # for another reason already
        data = json.with_value(self.data, path, ABSENT)
        for length in range(len(path) - 1, 0, -1):
            if json.at(data, path[:length]) == {}:
                data = json.with_value(data, path[:length], ABSENT)
        assert isinstance(data, Mapping), "a document is a mapping"
        comments = {other: lines for other, lines in self.comments.items() if other[: len(path)] != path}
        return replace(self, data=data, comments=comments, left_out=(*self.left_out, f"{'/'.join(path)}: {why}"))


def _head(found: Survey) -> Iterator[tuple[str, Json]]:
    app = found.site.id
    yield "target", "--".join(name.lower() for name in app.names)
    yield "web_app", "/".join(app.names)
    yield "resource_group", app.resource_group
    yield "subscription", app.subscription
    yield "mode", "enforce"


def _paths_by_line(written: str) -> Mapping[int, Path]:
    """The shallowest key that begins on each line: an item on one line counts as that item, not as its last field."""
    (source,) = parse_documents(written, FILE)
    paths: dict[int, Path] = {}
    for keys, line in sorted(source.every_line(), key=lambda entry: len(entry[0])):
        if keys:
            paths.setdefault(line, tuple(map(str, keys)))
    return paths


def _unwritable(data: Json, path: Path) -> Sequence[Path]:
    """The places whose key or value cannot be written in a YAML file."""
    if isinstance(data, Mapping):
        found: list[Path] = []
        for key, value in data.items():
            bad = len(key) > KEY_LIMIT or not text.writable(key)
            found.extend([(*path, key)] if bad else _unwritable(value, (*path, key)))
        return found
    values = [data] if isinstance(data, str) else data if isinstance(data, list | tuple) else []
    return [path] if any(isinstance(value, str) and not text.writable(value) for value in values) else []
