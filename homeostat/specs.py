"""Where the desired state comes from: a folder of the deployed package, or a blob container.

The specs are parsed again only when they changed. A change that is wrong leaves the last good fleet in force, and is
told by `problem`, so that a typo at noon does not stop the healing at night.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from homeostat.ambient import Ambient
from homeostat.core.errors import HomeostatError
from homeostat.core.model import Place, Registry
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.core.source import SpecError, SpecProblem
from homeostat.core.spec import Fleet, load
from homeostat.ports import Blobs

log = logging.getLogger(__name__)

CHECK_EVERY: Final = timedelta(seconds=30)
"""How long a change of the specs may stay unnoticed."""

SUFFIXES: Final = frozenset({".yaml", ".yml"})


class SpecSource(Protocol):
    async def version(self) -> str:
        """Changes whenever a text may have changed. Raises SpecError or StorageError."""
        ...

    async def texts(self) -> Mapping[str, str]:
        """The texts by their names, as problems name them. Raises SpecError or StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class SpecFiles:
    """YAML files, and folders of them with all that is below."""

    paths: tuple[Path, ...]

    async def version(self) -> str:
        return repr([(str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in self._files()])

    async def texts(self) -> Mapping[str, str]:
        return {str(file): _decoded(str(file), file.read_bytes()) for file in self._files()}

    def _files(self) -> list[Path]:
        files: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                files.extend(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            elif path.is_file():
                files.append(path)
            else:
                raise _problem(str(path), "there is no such file or folder", "Check the path.")
        return sorted(set(files))


@dataclass(frozen=True, slots=True)
class SpecBlobs:
    """The YAML blobs of a container. Upload one and it is in force within half a minute."""

    blobs: Blobs
    container: str

    async def version(self) -> str:
        return repr([(info.name, info.version) async for info in self.blobs.list(self.container)])

    async def texts(self) -> Mapping[str, str]:
        names = [info.name async for info in self.blobs.list(self.container) if Path(info.name).suffix in SUFFIXES]
        found = {name: await self.blobs.read(self.container, name) for name in names}
        return {name: _decoded(name, blob.data) for name, blob in found.items() if blob is not None}


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _problem(name, f"not UTF-8 text (byte {error.start})", "Save the file as UTF-8.") from error


def _problem(name: str, message: str, remedy: str) -> SpecError:
    return SpecError((SpecProblem(Place(name, 1), message, remedy),))


@dataclass(slots=True)
class Desired:
    """The fleet in force."""

    source: SpecSource
    registry: Registry
    ambient: Ambient
    subscription: str = ""
    own: OwnResources = NOTHING_OWN
    problem: str = ""  # why a change of the specs is not in force
    loaded: datetime | None = field(default=None, init=False)  # since when the fleet in force is known
    _fleet: Fleet | None = field(default=None, init=False)
    _version: str = field(default="", init=False)
    _checked: datetime | None = field(default=None, init=False)

    async def fleet(self) -> Fleet:
        """Raises SpecError or StorageError as long as there has been no good one."""
        now = self.ambient.now()
        if self._fleet is not None and self._checked is not None and now - self._checked < CHECK_EVERY:
            return self._fleet
        try:
            version = await self.source.version()
            if self._fleet is None or version != self._version:
                texts = await self.source.texts()
                self._fleet = load(texts, self.registry, subscription=self.subscription, own=self.own)
                self._version, self.loaded = version, now
            self.problem = ""
        except HomeostatError as error:
            if self._fleet is None:
                raise
            self.problem = str(error)
            log.error("the specs changed and are wrong; the last good ones stay in force:\n%s", error)  # noqa: TRY400 - the traceback would tell nothing
        self._checked = now
        return self._fleet
