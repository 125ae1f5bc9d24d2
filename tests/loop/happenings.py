"""The events that Event Grid would send about a stand's cloud, in their real shape."""

from dataclasses import dataclass
from typing import Any

from simulator.providers.eventgrid.events import event_of
from tests.loop.stand import Stand


@dataclass(slots=True)
class Happenings:
    """Makes events of what has happened since the last call, oldest first."""

    world: Stand
    cursor: int = 0

    def take(self) -> list[dict[str, Any]]:
        cloud = self.world.cloud
        records, self.cursor = cloud.activities.since(self.cursor)
        found = [event for each in records if (event := event_of(cloud, each)) is not None]
        return [event.rendered("EventGridSchema", f"/subscriptions/{cloud.subscription}") for event in found]

    async def deliver(self) -> list[dict[str, Any]]:
        """Takes the events and hands each to the service."""
        events = self.take()
        for event in events:
            await self.world.service.on_event(event)
        return events
