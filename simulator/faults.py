"""Faults on purpose: the first matching rule answers, delays or drops a request instead of the provider.

A rule file is a JSON list. Every member but `status`, `drop` or `latency` (one of which is needed) is optional::

    [{"method": "PUT", "path": "/networkSecurityGroups/", "times": 2, "skip": 0,
      "status": 429, "body": {"error": {"code": "RetryableError", "message": "..."}}, "headers": {"Retry-After": "1"}},
     {"path": "/privateDnsZones/", "latency": 2.5},
     {"method": "GET", "drop": true, "times": 1}]

`path` is a regular expression looked for in the path, without regard to case; `latency` is in seconds; `times` counts
how often a rule applies (without it, always) after `skip` matching requests were let through. `when` is `before` (the
default: the provider never sees the request) or `after`: it is carried out, and only the answer is lost or replaced.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from simulator.messages import Request, Response


class FaultError(ValueError):
    """A fault list that cannot be used; the message names the rule and what is wrong with it."""


@dataclass(slots=True)
class Fault:
    """One rule with how often it may still apply. None for `times` means without end."""

    path: re.Pattern[str]
    method: str = ""
    times: int | None = None
    skip: int = 0
    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    latency: float = 0.0
    drop: bool = False
    when: Literal["before", "after"] = "before"

    def applies(self, request: Request) -> bool:
        """Whether it strikes this request; counts the request against `skip` and `times`."""
        if (self.method and self.method != request.method) or self.times == 0 or not self.path.search(request.path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def response(self) -> Response | None:
        """The answer to give instead of the provider's; None when the rule only delays or drops."""
        if not self.status:
            return None
        if isinstance(self.body, str):
            return Response(
                self.status,
                Response.empty(0, {"content-type": "text/html", **self.headers}).headers,
                self.body.encode(),
            )
        return (
            Response.json(self.status, self.body, self.headers)
            if self.body is not None
            else Response.empty(self.status, self.headers)
        )


def _error(code: str, message: str) -> Any:
    return {"error": {"code": code, "message": message}}


_SOON = {"Retry-After": "1"}
_RETRYABLE = _error("RetryableError", "A retryable error occurred.")
_THROTTLED = _error("TooManyRequests", "The request is being throttled as the limit has been reached.")
_BUSY = _error("AnotherOperationInProgress", "Another operation on this or dependent resource is in progress.")
_TIMEOUT = _error("GatewayTimeout", "The gateway did not receive a response within the specified time period.")
_UNAVAILABLE = "<!DOCTYPE HTML><HTML><BODY><h2>Service Unavailable</h2></BODY></HTML>"
_NETWORK_PUT = {"method": "PUT", "path": "/Microsoft.Network/", "times": 1}
_READ = {"method": "GET", "path": "/providers/"}

NAMED: dict[str, list[dict[str, Any]]] = {
    "throttled": [{**_READ, "times": 3, "status": 429, "body": _THROTTLED, "headers": _SOON}],
    "busy": [
        {**_NETWORK_PUT, "status": 429, "body": _RETRYABLE, "headers": _SOON},
        {**_NETWORK_PUT, "status": 409, "body": _BUSY},
    ],
    "flaky": [
        {**_READ, "skip": 2, "times": 1, "drop": True},
        {**_READ, "skip": 3, "times": 1, "status": 503, "body": _UNAVAILABLE},
        {**_NETWORK_PUT, "skip": 1, "status": 504, "body": _TIMEOUT, "when": "after"},
    ],
    "slow": [{"path": "/providers/", "latency": 2.0}],
    "down": [{"path": "/subscriptions/", "status": 503, "body": _UNAVAILABLE}],
}


def load(name: str) -> list[Fault]:
    """The rules of a named list or of a JSON file. FaultError when it is neither or is wrong."""
    if name in NAMED:
        return parse(NAMED[name])
    try:
        rules = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise FaultError(f"{name!r} is neither a readable file nor one of {', '.join(sorted(NAMED))}") from error
    except ValueError as error:
        raise FaultError(f"{name}: not JSON: {error}") from error
    return parse(rules, name)


def parse(rules: Any, source: str = "faults") -> list[Fault]:
    if not isinstance(rules, list):
        raise FaultError(f"{source}: a list of rules is expected")
    return [_rule(rule, f"{source}: rule {number}") for number, rule in enumerate(rules, 1)]


def _rule(rule: Any, where: str) -> Fault:
    if not isinstance(rule, dict):
        raise FaultError(f"{where}: an object is expected")
    unknown = set(rule) - set(Fault.__slots__)
    if unknown:
        raise FaultError(f"{where}: unknown members {', '.join(sorted(unknown))}")
    if not any(rule.get(each) for each in ("status", "drop", "latency")):
        raise FaultError(f"{where}: one of status, drop or latency is needed")
    try:
        return Fault(**{**rule, "path": re.compile(rule.get("path", ""), re.IGNORECASE)})
    except (re.error, TypeError) as error:
        raise FaultError(f"{where}: {error}") from error
