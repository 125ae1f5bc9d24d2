"""Keys that a deployment makes for itself: once, on first need, and stored in its storage account."""

import hashlib
from contextlib import suppress
from typing import Final

from homeostat.ambient import Ambient
from homeostat.core import json
from homeostat.ports.storage import Conflict, Documents, Insert, StorageError

DIGESTS: Final = "digest"
"""For the digests by which secrets are recognised."""

LINKS: Final = "signing"
"""For the signatures of approval links."""

_PARTITION: Final = "keys"


class KeyLost(StorageError):
    """The key came and went between two reads: try again."""


async def deployment_key(documents: Documents, ambient: Ambient, purpose: str) -> bytes:
    """The deployment's key for a purpose, 32 bytes, made by whoever asks first. Raises StorageError."""
    found = await documents.read(_PARTITION, purpose)
    if found is None:
        # Four random UUIDs hold 488 bits of chance: more than the 256 of the key.
        chance = b"".join(ambient.uuid().bytes for _ in range(4))
        with suppress(Conflict):  # another instance made it first: that one is used
            await documents.apply(_PARTITION, [Insert(purpose, {"key": hashlib.sha256(chance).hexdigest()})])
        found = await documents.read(_PARTITION, purpose)
    if found is None:
        raise KeyLost(f"the key {purpose!r} vanished right after it was made; it is tried again later")
    return bytes.fromhex(json.text_at(found.body, "key"))
