"""Variables in a spec: `${name}` in any text, key or value, stands for a text of the document or of its profiles.

`$${` stands for a plain `${`. A variable's own text may use others. An undefined variable is an error.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from homeostat.core.json import Json
from homeostat.core.source import Keys, Pool

TAG: Final = "tag:"
"""`${tag:NAME}` is the value of an app's tag in Azure; it is known for apps that a selector selects."""

BUILT_IN: Final = ("target", "web_app", "resource_group", "subscription")
"""Variables from the head of a document."""

MAX_TEXT: Final = 4096
"""Characters of a variable: otherwise a few that use one another twice would fill the memory."""

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_TAG_NAME = re.compile(r"tag:[^<>*%&:\\?/+{}]{1,512}")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the text at `keys`. It quotes nothing of the text but a variable's name."""

    keys: Keys
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Values:
    """The variables' values. passing: those whose text is one target's alone."""

    texts: Mapping[str, str] = field(default_factory=dict)
    passing: frozenset[str] = frozenset()


@dataclass(slots=True)
class Substitution:
    """Replaces references by texts, and remembers the results for parts that several documents share."""

    pool: Pool
    _used: dict[int, frozenset[str]] = field(default_factory=dict)  # by the id of a part in the pool
    _in_keys: dict[int, frozenset[str]] = field(default_factory=dict)  # likewise
    _done: dict[tuple[object, ...], Json] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._used) + len(self._done)

    def used(self, data: Json) -> frozenset[str]:
        """The names of all references in the data, which must be from the pool; "" is among them for an escape."""
        if isinstance(data, str):
            return names_in(data)
        if data is None or not isinstance(data, Mapping | Sequence):
            return _NONE
        known = self._used.get(id(data))
        if known is None:
            parts = [self.used(value) for value in (data.values() if isinstance(data, Mapping) else data)]
            keys = map(names_in, data) if isinstance(data, Mapping) else ()
            known = self._used[id(data)] = _NONE.union(*parts, *keys)
        return known

    def used_in_keys(self, data: Json) -> frozenset[str]:
        """The same for its keys alone, at every depth."""
        if isinstance(data, str) or not isinstance(data, Mapping | Sequence):
            return _NONE
        known = self._in_keys.get(id(data))
        if known is None:
            inner = data.values() if isinstance(data, Mapping) else data
            keys = map(names_in, data) if isinstance(data, Mapping) else ()
            known = self._in_keys[id(data)] = _NONE.union(*map(self.used_in_keys, inner), *keys)
        return known

    def spelled(self, data: Json, values: Mapping[str, str]) -> Json:
        """The data with the references in its keys replaced, so that keys can be compared; `applied` does the rest.

        A key is left as it is if it would become equal to another, or if its reference is unknown, which `applied`
        reports.
        """
        used = self.used_in_keys(data)
        if not used & values.keys():
            return data
        done = ("", id(data), *((name, values.get(name)) for name in sorted(used)))
        if done not in self._done:
            self._done[done] = self.pool.pooled(self._spelled(data, values))
        return self._done[done]

    def _spelled(self, data: Json, values: Mapping[str, str]) -> Json:
        if not isinstance(data, Mapping):
            assert isinstance(data, Sequence), "only mappings and lists have keys in them"
            return [self.spelled(value, values) for value in data]
        names = {key: _spelled_key(key, values) for key in data}
        if len(set(names.values())) < len(names):
            names = {key: key for key in data}
        return {names[key]: self.spelled(value, values) for key, value in data.items()}

    def applied(self, data: Json, values: "Values", troubles: list[Trouble], keys: Keys = ()) -> Json:
        """The data with every reference replaced; the same object if it has none. What cannot be replaced stays.

        The result is from the pool again, unless it uses a passing variable: nobody else would ever need that.
        """
        used = self.used(data)
        if not used:
            return data
        if isinstance(data, str):
            texts = values.texts
            return _replaced(data, texts, lambda message, remedy: troubles.append(Trouble(keys, message, remedy)))
        if used & values.passing:
            return self._replaced_in(data, values, troubles, keys)
        done = (id(data), *((name, values.texts.get(name)) for name in sorted(used)))
        known = self._done.get(done)
        if known is not None:
            return known
        before = len(troubles)
        found = self.pool.pooled(self._replaced_in(data, values, troubles, keys))
        if len(troubles) == before:
            self._done[done] = found
        return found

    def _replaced_in(self, data: Json, values: "Values", troubles: list[Trouble], keys: Keys) -> Json:
        if not isinstance(data, Mapping):
            assert isinstance(data, Sequence), "only mappings, lists and texts hold references"
            return [self.applied(value, values, troubles, (*keys, at)) for at, value in enumerate(data)]
        found: dict[str, Json] = {}
        for key, value in data.items():
            name = str(self.applied(key, values, troubles, (*keys, key)))
            if name in found:
                message = f"the key becomes {name!r}, which stands here already"
                troubles.append(Trouble((*keys, key), message, "Let variables in keys make different keys."))
            found[name] = self.applied(value, values, troubles, (*keys, key))
        return found


