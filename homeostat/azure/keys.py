r"""Partition and row names as keys of Azure Tables: any text in, an allowed key out, and the order is preserved.

A key may not hold `/ \ # ?` or control characters, and holds at most 1 KiB of UTF-16
(learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). Percent encoding would break
the order of rows, which scans promise: `/` sorts after `-`, `%2F` before it. So every character outside a small
alphabet becomes an escape whose first character sorts where the original does, and is used for nothing else.
"""

import hashlib
import re
from typing import Final

CUT: Final = 440
"""Keys longer than this are cut here and get a digest, 505 characters in all; see `stored`."""

_PLAIN: Final = "-0-9:A-Z_`a-z{|}"
_UNSAFE: Final = re.compile(f"[^{_PLAIN}]")
_BEFORE_DIGIT, _BEFORE_UPPER, _BEFORE_UNDERSCORE = 0x2E, 0x41, 0x5F


def escaped(name: str) -> str:
    """The name in the allowed alphabet. Escaped names sort as the names do."""
    return _UNSAFE.sub(_escape, name)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character == ".":
        return ".."
    if character == "/":
        return "._"
    if code < _BEFORE_DIGIT:
        return f"!{code:02x}"
    if code < _BEFORE_UPPER:
        return f";{code:02x}"
    if code < _BEFORE_UNDERSCORE:
        return f"[{code:02x}"
    return f"~{code:06x}"


def stored(name: str) -> str:
    """The key under which `name` is stored.

    A long name is cut and followed by a digest. Names with the same cut are stored next to each other, after the name
    that equals the cut and before all others, but in no particular order: the reader sorts them.
    """
    key = escaped(name)
    if len(key) <= CUT:
        return key
    return f"{key[:CUT]}!{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def lower_bound(name: str) -> str:
    """No name from `name` on is stored under a lesser key."""
    return escaped(name)[:CUT]


def upper_bound(name: str) -> str:
    """No name before `name` is stored under this key or a greater one."""
    key = escaped(name)
    return key if len(key) <= CUT else f"{key[:CUT]}~"
