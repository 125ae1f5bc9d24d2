"""What the TLS server and the in-process transport share: latency, faults, and the request log around `handle`."""

from dataclasses import dataclass, field
from datetime import datetime

from simulator import admin
from simulator.clock import Clock
from simulator.cloud import Cloud, Exchange
from simulator.faults import Fault
from simulator.gateway import handle
from simulator.identity import caller_name
from simulator.messages import Request, Response

_LOGGED = ("/subscriptions", "/providers", "/tenants")


@dataclass(slots=True)
class Exchanger:
    """Passes requests to a Cloud. `latency` in seconds applies to every ARM call, and to nothing else."""

    cloud: Cloud
    clock: Clock
    latency: float = 0.0
    faults: list[Fault] = field(default_factory=list)

    async def exchange(self, request: Request) -> Response | None:
        """The answer, or None when the connection is to be dropped without one."""
        place = self.cloud.place
        answer = await self._answered(place.inward(request))
        return place.outward(answer) if answer is not None else None

    async def _answered(self, request: Request) -> Response | None:
        if request.path.startswith("/_simulator/"):
            return admin.handle(self.cloud, request, self.clock.now())
        if not request.path.lower().startswith(_LOGGED):
            return handle(self.cloud, request, self.clock.now())
        started = self.clock.now()
        response = await self._struck(request)
        self._log(request, response, started)
        return response

    async def _struck(self, request: Request) -> Response | None:
        fault = next((each for each in self.faults if each.applies(request)), None)
        wait = self.latency + (fault.latency if fault is not None else 0.0)
        if wait:
            await self.clock.sleep(wait)
        if fault is None:
            return handle(self.cloud, request, self.clock.now())
        response = (
            handle(self.cloud, request, self.clock.now()) if fault.when == "after" or not _answers(fault) else None
        )
        return None if fault.drop else fault.response() or response

    def _log(self, request: Request, response: Response | None, started: datetime) -> None:
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        self.cloud.exchanges.append(
            Exchange(
                time=started,
                duration_ms=round((self.clock.now() - started).total_seconds() * 1000, 3),
                method=request.method,
                path=f"{request.path}?{query}" if query else request.path,
                status=response.status if response is not None else 0,
                caller=caller_name(self.cloud, request),
                correlation_id=response.headers.get("x-ms-correlation-request-id", "") if response is not None else "",
                client_request_id=request.headers.get("x-ms-client-request-id", ""),
                error=_error_code(response),
            )
        )


def _answers(fault: Fault) -> bool:
    return fault.drop or bool(fault.status)


def _error_code(response: Response | None) -> str:
    """The code of an error answer, so that a log line says what went wrong."""
    if response is None or response.status < 400:
        return ""
    try:
        body = response.parsed()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    error = body.get("error", body)
    return str(error.get("code") or error.get("Code") or "") if isinstance(error, dict) else ""
