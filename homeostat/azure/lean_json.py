"""Reads a large JSON answer while it arrives, so that only a part of its text is in memory at a time.

The text of a page of Resource Graph is larger than what is kept of it, and would be in memory three times: as received,
joined, and decoded. The grammar is RFC 8259's; single values are decoded by Python's own decoder.
https://docs.python.org/3/library/json.html#json.JSONDecoder.raw_decode
"""

import codecs
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from homeostat.core.json import Json, JsonObject, refuse

READ_AHEAD: Final = 1 << 17
"""Characters to receive before decoding goes on, so that few values are tried before they are complete."""

MAX_SHARED_MEMBERS: Final = 16
"""Lists and objects of up to this many members are shared with equal ones that came before. Large ones are hardly
ever equal, nor are objects that have an id.
"""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_AFTER_A_VALUE: Final = frozenset(",:]}")


class NotJson(ValueError):
    """The answer is no JSON object, is cut short, has more after its end, or is nested too deeply."""


async def read_lean(parts: AsyncIterator[bytes], long: str, read_ahead: int = READ_AHEAD) -> JsonObject:
    """The object whose UTF-8 text the parts are, without null members; equal texts, small lists and objects are shared.

    This suits pages of resources: most of their many members are null, or the same in a thousand rows. `long` is the
    member whose list is read element by element; any other member is read as a whole. Because values are shared, the
    result must not be modified. Raises NotJson.
    """
    text = _Text(parts, read_ahead)
    try:
        found = await _object(text, long)
        await text.end()
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error
    return found


async def _object(text: "_Text", long: str) -> JsonObject:
    found: dict[str, Json] = {}
    await text.take("{")
    if await text.next() == "}":
        await text.take("}")
        return found
    while True:
        name = await text.name()
        is_list = name == long and await text.next() == "["
        value = await _list(text) if is_list else await text.value()
        if value is not None:
            found[name] = value
        if await text.take(",}") == "}":
            return found


async def _list(text: "_Text") -> list[Json]:
    found: list[Json] = []
    await text.take("[")
    if await text.next() == "]":
        await text.take("]")
        return found
    while True:
        found.append(await text.value())
        if await text.take(",]") == "]":
            return found


class _Text:
    """The text that was received and is not read yet."""

    def __init__(self, parts: AsyncIterator[bytes], read_ahead: int) -> None:
        self._parts = parts
        self._at_once = read_ahead
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._json = _lean_decoder()
        self._text = ""
        self._at = 0
        self._is_all = False

    async def next(self) -> str:
        """The next character that is not white space, without taking it; empty at the end."""
        while (at := _past_space(self._text, self._at)) == len(self._text) and not self._is_all:
            await self._more()
        self._at = at
        return self._text[at : at + 1]

    async def take(self, allowed: str) -> str:
        found = await self.next()
        if not found or found not in allowed:
            raise ValueError(f"{found or 'the end'} stands where one of {allowed} must")
        self._at += 1
        return found

    async def name(self) -> str:
        if await self.next() != '"':
            raise ValueError("a member has no name")
        name = str(await self.value())
        await self.take(":")
        return name

    async def value(self) -> Json:
        """The next value. One that cannot be decoded may lack its end, and so may a number: then more is received."""
        await self.next()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except ValueError:
                if self._is_all:
                    raise
            else:
                after = _past_space(self._text, end)
                if self._is_all or self._text[after : after + 1] in _AFTER_A_VALUE:
                    self._at = end
                    return cast("Json", value)
            await self._more()

    async def end(self) -> None:
        if found := await self.next():
            raise ValueError(f"{found} stands after the end")

    async def _more(self) -> None:
        """Receives at least as much as is waiting: a value of many parts must not be tried again after each part."""
        texts = [self._text[self._at :]]
        self._text, self._at = "", 0
        lacking = max(self._at_once, len(texts[0]))
        while lacking > 0 and not self._is_all:
            part = await anext(self._parts, None)
            self._is_all = part is None
            texts.append(self._utf8.decode(part or b"", final=self._is_all))
            lacking -= len(texts[-1])
        self._text = "".join(texts)


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _lean_decoder() -> json.JSONDecoder:
    texts: dict[str, str] = {}
    lists: dict[tuple[object, ...], list[Any]] = {}
    objects: dict[tuple[object, ...], dict[str, Any]] = {}
    one_text = texts.setdefault

    def one_of(value: Any) -> Any:
        if type(value) is str:
            return one_text(value, value)
        if type(value) is list and len(value) <= MAX_SHARED_MEMBERS:
            return lists.setdefault(tuple(map(_identity, value)), value)
        return value

    def lean(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found = {one_text(key, key): one_of(value) for key, value in members if value is not None}
        if len(found) > MAX_SHARED_MEMBERS or "id" in found:
            return found
        return objects.setdefault((*found, *map(_identity, found.values())), found)

    return json.JSONDecoder(object_pairs_hook=lean, parse_constant=refuse)


def _identity(value: Any) -> object:
    """Tells a member from others. An id is safe: what a shared list or object holds lives as long as that does."""
    return value if type(value) is str else id(value)
