"""ARM's front door: `handle` takes one request to its provider and does what ARM does around that.

In order: who calls, which operation is polled, which type is addressed and in which api-version, whether the group and
the parent exist, whether the caller's role or a lock forbids it; then the provider; then the activity record.
"""

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from simulator import access, identity
from simulator.arm import Call, Handler, Registry, ResourceType, announce, listing, read
from simulator.cloud import Cloud
from simulator.errors import ArmError, arm_body, group_not_found, render, resource_not_found
from simulator.ids import address, parent_of
from simulator.linked import linked_operations
from simulator.messages import Principal, Request, Response
from simulator.operations import Operation
from simulator.providers import registry as all_providers

_VERBS = {"PUT": "write", "PATCH": "write", "DELETE": "delete", "GET": "read", "HEAD": "read", "POST": "action"}
_ANONYMOUS = Principal("anonymous", "", "", "")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-privatepreview|-alpha|-beta)?$")
_CACHED_ANSWERS = 4096


def handle(cloud: Cloud, request: Request, now: datetime, registry: Registry | None = None) -> Response:
    """Answer one request at time `now` (aware, UTC). Never raises for anything that a client sends."""
    cloud.advance(now)
    if request.path == identity.PATH:
        return identity.token(cloud, request, now)
    if request.path.endswith(identity.AUTHORITY_PATH):
        return identity.application_token(cloud, request, now)
    correlation = request.headers.get("x-ms-correlation-request-id") or cloud.guid()
    call = Call(
        cloud=cloud,
        registry=registry or all_providers(),
        request=request,
        now=now,
        address=address(request.path),
        api_version=request.query.get("api-version", ""),
        caller=_ANONYMOUS,
        correlation_id=correlation,
    )
    try:
        response = _answer(call)
    except ArmError as error:
        shape = call.type.error_body if call.type is not None else arm_body
        response = render(error, shape)
        call.record("Failure", now)
    cloud.advance(now)
    headers = response.headers
    headers |= call.quotas
    headers["date"] = format_datetime(now.astimezone(UTC), usegmt=True)
    headers["x-ms-request-id"] = cloud.guid()
    headers["x-ms-correlation-request-id"] = correlation
    headers["x-ms-routing-request-id"] = f"{cloud.throttling.region}:{now:%Y%m%dT%H%M%SZ}:{correlation}"
    return response


def _answer(call: Call) -> Response:
    function = call.registry.functions.get((call.request.method, call.address.shape))
    if function is not None and function.anonymous:
        return function.handler(call)
    call.caller = identity.authenticate(call.cloud, call.request, call.now)
    _admit(call)
    operation = call.cloud.operations.get(call.address.path.rpartition("/")[2])
    if operation is not None and call.request.method == "GET":
        access.check_role(call.cloud, call.caller, f"{call.address.shape}/read", call.address.path)
        return _poll(call, operation)
    if call.request.method == "GET":
        return _cached(call, function.handler if function is not None else None)
    return _perform(call, function.handler if function is not None else None)


def _admit(call: Call) -> None:
    """Draws on the caller's quotas. A provider refuses in its own shape, so its type is looked up for that."""
    try:
        call.quotas = call.cloud.throttling.admit(call.request.method, call.address, call.caller, call.now)
    except ArmError:
        shape = call.address.shape
        is_action = call.request.method == "POST" and call.address.is_collection
        call.type = call.registry.types.get(shape.rpartition("/")[0] if is_action else shape)
        raise


def _cached(call: Call, function: Handler | None) -> Response:
    """The answer to a GET, rendered once per revision of the cloud; apart for whoever is held to a role."""
    query = call.request.query
    key = (access.is_restricted(call.caller), call.request.headers.get("host"), call.address.path, *query.items())
    known = call.cloud.answers.get(key)
    if known is None or known[0] != call.cloud.revision:
        if len(call.cloud.answers) >= _CACHED_ANSWERS:
            call.cloud.answers.clear()
        known = call.cloud.answers[key] = (call.cloud.revision, _perform(call, function))
    return Response(known[1].status, known[1].headers.copy(), known[1].body)


def _perform(call: Call, function: Handler | None) -> Response:
    if function is not None:
        return function(call)
    handler = _route(call)
    _check_api_version(call)
    _check_scope(call)
    if call.request.method not in {"GET", "HEAD"}:
        access.check_locks(call.cloud, call.request.method, call.target_id)
    if call.request.method in {"PUT", "PATCH", "DELETE"}:
        call.remember_row()
    response = handler(call)
    if call.operation is None:
        call.record("Success" if response.status < 400 else "Failure", call.now)
    return response


def _route(call: Call) -> Handler:
    """Find the type and its handler, name the operation, and check the caller's role for it and what the body names."""
    method, where = call.request.method, call.address
    if where.is_collection and method == "POST":
        handler = _action(call)
    else:
        call.type = call.registry.types.get(where.shape)
        if call.type is None:
            raise _unknown_type(call)
        call.operation_name = f"{call.type.permission}/{_VERBS.get(method, method)}"
        handler = _verb(call.type, method, collection=where.is_collection)
    if not _is_open(call):
        access.check_role(call.cloud, call.caller, call.operation_name, call.target_id)
    links = linked_operations(call)
    access.check_links(call.cloud, call.caller, call.operation_name, call.target_id, links)
    if method in {"GET", "HEAD"}:
        call.operation_name = ""
    return handler


