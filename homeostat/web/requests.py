"""What callers may send, checked before anything is done. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.json import Json
from homeostat.core.known_keys import near

MAX_BODY = 64 * 1024
MAX_DEPTH = 4
"""Levels of objects and lists in a body; those of today need two."""

MAX_PAUSE = timedelta(days=30)
MAX_RELEASE = timedelta(days=1)
A_TIME = "2030-01-31T06:00:00Z"
MIN_RETEST, MAX_RETEST = 10, 3600  # seconds


class BadRequest(HomeostatError):
    """The request is malformed."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, strict=True)


class RemediateBody(_Body):
    """`{"targets": ["NAME"]}` or `{"all": true, "confirm": N}`, N the number of targets that are meant."""

    targets: Annotated[list[str], Field(max_length=1000)] | None = None
    all: bool = False
    confirm: int = 0
    dry_run: bool = False
    create: bool = False
    wait: bool = False
    max_writes: Annotated[int, Field(ge=1, le=20_000)] | None = None
    reason: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.all == bool(self.targets):
            raise ValueError('send either "targets": ["NAME", ...] or "all": true with "confirm": N')
        return self


class PauseBody(_Body):
    until: datetime = Field(strict=False)
    reason: Annotated[str, Field(max_length=500)] = ""


class ReasonBody(_Body):
    """For calls that take only a reason, which may be left out."""

    reason: Annotated[str, Field(max_length=500)] = ""


class ReleaseBody(_Body):
    """`until` is for a mass drift, which is only released for a time."""

    what: Literal["mass-drift", "rollout"]
    until: datetime | None = Field(default=None, strict=False)
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class RetestBody(_Body):
    seconds: int = Field(alias="for", ge=MIN_RETEST, le=MAX_RETEST)
    reason: Annotated[str, Field(max_length=500)] = ""


class RollbackBody(_Body):
    """entry: of a ledger entry or a snapshot; without it the target's last write."""

    entry: Annotated[str, Field(max_length=1024)] = ""
    seconds: int = Field(alias="for", default=4 * 3600, ge=60, le=int(MAX_PAUSE.total_seconds()))
    reason: Annotated[str, Field(max_length=500)] = ""
    dry_run: bool = False


def parse_body[Body: _Body](model: type[Body], body: bytes) -> Body:
    """Raises BadRequest, which names each wrong field."""
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body has {len(body)} bytes, more than {MAX_BODY}")
    try:
        sent = json.parse(body or b"{}")
    except ValueError as error:
        raise BadRequest("the body is not JSON: send an object, encoded as UTF-8") from error
    if json.is_deeper(sent, MAX_DEPTH):
        raise BadRequest(f"the body is nested in more than {MAX_DEPTH} levels: send one object with its fields")
    if not _is_utf8(sent):
        raise BadRequest("the body holds half a character (a lone surrogate): no store or page can take it")
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise BadRequest("; ".join(_words(detail, model) for detail in error.errors(include_url=False))) from error


def _is_utf8(sent: Json) -> bool:
    """JSON can hold what UTF-8 cannot encode: such a reason would break every page and terminal that shows it."""
    try:
        json.render(sent).encode()
    except UnicodeEncodeError:
        return False
    return True


def form(body: bytes) -> Mapping[str, str]:
    """The fields of a page's form, each once. Raises BadRequest."""
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body has {len(body)} bytes, more than {MAX_BODY}")
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=10))
    except ValueError as error:  # not ASCII, or too many fields
        raise BadRequest("the body is not what a form of ours sends") from error


def _words(detail: Mapping[str, Any], model: type[_Body]) -> str:
    keys, error_type = detail["loc"], str(detail["type"])
    place = ".".join(str(key) for key in keys)
    if error_type == "extra_forbidden":
        meant = near(model, keys)
        return f"{place}: is not a known field{f'; did you mean {meant}?' if meant else ''}"
    if error_type.startswith("datetime"):
        return f"{place}: give a time with its zone, {A_TIME}"
    if not place and error_type == "model_type":
        return "send one object with its fields"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def until(body: PauseBody, now: datetime) -> datetime:
    """When a pause ends. Raises BadRequest for a time without zone, in the past, or too far away."""
    return _time_to_come(body.until, now, MAX_PAUSE)


def released_until(body: ReleaseBody, now: datetime) -> datetime:
    """When the release of a mass drift ends. Raises BadRequest as `until` does, and if there is no time."""
    if body.until is None:
        raise BadRequest("until: say how long repairs may go on however much drifts, " + A_TIME)
    return _time_to_come(body.until, now, MAX_RELEASE)


def _time_to_come(time: datetime, now: datetime, at_most: timedelta) -> datetime:
    if time.tzinfo is None:
        raise BadRequest(f"until: give a time zone, {A_TIME}")
    if not now < time <= now + at_most:
        raise BadRequest(f"until: give a time in the next {'day' if at_most.days == 1 else f'{at_most.days} days'}")
    return time


def limit(text: str | None) -> int:
    """How many entries. Raises BadRequest."""
    if text is None:
        return 50
    if text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= 1000:
        return int(text)
    raise BadRequest("limit: give a number from 1 to 1000")


def cursor(text: str | None) -> str:
    """The id of a ledger entry, after which the next page begins. Raises BadRequest."""
    if not text or re.fullmatch(r"[0-9]{18}-[0-9a-f]{12}", text):
        return text or ""
    raise BadRequest("before: give the id of a ledger entry")
