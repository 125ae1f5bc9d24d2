"""Alerts as CloudEvents 1.0 to an Event Grid custom topic, and to the log alone where there is no topic.

A channel tries once. The outbox tries again, with the same event ids, so that consumers can tell a repetition.
https://learn.microsoft.com/azure/event-grid/cloud-event-schema
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from homeostat.core.addresses import address_of
from homeostat.core.errors import HomeostatError
from homeostat.core.secret_value import Secret
from homeostat.ports.alerts import AlertChannel, AlertError, CloudEventData

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.messaging import CloudEvent
    from azure.eventgrid.aio import EventGridPublisherClient

    from homeostat.azure.pipeline import Transport

log = logging.getLogger(__name__)

MAX_BATCH: Final = 900_000
"""Characters of one request. Event Grid takes 1 MB, for one event as for a batch."""

ENVELOPE: Final = 600
"""Characters that an event takes besides its data and its names."""


class AlertSettingsWrong(HomeostatError):
    """The variables that name the topic are wrong."""


class EventGridChannel:
    """A custom topic that takes the CloudEvents 1.0 schema."""

    def __init__(
        self, endpoint: str, credential: "AsyncTokenCredential | AzureKeyCredential", transport: "Transport"
    ) -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._transport = transport

    @cached_property
    def _client(self) -> "EventGridPublisherClient":
        """Imported by the first alert: most instances have nothing to tell."""
        from azure.eventgrid.aio import EventGridPublisherClient

        return EventGridPublisherClient(self._endpoint, self._credential, transport=self._transport, retry_total=0)

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        for batch in batches(events):
            try:
                await self._client.send([_cloud_event(event) for event in batch])
            except AzureError as error:
                raise AlertError(f"{self._endpoint} did not take {len(batch)} events: {_reason(error)}") from error


class LogChannel:
    """Where no topic is configured, an alert is a line in the log."""

    async def publish(self, events: Sequence[CloudEventData]) -> None:
        for event in events:
            log.warning("%s %s: %s", event.type, event.subject, json.dumps(event.data, sort_keys=True, default=str))


def channel_of(
    environment: Mapping[str, str], credential: "AsyncTokenCredential", transport: "Transport"
) -> AlertChannel:
    """The channel that the environment names: HOMEOSTAT_ALERT_TOPIC_ENDPOINT, and HOMEOSTAT_ALERT_TOPIC_KEY where the
    topic is not open to `credential` (role EventGrid Data Sender). Without an endpoint, the log.

    Raises AlertSettingsWrong.
    """
    endpoint, key = topic_of(environment)
    if not endpoint:
        return LogChannel()
    return EventGridChannel(endpoint, AzureKeyCredential(key.reveal()) if key else credential, transport)


def topic_of(environment: Mapping[str, str]) -> tuple[str, Secret | None]:
    """The topic's endpoint, empty if there is none, and its key, if it has one. Raises AlertSettingsWrong."""
    endpoint = environment.get("HOMEOSTAT_ALERT_TOPIC_ENDPOINT", "").strip()
    key = environment.get("HOMEOSTAT_ALERT_TOPIC_KEY", "").strip()
    if not endpoint and key:
        raise AlertSettingsWrong("HOMEOSTAT_ALERT_TOPIC_KEY is set without HOMEOSTAT_ALERT_TOPIC_ENDPOINT: set both")
    if not (key.isascii() and key.isprintable()):  # it travels in a header
        raise AlertSettingsWrong("HOMEOSTAT_ALERT_TOPIC_KEY holds what no key has, such as a line break: copy it again")
    if endpoint and not ((address := address_of(endpoint)) and address.scheme == "https"):
        raise AlertSettingsWrong(f"HOMEOSTAT_ALERT_TOPIC_ENDPOINT is {endpoint!r}: a topic's URL begins with https://")
    return endpoint, Secret(key) if key else None


def batches(events: Sequence[CloudEventData], limit: int = MAX_BATCH) -> Iterator[list[CloudEventData]]:
    """The events in their order, in as few requests as the limit allows. An event that is too large goes alone."""
    batch: list[CloudEventData] = []
    room = limit
    for event in events:
        size = _size(event)
        if batch and size > room:
            yield batch
            batch, room = [], limit
        batch.append(event)
        room -= size
    if batch:
        yield batch


def _size(event: CloudEventData) -> int:
    return ENVELOPE + len(event.subject) + len(event.source) + len(json.dumps(event.data))


def _cloud_event(event: CloudEventData) -> "CloudEvent[object]":
    from azure.core.messaging import CloudEvent

    return CloudEvent(
        id=event.id,
        type=event.type,
        source=event.source,
        subject=event.subject,
        time=event.time,
        data=event.data,
        datacontenttype="application/json",
    )


def _reason(error: AzureError) -> str:
    if isinstance(error, ClientAuthenticationError):
        return "the key is wrong, or the identity lacks the role EventGrid Data Sender on the topic"
    if isinstance(error, HttpResponseError):
        return f"HTTP {error.status_code} {' '.join(error.message.split())[:200]}"
    return " ".join(str(error).split())[:200]
