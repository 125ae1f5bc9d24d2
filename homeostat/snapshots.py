"""Keeps the state before each write: one blob for each, in a container of its own.

A snapshot is stored before its write and never changed; without one nothing is written.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import json, snapshot
from homeostat.core.json import ABSENT
from homeostat.core.snapshot import Digest, Snapshot
from homeostat.deployment_keys import DIGESTS, deployment_key
from homeostat.ports.storage import Blobs, Documents

CONTAINER: Final = "homeostat-snapshots"


@dataclass(frozen=True, slots=True)
class Snapshots:
    blobs: Blobs
    documents: Documents
    ambient: Ambient

    async def keep(self, found: Snapshot) -> None:
        """Stores the state before an action. Raises StorageError."""
        data = json.render(snapshot.to_json(found)).encode("utf-8", "surrogatepass")
        await self.blobs.write(CONTAINER, found.id, data, expected=ABSENT, content_type="application/json")

    async def load(self, id_: str) -> Snapshot | None:
        """Raises StorageError."""
        if snapshot.parsed(id_) is None:
            return None
        blob = await self.blobs.read(CONTAINER, id_)
        if blob is None:
            return None
        return snapshot.from_json(json.parse(blob.data.decode("utf-8", "surrogatepass")))

    async def digest(self) -> Digest:
        """HMAC-SHA256 under this deployment's own key. Raises StorageError."""
        key = await deployment_key(self.documents, self.ambient, DIGESTS)

        def digest(secret: str) -> str:
            return "hmac-sha256:" + hmac.new(key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

        return digest
