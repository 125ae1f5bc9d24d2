"""Writes to ARM: the SDKs send the request, and the operation that it starts is followed to its end.

A table, `WRITES`, says which SDK operation writes a type; a new type is a new row. The SDKs are large, and most
instances never write, so an SDK is imported by the first write that needs it, in a thread (ADR 0023).

An SDK operation accepts only the statuses in its specification, while ARM accepts some writes with an unlisted 202. So
the first answer is taken from the pipeline, not from the SDK's return value, and followed from there.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from json import dumps
from typing import Any, Final
from urllib.parse import quote

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError, IncompleteReadError, ServiceRequestError, ServiceResponseError
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core import AsyncARMPipelineClient

from homeostat.ambient import Ambient
from homeostat.azure.clouds import Cloud
from homeostat.azure.operation import NotTold, follow
from homeostat.azure.pipeline import CORRELATION_ID, REQUEST_ID, SEND_BY, Pipeline
from homeostat.azure.retry import Response, named
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.arm_types import (
    A_RECORD,
    COSMOS_DB,
    FLOW_LOG,
    KEY_VAULT,
    MANAGED_REDIS,
    NETWORK_SECURITY_GROUP,
    POSTGRESQL,
    PRIVATE_DNS_ZONE,
    PRIVATE_DNS_ZONE_GROUP,
    PRIVATE_ENDPOINT,
    REDIS,
    ROUTE,
    ROUTE_TABLE,
    SECURITY_RULE,
    SERVICE_BUS,
    SITE,
    SITE_CONFIG,
    SITE_NETWORK_CONFIG,
    SLOT,
    SLOT_CONFIG,
    SLOT_NETWORK_CONFIG,
    SQL_SERVER,
    STORAGE_ACCOUNT,
    SUBNET,
    VIRTUAL_NETWORK_LINK,
    ArmType,
    Concurrency,
)
from homeostat.core.errors import HomeostatError
from homeostat.core.json import revealed, without_secrets
from homeostat.core.plan import Action, Verb
from homeostat.ports.azure import StillRunning, Written


class NoSuchWrite(HomeostatError):
    """An action that no row of `WRITES` covers: a mistake of ours, found before anything was sent."""


@dataclass(frozen=True, slots=True)
class Sdk:
    """version_per_call: whether its operations take the api-version, instead of its client."""

    module: str
    client: str
    version_per_call: bool = False


WEB: Final = Sdk("azure.mgmt.web.aio", "WebSiteManagementClient")
NETWORK: Final = Sdk("azure.mgmt.network.aio", "NetworkManagementClient", version_per_call=True)
PRIVATE_DNS: Final = Sdk("azure.mgmt.privatedns.aio", "PrivateDnsManagementClient")


@dataclass(frozen=True, slots=True)
class Operation:
    """An SDK operation, `group.method`. It takes the resource group, the resource's names, and the body of a PUT.

    only: the resource's last name where the operation implies it; it is not passed.
    kind: of a record set; the operation takes it before the set's name.
    """

    sdk: Sdk
    group: str
    method: str
    only: str = ""
    kind: str = ""

    @property
    def is_long(self) -> bool:
        return self.method.startswith("begin_")


def _site_writes(
    site: ArmType, config: ArmType, network_config: ArmType, twin: str
) -> Mapping[tuple[str, Verb], Operation]:
    """A slot's operations are named as a site's, with `_slot` at the end."""
    swift = "swift_virtual_network"
    put = f"create_or_update_{swift}_connection_with_check{twin}"
    return {
        (site.name, Verb.PATCH): Operation(WEB, "web_apps", f"update{twin}"),
        (config.name, Verb.PUT): Operation(WEB, "web_apps", f"update_application_settings{twin}", "appsettings"),
        (network_config.name, Verb.PUT): Operation(WEB, "web_apps", put, "virtualNetwork"),
        (network_config.name, Verb.DELETE): Operation(WEB, "web_apps", f"delete_{swift}{twin}", "virtualNetwork"),
    }


def _begin(row: ArmType, sdk: Sdk, group: str) -> Mapping[tuple[str, Verb], Operation]:
    """Long-running PUT and DELETE, which almost all network types have."""
    return {
        (row.name, Verb.PUT): Operation(sdk, group, "begin_create_or_update"),
        (row.name, Verb.DELETE): Operation(sdk, group, "begin_delete"),
    }


WRITES: Final[Mapping[tuple[str, Verb], Operation]] = {
    **_site_writes(SITE, SITE_CONFIG, SITE_NETWORK_CONFIG, ""),
    **_site_writes(SLOT, SLOT_CONFIG, SLOT_NETWORK_CONFIG, "_slot"),
    **_begin(NETWORK_SECURITY_GROUP, NETWORK, "network_security_groups"),
    **_begin(SECURITY_RULE, NETWORK, "security_rules"),
    **_begin(SUBNET, NETWORK, "subnets"),
    **_begin(ROUTE_TABLE, NETWORK, "route_tables"),
    **_begin(ROUTE, NETWORK, "routes"),
    **_begin(FLOW_LOG, NETWORK, "flow_logs"),
    **_begin(PRIVATE_ENDPOINT, NETWORK, "private_endpoints"),
    **_begin(PRIVATE_DNS_ZONE_GROUP, NETWORK, "private_dns_zone_groups"),
    **_begin(PRIVATE_DNS_ZONE, PRIVATE_DNS, "private_zones"),
    **_begin(VIRTUAL_NETWORK_LINK, PRIVATE_DNS, "virtual_network_links"),
    (A_RECORD.name, Verb.PUT): Operation(PRIVATE_DNS, "record_sets", "create_or_update", kind="A"),
    (A_RECORD.name, Verb.DELETE): Operation(PRIVATE_DNS, "record_sets", "delete", kind="A"),
}
"""By type name and verb."""

PATCHED_WITHOUT_SDK: Final = frozenset(
    row.name
    for row in (SQL_SERVER, KEY_VAULT, REDIS, STORAGE_ACCOUNT, COSMOS_DB, POSTGRESQL, SERVICE_BUS, MANAGED_REDIS)
)
"""Types that are only ever patched: an SDK for each would be megabytes for one line of JSON."""

DEADLINE: Final = timedelta(seconds=120)


class SdkWriter:
    """The ArmWriter port over the SDKs and the shared pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        credential: AsyncTokenCredential,
        cloud: Cloud,
        ambient: Ambient,
        deadline: timedelta = DEADLINE,
    ) -> None:
        self._pipeline = pipeline
        self._credential = credential
        self._cloud = cloud
        self._ambient = ambient
        self._deadline = deadline
        self._thin: AsyncARMPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncARMPipelineClient(
            cloud.arm, pipeline=pipeline, policies=[]
        )
        self._clients: dict[tuple[Sdk, str, str], Any] = {}

    async def write(self, action: Action, *, correlation_id: str = "", send_by: float | None = None) -> Written:
        started = self._ambient.monotonic()
        request_id = correlation_id or str(self._ambient.uuid())
        try:
            answer = await self._send(action, request_id, send_by)
        except ArmError as error:
            if action.verb is Verb.DELETE and error.error_class is ErrorClass.MISSING:
                return Written(request_id, request_id)
            error.message = without_secrets(error.message, action.body)  # an answer may quote what was sent
            raise
        arms_id = answer.http_response.headers.get(CORRELATION_ID) or request_id
        written = Written(request_id, arms_id, _has_replaced(action, answer))
        if _is_over(action, answer):
            return written
        left = self._deadline.total_seconds() - (self._ambient.monotonic() - started)
        try:
            unfinished = await follow(self._thin, answer, self._ambient, left)
        except NotTold as refusal:
            return replace(written, not_told=refusal)
        if unfinished is not None:
            raise StillRunning(action.resource, written, unfinished)
        return written

    async def _send(self, action: Action, request_id: str, send_by: float | None) -> Response:
        """Sends the write and returns ARM's first answer, which is a success."""
        if action.type.name in PATCHED_WITHOUT_SDK and action.verb is Verb.PATCH:
            return await self._send_without_sdk(action, request_id, send_by)
        operation = _operation_for(action)
        answers: list[Response] = []
        options = _options(action, operation, request_id) | {"raw_response_hook": answers.append, SEND_BY: send_by}
        client = await self._client(operation.sdk, action)
        call = getattr(getattr(client, operation.group), operation.method)
        try:
            await call(*_arguments(action, operation), **options)
        except (IncompleteReadError, ServiceRequestError, ServiceResponseError) as error:
            # The connection broke while the SDK was reading the body: ARM had already accepted the write.
            where = f"{action.verb} {action.resource}"
            raise ArmError.no_answer(str(error), sent=True, request=where) from error
        except (HttpResponseError, ValueError, RecursionError) as error:
            # ARM's errors come as ArmError. What is left is a success that the SDK did not expect, or a redirect.
            if not answers or answers[0].http_response.status_code >= 300:
                raise _unexpected(answers, error) from error
        if not answers[0].http_response.is_stream_consumed:
            await answers[0].http_response.read()  # the SDK failed on a header before it read the body
        return answers[0]

    async def _send_without_sdk(self, action: Action, request_id: str, send_by: float | None) -> Response:
        url = f"{self._cloud.arm}{quote(action.resource.text, safe='/()')}?api-version={action.type.api_version}"
        headers = {REQUEST_ID: request_id, CORRELATION_ID: request_id}
        request = HttpRequest(action.verb.value, url, headers=headers, json=revealed(action.body))
        return await self._pipeline.run(request, stream=False, **{SEND_BY: send_by})

    async def _client(self, sdk: Sdk, action: Action) -> Any:
        version = {} if sdk.version_per_call else {"api_version": action.type.api_version}
        key = (sdk, action.resource.subscription.lower(), version.get("api_version", ""))
        if key not in self._clients:
            # In a thread: the import takes 0.3 s, in which leases must be renewed and other roots handled.
            module = await self._ambient.offload(partial(importlib.import_module, sdk.module))
            client = getattr(module, sdk.client)
            self._clients[key] = client(
                self._credential,
                action.resource.subscription,
                base_url=self._cloud.arm,
                credential_scopes=[self._cloud.scope],
                pipeline=self._pipeline,
                policies=[],
                **version,
            )
        return self._clients[key]


