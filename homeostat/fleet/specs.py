"""Where the desired state comes from: a folder of the deployed package, or a blob container.

Specs are parsed again only when they changed. After a change that is wrong the last good fleet stays in force, and
`problem` says why, so that a typo at noon does not stop the healing at night.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Never, Protocol

from homeostat.ambient import Ambient
from homeostat.batches import in_batches
from homeostat.core.errors import HomeostatError
from homeostat.core.model import Place, Registry
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.selectors import Selection
from homeostat.core.source import SpecError, SpecProblem
from homeostat.core.spec import Fleet, Specs, Wanted
from homeostat.fleet.selections import Answers, Selections
from homeostat.ports.storage import Blobs

log = logging.getLogger(__name__)

CHECK_EVERY: Final = timedelta(seconds=30)
"""How long a change of the specs may stay unnoticed."""

MAX_WAIT: Final = timedelta(seconds=1)
"""How long callers wait for a newer fleet while there is one in force, from when the first of them asked.

The wait is shared: if every reconcile waited a second, an instance that handles sixteen roots at a time would fall
behind a storm of events, and repairs would wait in the queue for as long as the newer fleet takes.
"""

MAX_NAMED: Final = 20
"""How many of the apps that are left out a problem names."""

SUFFIXES: Final = frozenset({".yaml", ".yml"})


class SpecSource(Protocol):
    async def versions(self) -> Mapping[str, str]:
        """The version of each text, by the name under which problems show it; a changed text has a changed version.

        Raises SpecError or StorageError.
        """
        ...

    async def texts(self, names: Iterable[str]) -> Mapping[str, str]:
        """The texts of those names that still exist. Raises SpecError or StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class SpecFiles:
    """YAML files, and folders, which are searched with all their subfolders."""

    paths: tuple[Path, ...]

    async def versions(self) -> Mapping[str, str]:
        found = {str(file): f"{(stat := file.stat()).st_mtime_ns} {stat.st_size}" for file in self._files()}
        return found or _refuse_nothing(", ".join(map(str, self.paths)))

    async def texts(self, names: Iterable[str] | None = None) -> Mapping[str, str]:
        files = map(Path, names) if names is not None else self._files()
        return {str(file): _decoded(str(file), file.read_bytes()) for file in files if file.is_file()}

    def _files(self) -> list[Path]:
        files: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                files.extend(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            elif path.is_file():
                files.append(path)
            elif path.exists():  # a pipe: it has no version, and cannot be read twice
                raise _problem(str(path), "is neither a file nor a folder", "Save it as a file.")
            else:
                raise _problem(str(path), "there is no such file or folder", "Check the path.")
        return sorted(set(files))


@dataclass(frozen=True, slots=True)
class SpecBlobs:
    """The YAML blobs of a container. Upload one and it is in force within half a minute."""

    blobs: Blobs
    container: str

    async def versions(self) -> Mapping[str, str]:
        listed = self.blobs.list(self.container)
        found = {info.name: info.version async for info in listed if Path(info.name).suffix in SUFFIXES}
        return found or _refuse_nothing(f"container {self.container}")

    async def texts(self, names: Iterable[str]) -> Mapping[str, str]:
        blobs = await in_batches(names, lambda name: self.blobs.read(self.container, name))
        return {blob.name: _decoded(blob.name, blob.data) for blob in blobs if blob is not None}


def _refuse_nothing(where: str) -> Never:
    """An emptied or mistaken place does not mean that nothing is to be kept any more."""
    raise _problem(where, "there is no spec", "Put one there, a file that ends in .yaml.")


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _problem(name, f"not UTF-8 text (byte {error.start})", "Save the file as UTF-8.") from error


def _problem(name: str, message: str, remedy: str) -> SpecError:
    return SpecError((SpecProblem(Place(name, 1), message, remedy),))


@dataclass(slots=True)
class DesiredState:
    """The fleet in force. Without `selections` selectors select nothing."""

    source: SpecSource
    registry: Registry
    ambient: Ambient
    subscription: str = ""
    own: OwnResources = NOTHING_OWN
    selections: Selections | None = None
    loaded: datetime | None = field(default=None, init=False)  # when the spec version in force was first built here
    _problem: str = field(default="", init=False)  # why a change of the specs is not in force
    _specs: Specs | None = field(default=None, init=False)
    _versions: Mapping[str, str] = field(default_factory=dict, init=False)
    _wanted: tuple[Wanted, ...] = field(default=(), init=False)
    _fleet: Fleet | None = field(default=None, init=False)
    _tried: Selection | None = field(default=None, init=False)  # the last one that was combined with the current texts
    _refused: SpecError | None = field(default=None, init=False)  # why that made no fleet
    _checked: float | None = field(default=None, init=False)  # on the monotonic clock: the wall clock may be set back
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _renewal: asyncio.Task[Fleet] | None = field(default=None, init=False)
    _patience: float = field(default=0.0, init=False)  # event loop time until which callers wait for the renewal

    @property
    def problem(self) -> str:
        """Why the fleet in force is not all that is declared; empty when it is."""
        resolved = self.selections.problem if self.selections else ""
        left_out = self._fleet.left_out if self._fleet else ()
        more = [f"and {len(left_out) - MAX_NAMED} more"] if len(left_out) > MAX_NAMED else []
        return "\n".join(filter(None, (self._problem, resolved, *map(str, left_out[:MAX_NAMED]), *more)))

    async def fleet(self) -> Fleet:
        """The fleet in force. Raises SpecError or StorageError as long as there has been no good one.

        Once there is one, nobody waits long for a newer one: resolving the selectors of a large fleet takes many
        queries of Resource Graph, and an event must not wait for their quota. The newer fleet is in force as soon as it
        is built.
        """
        if self._fleet is not None and self._is_fresh():
            return self._fleet
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renewed_once(), name="specs")
            self._patience = asyncio.get_running_loop().time() + MAX_WAIT.total_seconds()
        if self._fleet is None:
            return await asyncio.shield(self._renewal)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._patience):
                await asyncio.shield(self._renewal)
        return self._fleet

    async def _renewed_once(self) -> Fleet:
        async with self._lock:
            if self._fleet is not None and self._is_fresh():
                return self._fleet
            return await self._renewed(afresh=False)

    async def renewed(self) -> Fleet:
        """The fleet, with every selector resolved anew, as a sweep needs it. Raises as `fleet` does."""
        async with self._lock:
            return await self._renewed(afresh=True)

    def _is_fresh(self) -> bool:
        return self._checked is not None and self.ambient.monotonic() - self._checked < CHECK_EVERY.total_seconds()

    async def _renewed(self, *, afresh: bool) -> Fleet:
        is_first = self._fleet is None
        try:
            await self._renew(afresh=afresh)
            self._problem = ""
        except HomeostatError as error:
            if self._fleet is None:
                raise
            if self._problem != str(error):
                log.error("the specs changed and are wrong; the last good ones stay in force:\n%s", error)  # noqa: TRY400 - the traceback would tell nothing
            self._problem = str(error)
        assert self._fleet is not None, "without a fleet the error was raised"
        if not (is_first and self.selections and self.selections.is_old(self._wanted)):
            self._checked = self.ambient.monotonic()
        return self._fleet

    async def _renew(self, *, afresh: bool) -> None:
        """Puts what changed in force. Raises SpecError if that is impossible, and StorageError."""
        changed = await self._take_in()
        assert self._specs is not None, "they were just taken in"
        if changed:
            self._wanted, self._tried = self._specs.wanted(self.subscription), None
        found = await self._selected(afresh=afresh)
        before = self.selections.held if self.selections else found
        if self._tried is None or self._tried != found.selection:
            await self._try(found.selection, before.selection)
        if self._refused is not None:
            if self.selections:
                await self.selections.refuse(str(self._refused))
            raise self._refused
        if self.selections:
            await self.selections.keep(found)

    async def _selected(self, *, afresh: bool) -> Answers:
        """The selectors' answers. The first fleet of a process uses old ones: its caller waits to handle one root."""
        if self.selections is None:
            return Answers()
        return await self.selections.look(self._wanted, afresh=afresh, old_will_do=self._fleet is None)

    async def _try(self, selection: Selection, before: Selection) -> None:
        """Builds the fleet. If newly selected apps do not fit the specs, the selection before stays in force."""
        self._tried, self._refused = selection, None
        try:
            self._fleet = await self._made(selection)
        except SpecError as error:
            self._refused = error
            if before != selection:
                with suppress(SpecError):  # then the texts are wrong, and the same error is reported
                    self._fleet = await self._made(before)

    async def _made(self, selection: Selection) -> Fleet:
        assert self._specs is not None, "they were taken in"
        specs = self._specs
        # In a thread: building a large fleet takes seconds.
        fleet = await self.ambient.offload(lambda: specs.fleet(self.subscription, selection))
        if self._fleet is None or self._fleet.spec_version != fleet.spec_version:
            self.loaded = self.ambient.now()
        return fleet

    async def _take_in(self) -> bool:
        """Reads and parses what changed. Returns whether anything did."""
        versions = await self.source.versions()
        if self._specs is None or self._specs.outgrown:
            self._specs, self._versions = Specs(self.registry, self.own), {}
        specs = self._specs
        changed = [name for name, version in versions.items() if self._versions.get(name) != version]
        gone = self._versions.keys() - versions.keys()
        if not changed and not gone:
            return False
        texts = await self.source.texts(changed)
        await self.ambient.offload(lambda: specs.update(texts, gone | (set(changed) - texts.keys())))
        self._versions = versions
        return True
