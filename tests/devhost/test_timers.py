"""Timer triggers: the schedule, the admin endpoint, and runs that were missed."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devhost.errors import DevHostError
from devhost.host import Host, running_host
from devhost.inprocess_queues import InProcessQueues
from tests.devhost.conftest import SAMPLE_APP, SETTINGS, SeenWhen, seen_by
from tests.devhost.fakes import FakeQueues

pytestmark = pytest.mark.host


async def test_the_admin_endpoint_fires_the_timer(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen
) -> None:
    url = f"{host.url}/admin/functions/on_schedule"
    async with client.post(url, json={"input": ""}, headers={"x-functions-key": "master-of-tests"}) as response:
        assert response.status == 202
    (seen,) = await seen_when(bool)
    assert seen["past_due"] is False
    assert seen["status"]["Next"].endswith("T02:00:00+00:00")


@pytest.mark.parametrize("key", ["", "wrong", "function-of-tests"])
async def test_the_admin_endpoint_takes_the_master_key_alone(
    host: Host, client: aiohttp.ClientSession, seen_when: SeenWhen, key: str
) -> None:
    async with client.post(f"{host.url}/admin/functions/on_schedule?code={key}") as response:
        assert response.status == 401
    assert await seen_when(lambda _: True) == []


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [("nobody", b"{}", 404), ("on_schedule", b"<", 400), ("on_schedule", b"[]", 400), ("thing", b"{}", 400)],
)
async def test_a_wrong_admin_call_has_its_answer(
    host: Host, client: aiohttp.ClientSession, name: str, body: bytes, status: int
) -> None:
    async with client.post(f"{host.url}/admin/functions/{name}?code=master-of-tests", data=body) as response:
        assert response.status == status


async def _first_run(settings: dict[str, str], status: Path | None = None) -> dict[str, Any]:
    """What the timer's function was told the first time that it ran by itself."""
    queues = InProcessQueues(FakeQueues())
    async with (
        running_host(SAMPLE_APP, SETTINGS | settings, queues=queues, timer_status=status) as host,
        aiohttp.ClientSession() as client,
    ):
        seen = await seen_by(host, client, bool)
    return seen[0]


async def test_a_schedule_runs_by_itself() -> None:
    assert (await _first_run({"SAMPLE_SCHEDULE": "* * * * * *"}))["past_due"] is False


async def test_a_run_missed_while_the_host_was_down_is_made_up_for_and_marked(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    missed = {"Last": "2026-01-01T02:00:00+00:00", "Next": "2026-01-02T02:00:00+00:00"}
    file.write_text(json.dumps({"on_schedule": missed | {"LastUpdated": missed["Last"]}}))
    first = await _first_run({}, file)
    assert first["past_due"] is True
    assert first["status"]["Last"] == missed["Last"]
    noted = json.loads(file.read_text())["on_schedule"]
    assert noted["Last"] > missed["Next"]
    assert noted["Next"] > noted["Last"]


async def test_a_schedule_within_the_minute_is_not_monitored(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    missed = dict.fromkeys(("Last", "Next", "LastUpdated"), "2026-01-01T02:00:00+00:00")
    file.write_text(json.dumps({"on_schedule": missed}))
    assert (await _first_run({"SAMPLE_SCHEDULE": "* * * * * *"}, file))["past_due"] is False


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"SAMPLE_SCHEDULE": "0 2 * * *"}, r"function 'on_schedule': .* has 5 fields"),
        ({"SAMPLE_SCHEDULE": ""}, "SAMPLE_SCHEDULE"),
        ({"SAMPLE_QUEUE": "Not_A_Queue"}, "'Not_A_Queue' is not a queue name"),
    ],
)
async def test_a_setting_that_cannot_be_used_stops_the_host(settings: dict[str, str], fault: str) -> None:
    with pytest.raises(DevHostError, match=fault):
        await _first_run(settings)
