"""Writes a spec as YAML text with comments.

PyYAML's emitter has no comments. Scalars are plain only if YAML 1.1 reads them as the text that they are (or as the
decimal number that they show), so that no other reader of the file sees another value.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import yaml
from yaml.resolver import Resolver

from homeostat.core.json import Json, JsonObject, Path
from homeostat.core.secret_value import Secret

WIDTH: Final = 120
_FLOW_DEPTH: Final = 3
"""From this depth on, a mapping of scalars is written on one line if it fits: it describes one item."""

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*(:[A-Za-z0-9_./][A-Za-z0-9_./-]*)*")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_SINGLE_LETTERS = frozenset({"y", "Y", "n", "N"})  # booleans to YAML 1.1, though not to PyYAML
_TEXT_TAG = "tag:yaml.org,2002:str"

_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}

type Comments = Mapping[Path, Sequence[str]]
"""Lines above a key, by the keys that lead to it."""


def render(data: JsonObject, comments: Comments, header: Sequence[str]) -> str:
    """One YAML document. Sections are separated by an empty line."""
    lines = [_comment(line, "") for line in header]
    for key, value in data.items():
        if isinstance(value, Mapping) and lines:
            lines.append("")
        lines.extend(_entry(key, value, (key,), comments))
    return "\n".join(lines) + "\n"


def writable(text: str) -> bool:
    """Whether a text can be written to a UTF-8 file: a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _entry(key: str, value: Json, path: Path, comments: Comments) -> Iterator[str]:
    indent = "  " * (len(path) - 1)
    yield from (_comment(line, indent) for line in comments.get(path, ()))
    head = f"{indent}{scalar(key)}:"
    if not isinstance(value, Mapping) or not value or _on_one_line(value, path, comments, head):
        yield f"{head} {_inline(value, flow=isinstance(value, Mapping))}"
        return
    yield head
    for name, inner in value.items():
        yield from _entry(name, inner, (*path, name), comments)


def _on_one_line(value: JsonObject, path: Path, comments: Comments, head: str) -> bool:
    return (
        len(path) >= _FLOW_DEPTH
        and not any(isinstance(inner, Mapping) for inner in value.values())
        and not any(len(other) > len(path) and other[: len(path)] == path for other in comments)
        and len(head) + 1 + len(_inline(value, flow=True)) <= WIDTH
    )


def _inline(value: Json, *, flow: bool) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key, flow=True)}: {_inline(it, flow=True)}" for key, it in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return scalar(value, flow=flow)
    if isinstance(value, Secret):
        raise TypeError("a secret is not written into a spec: it is `{secret: true}` there")
    return "[" + ", ".join(_inline(item, flow=True) for item in value) + "]"


def scalar(text: str, *, flow: bool = False) -> str:
    """The text as one YAML scalar, which every YAML 1.1 reader reads as this text."""
    if _NUMBER.fullmatch(text):
        return text
    if _PLAIN.fullmatch(text) and text not in _SINGLE_LETTERS and not (flow and ":" in text) and _reads_as_text(text):
        return text
    return '"' + _UNPRINTABLE.sub(_escape, re.sub(r'["\\\n\t]', lambda it: _ESCAPED[it[0]], text)) + '"'


def _reads_as_text(text: str) -> bool:
    tag: object = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # types-pyyaml has none
    return tag == _TEXT_TAG


_RESOLVER = Resolver()


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def _comment(line: str, indent: str) -> str:
    """A comment never ends its line early, whatever names from Azure are in it."""
    return f"{indent}# {_UNPRINTABLE.sub(' ', line)}".rstrip()