_NONE: Final[frozenset[str]] = frozenset()


def names_in(text: str) -> frozenset[str]:
    """The names that a text refers to; "" is among them if it has an escape, or a malformed reference."""
    if "${" not in text:
        return _NONE
    return frozenset(found[1] or "" for found in _REFERENCE.finditer(text))


def _spelled_key(key: str, values: Mapping[str, str]) -> str:
    names = names_in(key)
    if not names <= values.keys():
        return key
    text = _replaced(key, values, lambda _message, _remedy: None)
    return key if "${" in text else text


def escaped(data: Json) -> Json:
    """Data that stands for itself, whatever its texts contain."""
    if isinstance(data, str):
        return data.replace("${", "$${")
    if isinstance(data, Mapping):
        return {str(escaped(key)): escaped(value) for key, value in data.items()}
    return [escaped(value) for value in data] if isinstance(data, Sequence) else data


def _replaced(text: str, values: Mapping[str, str], refuse: Callable[[str, str], None]) -> str:
    def one(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name = found[1]
        if name in values:
            return values[name]
        refuse(*_unknown(name))
        return found[0]

    return _REFERENCE.sub(one, text)


def _unknown(name: str | None) -> tuple[str, str]:
    if name and _TAG_NAME.fullmatch(name):
        return f"the app has no tag for ${{{name}}}", "Tag it, or select only apps that have the tag."
    if name and NAME.fullmatch(name):
        return f"there is no variable {name!r}", "Define it under `variables`, or write `$${` for a plain `${`."
    return "`${` begins no variable's name", "Write `${name}`, or `$${` for a plain `${`."


def evaluated(texts: Mapping[str, str], given: Mapping[str, str]) -> Iterator[tuple[str, str | Trouble]]:
    """Each of the texts by its name, with all references replaced; `given` needs no replacing.

    A Trouble, whose keys are the name, for a circular or undefined reference.
    """
    known: dict[str, str | Trouble] = dict(given)
    for name in texts:
        yield name, _evaluated(name, texts, known, ())


def _evaluated(
    name: str, texts: Mapping[str, str], known: dict[str, str | Trouble], above: tuple[str, ...]
) -> str | Trouble:
    if name in known:
        return known[name]
    if name in above:
        circle = " > ".join((*above[above.index(name) :], name))
        return Trouble((name,), f"variables lead in a circle: {circle}", "Give one of them a text of its own.")
    values: dict[str, str] = {}
    troubles: list[Trouble] = []
    for used in sorted(names_in(texts[name])):
        if used not in texts and used not in known:
            continue  # reported when it is replaced
        value = _evaluated(used, texts, known, (*above, name))
        if isinstance(value, Trouble):
            troubles.append(replace(value, keys=(name,)))
        else:
            values[used] = value
    text = _replaced(texts[name], values, lambda message, remedy: troubles.append(Trouble((name,), message, remedy)))
    if len(text) > MAX_TEXT:
        troubles.append(Trouble((name,), f"the variable has more than {MAX_TEXT} characters", "Shorten it."))
    known[name] = troubles[0] if troubles else text
    return known[name]
