"""A small function app with one of each trigger that the dev host serves. It remembers what its functions got."""

import asyncio
import json
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
seen: list[dict[str, Any]] = []


@app.route(route="seen", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def everything_seen(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route(route="things/{id:int}", methods=["GET", "POST"])
async def thing(req: func.HttpRequest) -> func.HttpResponse:
    answer = {
        "id": req.route_params["id"],
        "method": req.method,
        "query": dict(req.params),
        "principal": req.headers.get("X-MS-CLIENT-PRINCIPAL"),
        "authorization": req.headers.get("Authorization"),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(answer), status_code=201, mimetype="application/json")


@app.route(route="things/{name}", methods=["GET"])
async def named_thing(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"named {req.route_params['name']}")


@app.route(route="reports", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
def report(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    response = func.HttpResponse(context.function_name)
    response.headers.add("Set-Cookie", "theme=dark; Path=/api; HttpOnly; SameSite=Strict")
    return response


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    match req.params.get("how"):
        case "exit":
            raise SystemExit(3)
        case "cancel":
            raise asyncio.CancelledError
        case "sleep":
            await asyncio.sleep(60)
    raise ValueError("as asked")


@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    seen.append({"function": "on_event", "id": event.id, "subject": event.subject, "data": event.get_json()})
    if event.subject == "fail":
        raise ValueError("as asked")


@app.event_grid_trigger(arg_name="event")
async def on_cloud_event(event: func.CloudEvent) -> None:
    seen.append({"function": "on_cloud_event", "id": event.id, "type": event.type, "subject": event.subject})


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="forward", queue_name="sample-forwarded", connection="AzureWebJobsStorage")
async def on_message(message: func.QueueMessage, forward: func.Out[str]) -> None:
    body = message.get_body().decode()
    seen.append(
        {
            "function": "on_message",
            "id": message.id,
            "body": body,
            "dequeue_count": message.dequeue_count,
            "inserted": str(message.insertion_time),
            "visible": str(message.time_next_visible),
            "expires": str(message.expiration_time),
            "receipt": message.pop_receipt,
        }
    )
    order = json.loads(body)
    if message.dequeue_count is not None and message.dequeue_count <= order.get("failures", 0):
        raise ValueError("as asked")
    await asyncio.sleep(order.get("seconds", 0))
    if "forward" in order:
        forward.set(order["forward"])
    seen.append({"function": "on_message", "done": body})


def _status(timer: func.TimerRequest) -> dict[str, str]:
    status: dict[str, str] = timer.schedule_status  # type: ignore[attr-defined]  # only the concrete class declares it
    return status


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%", run_on_startup=False)
async def on_schedule(timer: func.TimerRequest) -> None:
    seen.append({"function": "on_schedule", "past_due": timer.past_due, "status": _status(timer)})