def _is_over(action: Action, answer: Response) -> bool:
    """Whether the write is over: after a 201 of an operation that is not long-running it is, whatever its body says."""
    operation = WRITES.get((action.type.name, action.verb))
    return operation is not None and not operation.is_long and answer.http_response.status_code != 202


def _has_replaced(action: Action, answer: Response) -> bool:
    """Whether what was to be new was there: the network provider answers 201 to a PUT that creates, else 200.

    https://learn.microsoft.com/rest/api/virtualnetwork/network-security-groups/create-or-update
    """
    tells = action.type.concurrency is Concurrency.IF_MATCH
    return action.creates and tells and answer.http_response.status_code == 200


def _operation_for(action: Action) -> Operation:
    operation = WRITES.get((action.type.name, action.verb))
    if operation is None or (operation.only and operation.only.lower() != action.resource.name.lower()):
        raise NoSuchWrite(f"{action}: there is no row for it in homeostat.azure.writer.WRITES")
    return operation


def _arguments(action: Action, operation: Operation) -> tuple[object, ...]:
    names = action.resource.names[:-1] if operation.only else action.resource.names
    if operation.kind:
        names = (*names[:-1], operation.kind, names[-1])
    body = () if action.verb is Verb.DELETE else (dumps(revealed(action.body), allow_nan=False).encode(),)
    return (action.resource.resource_group, *names, *body)


def _options(action: Action, operation: Operation, request_id: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "headers": {REQUEST_ID: request_id, CORRELATION_ID: request_id, **_preconditions(action)}
    }
    if operation.sdk.version_per_call:
        options["api_version"] = action.type.api_version
    if operation.is_long:
        options["polling"] = False
    return options


def _preconditions(action: Action) -> dict[str, str]:
    """ETags are sent as they were received: some carry quotes and some do not, and the SDKs would add them."""
    if action.type.concurrency is Concurrency.NONE:
        return {}
    if action.etag:
        return {"If-Match": action.etag}
    if action.creates and action.type.if_none_match:
        return {"If-None-Match": "*"}
    return {}


def _unexpected(answers: list[Response], error: Exception) -> ArmError:
    if not answers:
        return ArmError(0, "NoAnswer", str(error), ErrorClass.UNKNOWN, Executed.MAYBE)
    answer = answers[0].http_response
    text = answer.content.decode("utf-8", errors="replace")
    return ArmError.from_answer(answer.status_code, answer.headers, text, named(answer.request))