def _is_open(call: Call) -> bool:
    """The subscriptions are listed to everybody: to each those that they have a role in, which may be none.

    https://learn.microsoft.com/rest/api/resources/subscriptions/list
    """
    return call.request.method == "GET" and call.address.key == "/subscriptions"


def _verb(kind: ResourceType, method: str, *, collection: bool) -> Handler:
    if collection:
        found = kind.list or listing if method == "GET" else None
    elif method in {"GET", "HEAD"}:
        found = kind.get or read
    else:
        found = {"PUT": kind.put, "PATCH": kind.patch, "DELETE": kind.delete}.get(method)
    if found is None:
        message = f"The requested resource does not support http method '{method}'."
        raise ArmError(405, "UnsupportedHttpMethod", message, gateway=True)
    return found


def _action(call: Call) -> Handler:
    owner, _, verb = call.address.shape.rpartition("/")
    call.type = call.registry.types.get(owner)
    found = call.type.actions.get(verb) if call.type is not None else None
    if call.type is None or found is None:
        raise _unknown_type(call)
    call.operation_name = found.permission or f"{call.type.permission}/{verb}/action"
    return found.handler


def _unknown_type(call: Call) -> ArmError:
    where = call.address
    if not where.namespace:
        return ArmError(404, "InvalidResourceType", f"The path '{where.path}' is not known.", gateway=True)
    if where.namespace.lower() not in call.registry.namespaces:
        message = f"The resource namespace '{where.namespace}' is invalid."
        return ArmError(404, "InvalidResourceNamespace", message, gateway=True)
    kind = where.shape.partition("/")[2]
    message = (
        f"The resource type '{kind}' could not be found in the namespace '{where.namespace}' for api version "
        f"'{call.api_version}'. The supported api-versions are '{_versions(call, where.namespace)}'."
    )
    return ArmError(404, "InvalidResourceType", message, gateway=True)


def _versions(call: Call, namespace: str) -> str:
    types = [each for each in call.registry.types.values() if each.namespace.lower() == namespace.lower()]
    return ",".join(sorted({version for each in types for version in each.api_versions}, reverse=True))


def _check_api_version(call: Call) -> None:
    """Any date between a type's oldest and newest version is served; real ARM knows a list of them."""
    kind, version = call.type, call.api_version
    assert kind is not None
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message, gateway=True)
    known = kind.api_versions
    if _DATE.match(version) and known[-1] <= version[:10] <= known[0][:10]:
        return
    message = (
        f"No registered resource provider found for location 'westeurope' and API version '{version}' for type "
        f"'{kind.name.partition('/')[2]}'. The supported api-versions are '{', '.join(known)}'. "
        "The supported locations are 'westeurope'."
    )
    raise ArmError(400, "NoRegisteredProviderFound", message, gateway=True)


def _check_scope(call: Call) -> None:
    """404 for a subscription, group or parent that is not there."""
    where, cloud = call.address, call.cloud
    if where.subscription and where.subscription.lower() not in cloud.subscriptions:
        message = f"The subscription '{where.subscription}' could not be found."
        raise ArmError(404, "SubscriptionNotFound", message, gateway=True)
    if (
        where.group
        and where.namespace
        and cloud.get(f"/subscriptions/{where.subscription}/resourceGroups/{where.group}") is None
    ):
        raise group_not_found(where.group)
    assert call.type is not None
    if call.type.nested and call.type.parent_checked:
        _check_parent(call)


def _check_parent(call: Call) -> None:
    assert call.type is not None
    owner = parent_of(call.target_id)
    if call.address.is_collection and call.request.method == "GET":
        owner = call.address.path.rpartition("/")[0]
    if call.cloud.get(owner) is not None:
        return
    parent_type, _, own = call.type.name.rpartition("/")
    parent = call.registry.types.get(parent_type.lower())
    if parent is None:
        return
    if call.request.method in {"GET", "HEAD"}:
        where = address(owner)
        raise resource_not_found(parent.name, "/".join(where.names), where.group)
    verb = _VERBS[call.request.method]
    kind = f"{parent.name.partition('/')[2]}/{own}"
    message = (
        f"Failed to perform '{verb}' on resource(s) of type '{kind}', because the parent resource '{owner}' "
        "could not be found."
    )
    raise ArmError(404, "ParentResourceNotFound", message, gateway=True)


def _poll(call: Call, operation: Operation) -> Response:
    """Answer a status or result URL of a long-running operation."""
    protocol = operation.protocol
    if _asks_for(operation.status_url, call):
        status = 200 if operation.done else protocol.running_status
        headers = {} if operation.done else announce(call.cloud, operation, poll=True)
        if protocol.running_status == 200:
            headers = {name: value for name, value in headers.items() if name == "retry-after"}
        return Response.json(status, operation.status_body(), headers)
    if not operation.done:
        return Response.empty(202, announce(call.cloud, operation, delete=True, poll=True))
    if operation.error:
        return Response.json(int(operation.error.get("status", 409)), {"error": operation.error})
    body = operation.result() if operation.result is not None else None
    if body is not None:
        return Response.json(200, body)
    headers = announce(call.cloud, operation, delete=True)
    return Response.empty(204, {name: value for name, value in headers.items() if name != "retry-after"})


def _asks_for(url: str, call: Call) -> bool:
    return bool(url) and url.partition("?")[0].lower().endswith(call.address.path.lower())
