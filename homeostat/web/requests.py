"""What callers may send, checked before anything is done. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from homeostat.core import json
from homeostat.core.errors import HomeostatError
from homeostat.core.json import Json

MAX_BODY = 64 * 1024
MAX_DEPTH = 4
"""Levels of objects and lists in a body; those of today need two."""

MAX_PAUSE = timedelta(days=30)
MIN_RETEST, MAX_RETEST = 10, 3600  # seconds


class BadRequest(HomeostatError):
    """The request is not one that is understood."""


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
    """Of what needs no more than a word on why, and may do without it."""

    reason: Annotated[str, Field(max_length=500)] = ""


class RetestBody(_Body):
    seconds: int = Field(alias="for", ge=MIN_RETEST, le=MAX_RETEST)
    reason: Annotated[str, Field(max_length=500)] = ""


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
        raise BadRequest("; ".join(_words(detail) for detail in error.errors(include_url=False))) from error


def _is_utf8(sent: Json) -> bool:
    """JSON can name what UTF-8 cannot say: a reason like that would break every page and terminal that shows it."""
    try:
        json.render(sent).encode()
    except UnicodeEncodeError:
        return False
    return True


def _words(detail: Mapping[str, Any]) -> str:
    place = ".".join(str(key) for key in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def until(body: PauseBody, now: datetime) -> datetime:
    """When a pause ends. Raises BadRequest for a time without zone, in the past, or too far away."""
    if body.until.tzinfo is None:
        raise BadRequest("until: give a time zone, 2030-01-31T06:00:00Z")
    if not now < body.until <= now + MAX_PAUSE:
        raise BadRequest(f"until: give a time in the next {MAX_PAUSE.days} days")
    return body.until


def limit(text: str | None) -> int:
    """How many entries. Raises BadRequest."""
    if text is None:
        return 50
    if text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= 1000:
        return int(text)
    raise BadRequest("limit: give a number from 1 to 1000")
