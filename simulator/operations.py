"""Long-running operations: each provider's own protocol, as data.

Nothing runs by itself here. An operation has a due time; `Cloud.advance` completes it when it is told a time past that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from simulator.messages import Json


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one provider lets clients follow an operation.

    Templates take `{subscription}`, `{group}`, `{location}` and `{id}`; a template of None means that the header is not
    sent. `seconds` and `retry_after` are as recorded from Azure; the Cloud may override both for fast tests.
    """

    status_path: str | None
    result_path: str | None = None
    api_version: str = "2024-05-01"
    retry_after: int | None = None
    poll_retry_after: int | None = None
    running_status: int = 200  # HTTP status of a status poll while it runs
    result_on_delete_only: bool = False  # Location accompanies deletes alone
    seconds: float = 0.0
    report: Callable[["Operation"], Json] | None = None  # a status body of the provider's own


@dataclass(slots=True)
class Operation:
    id: str
    protocol: Protocol
    location: str
    resource_id: str
    started: datetime
    due: datetime
    status_url: str
    result_url: str
    finish: Callable[[datetime], None] = field(repr=False)
    done: bool = False
    error: Json | None = None  # {"code", "message"} once it has failed
    result: Callable[[], Json | None] | None = field(default=None, repr=False)

    @property
    def status(self) -> str:
        if not self.done:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"

    def status_body(self) -> Json:
        if self.protocol.report is not None:
            return self.protocol.report(self)
        body: Json = {"status": self.status}
        if self.done and self.error:
            body["error"] = self.error
        return body
