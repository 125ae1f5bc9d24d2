"""The selectors' answers, and how they are stored. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from homeostat.core import json
from homeostat.core.ids import ResourceId
from homeostat.core.json import JsonObject
from homeostat.core.selectors import NO_TAGS, SelectedApp

FORMAT: Final = 1
"""Version of the stored format."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The web apps found for one selector's criteria. tags: the names, in lower case, whose values the apps carry."""

    at: datetime
    tags: frozenset[str]
    apps: tuple[SelectedApp, ...]


type Apps = Mapping[ResourceId, SelectedApp]


def by_id(answer: Answer | None) -> Apps:
    return {app.id: app for app in answer.apps} if answer else {}


def reuse_known(found: SelectedApp, known: Apps) -> SelectedApp:
    """The known object if the app did not change: most do not, and the fleet holds what it was built from."""
    before = known.get(found.id)
    return before if before is not None and before.spelled == found.spelled else found


def to_data(answers: Mapping[str, Answer]) -> bytes:
    return json.render({"format": FORMAT, "answers": {key: _to_json(each) for key, each in answers.items()}}).encode()


def _to_json(answer: Answer) -> JsonObject:
    return {
        "at": answer.at.isoformat(),
        "tags": sorted(answer.tags),
        "apps": [[app.id.text, dict(app.tags)] for app in answer.apps],
    }


def from_data(data: bytes, before: Mapping[str, Answer]) -> Mapping[str, Answer]:
    """The stored answers. Apps that did not change are the objects of `before`.

    Raises ValueError, TypeError, KeyError, RecursionError and InvalidResourceId for anything else.
    """
    body = json.parse(data)
    stored = json.at(body, ("answers",))
    if json.at(body, ("format",)) != FORMAT or not isinstance(stored, Mapping):
        raise ValueError(f"it has no answers in format {FORMAT}")
    return {key: _answer_of(each, by_id(before.get(key))) for key, each in stored.items()}


def _answer_of(stored: json.Json, known: Apps) -> Answer:
    """Raises ValueError, TypeError, KeyError and InvalidResourceId if it is not an answer."""
    if not isinstance(stored, Mapping):
        raise TypeError("an answer is an object")
    apps, tags = stored["apps"], stored["tags"]
    if not isinstance(apps, list) or not isinstance(tags, list):
        raise TypeError("an answer has lists of apps and tags")
    found = []
    for id_, values in apps:
        if not isinstance(values, Mapping):
            raise TypeError("an app's tags are an object")
        own = {name: str(value) for name, value in values.items()}
        found.append(reuse_known(SelectedApp(ResourceId.parse(str(id_)), own or NO_TAGS), known))
    return Answer(datetime.fromisoformat(json.text_at(stored, "at")), frozenset(map(str, tags)), tuple(found))
