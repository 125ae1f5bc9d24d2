"""A value that must not get out by accident. `Secret.reveal` is the only way to it, and easy to search for.

Secrets are wrapped where they enter (the reader of ARM, the environment) and opened where they must leave: when a write
is serialised, and when a setting that a spec declares is compared. In between they are passed on unseen.

What shows a value implicitly (`repr`, and with it tracebacks, dataclasses, debuggers and `%r`) shows a mask, since it
must never fail. What makes a text that is used elsewhere (`str`, `format`, JSON, pickle, pydantic) raises: a mask that
is written into an app's settings would be worse than an error.
"""

import hashlib
import hmac
from typing import Final, Never, Self, final, override

MASK: Final = "(secret)"
"""Shown in place of a secret, everywhere."""

MIN_KEY: Final = 32
"""Bytes of a digest's key: as long as the digest, so that values cannot be guessed by trying keys (RFC 2104, 3)."""


@final
class Secret:
    """A text that can only be read with `reveal`. Immutable; equal only to a Secret with the same text."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_Secret__text", text)

    def reveal(self) -> str:
        """The text itself. The caller is responsible for where it goes."""
        found: str = object.__getattribute__(self, "_Secret__text")
        return found

    def digest(self, key: bytes, about: str) -> str:
        """An HMAC-SHA-256 by which the value is recognised later, in hexadecimal; worthless without the key.

        about: what the value belongs to, so that one password under two names has two digests.
        Raises ValueError for a key that is shorter than MIN_KEY.
        """
        if len(key) < MIN_KEY:
            raise ValueError(f"the key of a digest has {len(key)} bytes: it needs {MIN_KEY}")
        name = about.encode("utf-8", "surrogatepass")
        return hmac.new(key, len(name).to_bytes(8) + name + self._bytes(), hashlib.sha256).hexdigest()

    def _bytes(self) -> bytes:
        return self.reveal().encode("utf-8", "surrogatepass")

    @override
    def __eq__(self, other: object) -> bool:
        """Compares in a time that does not reveal how much of the text agrees."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    @override
    def __hash__(self) -> int:
        """Valid in this process only: Python salts the hashes of texts."""
        return hash((Secret, self.reveal()))

    @override
    def __repr__(self) -> str:
        return MASK

    @override
    def __str__(self) -> Never:
        raise TypeError("a secret is no text: show it with %r or {!r}, which masks it, or reveal() it")

    @override
    def __format__(self, spec: str, /) -> Never:
        raise TypeError("a secret is not formatted: show it with %r or {!r}, which masks it, or reveal() it")

    @override
    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError("a secret does not change")

    @override
    def __delattr__(self, name: str) -> Never:
        raise AttributeError("a secret does not change")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        """For dataclasses.asdict, which copies: the copy is the same closed object."""
        return self

    @override
    def __getstate__(self) -> Never:
        raise TypeError("a secret is not pickled")

    @override
    def __reduce__(self) -> Never:
        raise TypeError("a secret is not pickled")

    @override
    def __reduce_ex__(self, _protocol: object, /) -> Never:
        raise TypeError("a secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Never:
        raise TypeError("a secret is no field of a model: what pydantic holds, it can dump")
