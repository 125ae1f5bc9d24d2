"""What can go wrong between an instance and ARM, as one table: what is answered instead, and whether ARM had it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.messages import Response


@dataclass(frozen=True, slots=True)
class Strike:
    """What a fault does to a call.

    status: of the answer that replaces ARM's; 0 for no answer, None for ARM's own answer. executed: whether ARM carries
    the request out. waits: seconds until the answer, or until it is clear that there is none. way: seconds until the
    request reaches ARM. held: the operation that it starts takes `amount` seconds, or fails at its end (`fails`).
    stale: the answer shows an earlier state.
    """

    status: int | None = None
    code: str = ""
    html: bool = False
    retry_after: bool = False
    executed: bool = False
    waits: float = 0.0
    slow: bool = False
    late: bool = False
    held: bool = False
    fails: bool = False
    stale: bool = False
    verbs: str = "read write poll"

    def answer(self, amount: float) -> Response:
        assert self.status, "only a strike with a status answers"
        headers = {"retry-after": str(int(amount))} if self.retry_after else {}
        if self.html:
            page = f"<!DOCTYPE HTML><html><body><h2>{self.status}</h2></body></html>".encode()
            return Response(self.status, Response.empty(0, {"content-type": "text/html", **headers}).headers, page)
        body: dict[str, Any] = {"error": {"code": self.code, "message": "struck on purpose"}}
        return Response.json(self.status, body, headers)


KINDS: Final[Mapping[str, Strike]] = {
    "throttled": Strike(429, "TooManyRequests", retry_after=True),
    "throttled without a word": Strike(429, "TooManyRequests"),
    "throttled in HTML": Strike(429, html=True),
    "busy": Strike(429, "RetryableError", retry_after=True, verbs="write"),
    "conflict": Strike(409, "AnotherOperationInProgress", verbs="write"),
    "changed": Strike(412, "PreconditionFailed", verbs="write"),
    "broken": Strike(500, "InternalServerError"),
    "bad gateway": Strike(502, html=True),
    "unavailable": Strike(503, html=True),
    "gateway timeout": Strike(504, "GatewayTimeout"),
    "gateway timeout, executed": Strike(504, "GatewayTimeout", executed=True, waits=60.0),
    "broken, executed": Strike(500, "InternalServerError", executed=True, verbs="write"),
    "reset": Strike(0),
    "reset, executed": Strike(0, executed=True),
    "time-out": Strike(0, waits=70.0),
    "time-out, executed": Strike(0, executed=True, waits=70.0),
    "not JSON": Strike(200, html=True, verbs="read poll"),
    "unknown code": Strike(418, "NobodyKnows"),
    "denied": Strike(403, "AuthorizationFailed"),
    "locked": Strike(409, "ScopeLocked", verbs="write"),
    "expired": Strike(401, "ExpiredAuthenticationToken", verbs="read write"),
    "slow": Strike(executed=True, slow=True),
    "late": Strike(executed=True, late=True, verbs="write"),
    "stale": Strike(executed=True, stale=True, verbs="read"),
    "stuck": Strike(executed=True, held=True, verbs="write"),
    "failed": Strike(executed=True, held=True, fails=True, verbs="write"),
}
