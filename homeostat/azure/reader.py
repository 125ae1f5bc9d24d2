"""Reads of ARM: one request each through the shared pipeline, the body as plain JSON.

Thin on purpose: the SDKs' models would cost three times the CPU, and the same JSON also comes from Resource Graph and
from recordings, so that one normaliser serves all three.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from azure.core.rest import AsyncHttpResponse, HttpRequest

from homeostat.azure.blocks import HEALING, Pace
from homeostat.azure.clouds import Cloud
from homeostat.azure.governor import PACE
from homeostat.azure.pipeline import Pipeline
from homeostat.azure.retry import named
from homeostat.core import json
from homeostat.core.arm_errors import ArmError, ErrorClass, missing_resource
from homeostat.core.arm_types import ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Fact, Found, Gone, Read, Unreadable

MAX_PAGES: Final = 500
"""A listing with more pages than this is taken to be circular."""

DEPLOYMENTS_VERSION: Final = "2021-04-01"
SUBSCRIPTIONS_VERSION: Final = "2022-12-01"
RUNNING: Final = "provisioningState eq 'Running'"

ACCEPT: Final = {"Accept": "application/json"}


class PipelineReader:
    """The ArmReader, SubscriptionReader and DeploymentReader ports over the shared pipeline."""

    def __init__(self, pipeline: Pipeline, cloud: Cloud, pace: Pace = HEALING) -> None:
        self._pipeline = pipeline
        self._cloud = cloud
        self._options = {PACE: pace}

    async def read(self, read: Read) -> Fact:
        try:
            return await (self._pages(_request(self._cloud, read)) if read.every else self._get(read))
        except ArmError as error:
            return _fact_of(error, read.id)

    async def read_all(self, type_: ArmType, subscription: str) -> Fact:
        url = f"{self._cloud.arm}/subscriptions/{subscription}/providers/{type_.name}?api-version={type_.api_version}"
        try:
            return await self._pages(HttpRequest("GET", url, headers=ACCEPT))
        except ArmError as error:
            return Unreadable(error)

    async def subscriptions(self, scope: str) -> Fact:  # noqa: ARG002 - one cloud's are the same everywhere
        """Those that the credential has any role in. Listing them takes no permission.

        https://learn.microsoft.com/rest/api/resources/subscriptions/list
        """
        try:
            return await self._pages(
                HttpRequest(
                    "GET", f"{self._cloud.arm}/subscriptions?api-version={SUBSCRIPTIONS_VERSION}", headers=ACCEPT
                )
            )
        except ArmError as error:
            return Unreadable(error)

    async def running_deployments(self, subscription: str, resource_group: str) -> Fact:
        """https://learn.microsoft.com/rest/api/resources/deployments/list-by-resource-group"""
        group = f"{self._cloud.arm}/subscriptions/{subscription}/resourceGroups/{quote(resource_group, safe='()')}"
        query = f"$filter={quote(RUNNING)}&api-version={DEPLOYMENTS_VERSION}"
        url = f"{group}/providers/Microsoft.Resources/deployments?{query}"
        try:
            return await self._pages(HttpRequest("GET", url, headers=ACCEPT))
        except ArmError as error:
            return Gone() if error.error_class is ErrorClass.MISSING_PARENT else Unreadable(error)

    async def _get(self, read: Read) -> Found:
        answer = await self._send(_request(self._cloud, read))
        body = _body(answer)
        if not isinstance(body, Mapping):
            raise _odd_answer(answer.request, "the answer is no object")
        if _is_listed(read):
            # What ARM shows only to a POST may be secret; which of it is, only its owner knows.
            body = json.with_value(body, ("properties",), json.sealed(_properties(body, answer.request)))
        etag = answer.headers.get("ETag") or json.text_at(body, "etag") or None
        return Found(body, etag, at=_date(answer))

    async def _pages(self, request: HttpRequest) -> Found:
        found: list[Json] = []
        for _ in range(MAX_PAGES):
            answer = await self._send(request)
            page = _body(answer)
            found.extend(_members(page, request))
            further = json.text_at(page, "nextLink")
            if not further:
                return Found({"value": found}, at=_date(answer))
            request = HttpRequest("GET", further)
        raise _odd_answer(request, f"the listing has more than {MAX_PAGES} pages")

    async def _send(self, request: HttpRequest) -> AsyncHttpResponse:
        return (await self._pipeline.run(request, stream=False, **self._options)).http_response


def _request(cloud: Cloud, read: Read) -> HttpRequest:
    path = quote(read.id.text, safe="/()")
    if read.every:
        path = f"{path}/{read.type.collection}"
    method = "GET"
    if _is_listed(read):
        method, path = "POST", f"{path}/list"
    return HttpRequest(method, f"{cloud.arm}{path}?api-version={read.type.api_version}", headers=ACCEPT)


def _is_listed(read: Read) -> bool:
    return read.id.name.lower() in read.type.listed and not read.every


def _properties(body: Json, asked: HttpRequest) -> Json:
    """Raises if they are missing: that must not read as "no settings", since a write would then replace them all."""
    properties = json.at(body, ("properties",))
    if not isinstance(properties, Mapping):
        raise _odd_answer(asked, "the answer has no properties")
    return properties


def _body(answer: AsyncHttpResponse) -> Json:
    try:
        return json.parse(answer.content)
    except ValueError as error:
        raise _odd_answer(answer.request, "the answer is not JSON") from error


def _date(answer: AsyncHttpResponse) -> datetime | None:
    """The answer's Date (RFC 9110, 6.6.1); None if it is missing or malformed."""
    try:
        date = parsedate_to_datetime(answer.headers.get("Date") or "")
    except ValueError:
        return None
    return date.astimezone(UTC) if date.tzinfo else None


def _members(page: Json, asked: HttpRequest) -> list[Json]:
    """The items of a page. Some listings of Microsoft.Web are bare arrays. A page without a list is not empty."""
    value = page if isinstance(page, list) else json.at(page, ("value",))
    if not isinstance(value, list):
        raise _odd_answer(asked, "the answer lists nothing, not even an empty list")
    return list(value)


def _fact_of(error: ArmError, asked: ResourceId) -> Fact:
    if error.error_class is not ErrorClass.MISSING:
        return Unreadable(error)
    missing = missing_resource(error.message)
    if any(missing == ancestor.key.partition("/providers/")[2] for ancestor in asked.lineage[1:]):
        error.error_class = ErrorClass.MISSING_PARENT
        return Unreadable(error)
    return Gone()


def _odd_answer(request: HttpRequest, message: str) -> ArmError:
    return ArmError(200, "OddAnswer", message, ErrorClass.TRANSIENT, request=named(request))
