"""The triggers, and nothing else: each parses what came, hands it to the service, and answers.

The path of an event: `on_resource_event` marks a root and enqueues it, `reconcile` takes it up,
`homeostat/reconcile.py` runs the loop, and one module of `remediators/` for each kind says what has drifted.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

import azure.functions as func

from homeostat.runtime import Runtime
from homeostat.web.api import http_functions

log = logging.getLogger("homeostat")

runtime = Runtime(os.environ, home=Path(__file__).parent)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(http_functions(runtime))


@app.function_name("on_resource_event")
@app.event_grid_trigger(arg_name="event")
async def on_resource_event(event: func.EventGridEvent) -> None:
    """A resource changed: Event Grid's webhook delivery. After an exception Event Grid delivers again."""
    await _handle(_as_json(event))


@app.function_name("on_queued_event")
@app.queue_trigger(arg_name="message", queue_name="homeostat-events", connection="AzureWebJobsStorage")
async def on_queued_event(message: func.QueueMessage) -> None:
    """A resource changed: Event Grid's storage-queue delivery, which needs no open ingress."""
    await _handle(_parsed(message))


@app.function_name("nightly_reconcile")
@app.timer_trigger(arg_name="timer", schedule="%HOMEOSTAT_NIGHTLY_SCHEDULE%")
async def nightly_reconcile(timer: func.TimerRequest) -> None:
    """Starts the nightly sweep over every root, which finds the changes whose events were lost."""
    service = await runtime.service()
    sweep = await service.sweeps.start("nightly")
    log.info("nightly: sweep %s is asked for%s", sweep, ", late" if timer.past_due else "")
    log.info("nightly: %s", await service.retention.run())


@app.function_name("sweep")
@app.queue_trigger(arg_name="message", queue_name="homeostat-sweeps", connection="AzureWebJobsStorage")
async def sweep(message: func.QueueMessage) -> None:
    """One message of a sweep: its start, a chunk of its roots, or a check for its end. Events have their own queue."""
    service = await runtime.service()
    await service.sweeps.work(_parsed(message))


@app.function_name("reconcile")
@app.queue_trigger(arg_name="message", queue_name="homeostat-work", connection="AzureWebJobsStorage")
async def reconcile(message: func.QueueMessage) -> None:
    """Reconciles one root or one run. After an exception the message comes back; the fifth time it is poison."""
    service = await runtime.service()
    await service.work(_parsed(message))


async def _handle(event: Any) -> None:
    from homeostat.core.events import MalformedEvent

    service = await runtime.service()
    try:
        roots = await service.on_event(event)
    except MalformedEvent as error:
        # A redelivery would be just as malformed; the nightly sweep finds the change that it meant to report.
        log.warning("an event was dropped: %s", error)
    else:
        log.debug("the event marked %s", ", ".join(root.id.short for root in roots) or "nothing")


def _as_json(event: func.EventGridEvent | func.CloudEvent) -> dict[str, Any]:
    """The fields that the loop reads. The worker passes whichever schema the event came in."""
    common = {"id": event.id, "subject": event.subject, "data": event.get_json()}
    if isinstance(event, func.CloudEvent):
        return {**common, "type": event.type, "time": event.time.isoformat() if event.time else ""}
    return {
        **common,
        "eventType": event.event_type,
        "eventTime": event.event_time.isoformat() if event.event_time else "",
    }


def _parsed(message: func.QueueMessage) -> Any:
    """The message's JSON, or its text where it is no JSON: its handler judges that."""
    text = message.get_body().decode("utf-8", errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
