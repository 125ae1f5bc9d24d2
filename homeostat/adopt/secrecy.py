"""Which values of a live app's settings must not be written into a file.

A spec that a person writes is only refused for certain secrets. Here nobody has looked yet, so doubt is enough: if a
setting is wrongly taken for a secret, its presence is kept instead of its value.
"""

import re
from collections import Counter
from math import log2
from typing import Final

from homeostat.core.secrets import is_key_vault_reference, is_secret_name, looks_like_secret

_RUN = re.compile(r"[A-Za-z0-9+_=]{20,}|[A-Fa-f0-9]{16,}")
"""The form of keys, hashes and tokens. Words in names and hosts are separated by dots, hyphens and slashes."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MIN_ENTROPY: Final = 3.0  # bits a character
_QUERY_SECRET = re.compile(r"[?&;](code|key|token|sig|secret|pass(word)?|pwd|api[-_]?key)=[^&;\s]+", re.IGNORECASE)


def must_stay_secret(name: str, value: str) -> bool:
    """Whether only the presence of a setting may be written down. A Key Vault reference holds no secret."""
    if is_key_vault_reference(value) or not value:
        return False
    return (
        is_secret_name(name)
        or looks_like_secret(name, value)
        or _QUERY_SECRET.search(value) is not None
        or any(_is_random(run) for run in _RUN.findall(_GUID.sub(" ", value)))
    )


def _is_random(run: str) -> bool:
    """Letters and digits mixed, without the repetitions of words."""
    mixed = any(character.isdigit() for character in run) and any(character.isalpha() for character in run)
    shares = (count / len(run) for count in Counter(run).values())
    return mixed and -sum(share * log2(share) for share in shares) >= _MIN_ENTROPY
