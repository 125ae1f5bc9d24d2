"""What Event Grid holds that is no resource: handshakes to be made, published events, what became of deliveries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.cloud import Cloud
from simulator.messages import Json


@dataclass(frozen=True, slots=True)
class Handshake:
    """A webhook that has to prove itself before its subscription exists.

    `conclude(at, error)` ends the subscription's long-running creation; `error` None means that the endpoint agreed.
    """

    subscription_id: str
    url: str
    cloud_events: bool
    code: str
    topic: str
    conclude: Callable[[datetime, Json | None], None]


@dataclass(frozen=True, slots=True)
class Published:
    """One event that a client sent to a custom topic."""

    at: datetime
    topic: str
    caller: str
    event: Json


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver events to a subscription. `outcome` is an HTTP status or what went wrong."""

    at: datetime
    subscription: str
    events: tuple[str, ...]
    attempt: int
    outcome: str


@dataclass(slots=True)
class State:
    """One Cloud's. Whoever delivers calls `subscribe` to learn of new handshakes."""

    handshakes: list[Handshake] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    dead_letters: list[Json] = field(default_factory=list)
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def request(self, handshake: Handshake) -> None:
        self.handshakes.append(handshake)
        for wake in self._listeners:
            wake()

    def take_handshakes(self) -> list[Handshake]:
        taken, self.handshakes = self.handshakes, []
        return taken

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake()` called for each new handshake; returns what ends it."""
        self._listeners.append(wake)
        return lambda: self._listeners.remove(wake)


def state(cloud: Cloud) -> State:
    """The Cloud's Event Grid state, made on first use."""
    found: Any = cloud.extras.setdefault("eventgrid", State())
    assert isinstance(found, State)
    return found
