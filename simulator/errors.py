"""How Azure says no.

ARM's gateway and most providers answer `{"error": {"code", "message", ...}}`; Microsoft.Web answers with capitalised
members at the top level; private DNS records answer a missing record without the outer `error`. The header
x-ms-failure-cause tells the gateway's refusals from a provider's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.messages import Json, Response


class ArmError(Exception):
    """A refusal. Providers raise it; the kernel renders it in the shape of the resource type's provider.

    `gateway` marks refusals of ARM itself (locks, authorisation, unknown types), which always have ARM's own shape.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Json] = (),
        headers: Mapping[str, str] | None = None,
        gateway: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = list(details)
        self.headers = dict(headers or {})
        self.gateway = gateway
        self.extra = dict(extra or {})


type ErrorBody = Callable[[ArmError], Any]


def arm_body(error: ArmError) -> Json:
    """ARM's own shape, without `details` when there are none."""
    body: Json = {"code": error.code, "message": error.message, **error.extra}
    if error.details:
        body["details"] = error.details
    return {"error": body}


def network_body(error: ArmError) -> Json:
    """Microsoft.Network: as ARM, but `details` is always there."""
    return {"error": {"code": error.code, "message": error.message, **error.extra, "details": error.details}}


def bare_body(error: ArmError) -> Json:
    """Private DNS records: no outer `error`."""
    return {"code": error.code, "message": error.message}


def web_body(error: ArmError) -> Json:
    """Microsoft.Web's older shape; the code and message are repeated inside Details."""
    entity: Json = {"ExtendedCode": error.extra.get("ExtendedCode"), "MessageTemplate": error.message, "Parameters": []}
    entity |= {"Code": error.code, "Message": error.message}
    details = [{"Message": error.message}, {"Code": error.code}, {"ErrorEntity": entity}]
    return {"Code": error.code, "Message": error.message, "Target": None, "Details": details, "Innererror": None}


def render(error: ArmError, shape: ErrorBody) -> Response:
    """The HTTP answer. A provider's own 4xx carries no failure cause, as recorded from Azure."""
    body = arm_body(error) if error.gateway else shape(error)
    cause = "gateway" if error.gateway else "service" if error.status in {429, 500, 503} else ""
    headers = {"x-ms-failure-cause": cause} if cause else {}
    return Response.json(error.status, body, headers | error.headers)


def resource_not_found(type_name: str, name: str, group: str) -> ArmError:
    """The gateway's 404 for a resource; `name` is a path of names for a nested one.

    As recorded, types and names alternate: `Microsoft.Network/networkWatchers/W/flowLogs/F`.
    """
    namespace, *levels = type_name.split("/")
    path = "/".join(f"{level}/{part}" for level, part in zip(levels, name.split("/"), strict=True))
    message = (
        f"The Resource '{namespace}/{path}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return ArmError(404, "ResourceNotFound", message, gateway=True)


def group_not_found(group: str) -> ArmError:
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.", gateway=True)


def bad_request(code: str, message: str, **extra: Any) -> ArmError:
    return ArmError(400, code, message, extra=extra)
