"""The function app is killed with SIGKILL in the middle of what it does, and the next process ends what it had begun.

A few kills at moments that differ in every run; `make kill` does it a hundred times.
"""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.killing.ground import DAMAGE, PATIENCE, Ground, ground
from tests.killing.kills import rounds
from tests.support.function_app import FunctionApp

pytestmark = pytest.mark.host

KILLS = 6


async def until(condition: Callable[[], bool], app: FunctionApp, pause: float = 0.005) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "".join(app.log)
        await asyncio.sleep(pause)


def damaged(made: Ground) -> None:
    for kind in DAMAGE:
        made.damage(kind)


def written_by_app(made: Ground) -> int:
    return sum(
        each.caller == "id-homeostat" and each.method in {"PUT", "PATCH", "DELETE"}
        for each in list(made.simulation.cloud.exchanges)
    )


async def test_whatever_the_moment_of_death_everything_comes_to_its_end_and_nothing_is_lost() -> None:
    seed = Random().randrange(2**32)
    print(f"seed {seed}")  # shown when it fails: python -m tests.killing --times 6 --seed ...
    async with ground() as made:
        wrong = [str(each) async for each in rounds(made, Random(seed), KILLS) if each.wrong]
    assert wrong == []


async def test_a_manual_run_whose_process_was_killed_ends_in_the_next() -> None:
    async with ground(events=False) as made:
        damaged(made)
        with made.app() as app:
            status, answer = app.call("remediate", {"targets": ["app-flask"], "reason": "to be killed"})
            assert status == 202
            await until(lambda: written_by_app(made) > 0, app)
            app.kill()
        assert written_by_app(made) < len(DAMAGE), "it was over before it was killed"
        with made.app() as app:
            # Who asks more than twice a second is refused.
            await until(lambda: app.call("run", id=answer["id"])[1]["state"] == "done", app, pause=1)
            await made.is_over()
            _, run = app.call("run", id=answer["id"])
    assert run["status"] == "healed"
    assert run["reason"] == "to be killed"


async def test_a_nightly_sweep_whose_process_was_killed_goes_on_in_the_next(tmp_path: Path) -> None:
    """Fires the timer as the host does: a run whose end was not noted is past due at the next start."""
    missed = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    timers = tmp_path / "timers.json"
    timers.write_text(json.dumps({"nightly_reconcile": {"Last": missed, "Next": missed, "LastUpdated": missed}}))
    async with ground(events=False) as made:
        damaged(made)
        with made.app("--timer-status", str(timers)) as app:
            await until(lambda: made.own_calls() > 0, app)
            app.kill()
        assert written_by_app(made) < len(DAMAGE), "it was over before it was killed"
        with made.app("--timer-status", str(timers)):
            await made.is_over()
