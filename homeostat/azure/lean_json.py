"""A large answer of JSON, read while it comes: never more of it waits as text than a part and what is left of a value.

The text of a page of Resource Graph is larger than what stays of it, and would be in memory three times at once: as it
came, put together, and decoded. The grammar is RFC 8259's: of its values Python's own reader makes objects, one by one.
https://docs.python.org/3/library/json.html#json.JSONDecoder.raw_decode
"""

import codecs
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from homeostat.core.json import Json, JsonObject, refuse

AT_ONCE: Final = 1 << 17
"""Characters that are waited for before more is read, so that few values are begun before they are whole."""

SMALL: Final = 16
"""Members of a list or an object that is looked for among those that came before: of large ones hardly two are equal,
nor of objects that have an id.
"""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_AFTER_A_VALUE: Final = frozenset(",:]}")


class NotJson(ValueError):
    """An answer is no object of JSON, is cut short, has more after its end, or is nested too deeply to be read."""


async def read_lean(parts: AsyncIterator[bytes], long: str, at_once: int = AT_ONCE) -> JsonObject:
    """The object whose text the parts are, in UTF-8: without members that are null, and what is equal once, texts as
    well as small lists and objects.

    For pages of resources, most of whose many members are null or say what a thousand others do. `long` is the member
    whose list is read element by element; any other is read as a whole. What is read is to be left as it is. Raises
    NotJson.
    """
    text = _Text(parts, at_once)
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
    """What has come and is not read yet."""

    def __init__(self, parts: AsyncIterator[bytes], at_once: int) -> None:
        self._parts = parts
        self._at_once = at_once
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._json = _lean_decoder()
        self._text = ""
        self._at = 0
        self._is_all = False

    async def next(self) -> str:
        """The next character that is no space, which stays; nothing at the end."""
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
        """The next value. What cannot be read may lack its end, as may a number: that is known once all has come."""
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
        """At least as much again as is waiting: else a value of many parts would be tried again with each of them."""
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
        if type(value) is list and len(value) <= SMALL:
            return lists.setdefault(tuple(map(_identity, value)), value)
        return value

    def lean(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found = {one_text(key, key): one_of(value) for key, value in members if value is not None}
        if len(found) > SMALL or "id" in found:
            return found
        return objects.setdefault((*found, *map(_identity, found.values())), found)

    return json.JSONDecoder(object_pairs_hook=lean, parse_constant=refuse)


def _identity(value: Any) -> object:
    """What tells it from others: what a kept list or object holds lives as long, so that no other gets its id."""
    return value if type(value) is str else id(value)
