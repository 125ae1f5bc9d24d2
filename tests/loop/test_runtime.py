"""The process opens its service once, when it is first needed, and again after what stood in the way is repaired."""

import asyncio
import gc
import logging
from pathlib import Path

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import HttpLoggingPolicy
from azure.core.rest import HttpRequest

from homeostat.config import ConfigError
from homeostat.core.source import SpecError
from homeostat.runtime import Runtime
from tests.loop.stand import SPEC

pytestmark = pytest.mark.unit

ENVIRONMENT = {
    "HOMEOSTAT_STATE": "memory",
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-4000-8000-000000000001",
    "HOMEOSTAT_ARM_ENDPOINT": "https://localhost:1",
}


async def closed(runtime: Runtime) -> None:
    """What the worker's process leaves to its end, a test must not."""
    await runtime._stack.aclose()


async def test_every_invocation_gets_the_same_service(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "app.yaml").write_text(SPEC, encoding="utf-8")
    runtime = Runtime(dict(ENVIRONMENT), tmp_path)
    services = await asyncio.gather(*(runtime.service() for _ in range(5)))
    assert len({id(service) for service in services}) == 1
    assert list((await services[0].desired.fleet()).targets) == ["app-flask"]
    await closed(runtime)


async def test_a_repaired_setting_is_noticed_by_the_next_invocation(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "HOMEOSTAT_MODE": "sometimes"}
    runtime = Runtime(environment, tmp_path)
    for _ in range(2):
        with pytest.raises(ConfigError, match="HOMEOSTAT_MODE"):
            await runtime.service()
    environment["HOMEOSTAT_MODE"] = "alert"
    assert (await runtime.service()).engine.cap == "alert"
    await closed(runtime)


async def test_the_garbage_collector_goes_on_whether_or_not_the_service_opened(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "HOMEOSTAT_MODE": "sometimes"}
    runtime = Runtime(environment, tmp_path)
    frozen = gc.get_freeze_count()
    with pytest.raises(ConfigError):
        await runtime.service()
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, frozen)
    environment["HOMEOSTAT_MODE"] = "alert"
    await runtime.service()
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen
    gc.unfreeze()
    await closed(runtime)


async def test_an_invocation_that_is_cancelled_does_not_keep_the_others_from_their_service(tmp_path: Path) -> None:
    runtime = Runtime(dict(ENVIRONMENT), tmp_path)
    impatient = asyncio.create_task(runtime.service())
    patient = asyncio.create_task(runtime.service())
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).engine is not None
    await closed(runtime)


async def test_specs_that_appear_later_need_no_restart(tmp_path: Path) -> None:
    runtime = Runtime(dict(ENVIRONMENT), tmp_path)
    service = await runtime.service()
    with pytest.raises(SpecError, match="no such file or folder"):
        await service.desired.fleet()
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "app.yaml").write_text(SPEC, encoding="utf-8")
    assert len((await service.desired.fleet()).targets) == 1
    await closed(runtime)


async def test_requests_to_the_storage_account_leave_no_lines_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # the worker's: it passes on all from here upwards
    policy, context = HttpLoggingPolicy(), PipelineContext(None)
    runtime = Runtime(dict(ENVIRONMENT), tmp_path)
    await runtime.service()
    policy.on_request(PipelineRequest(HttpRequest("GET", "https://sthomeostat.table.core.windows.net/"), context))
    assert [record.name for record in caplog.records if not record.name.startswith("homeostat")] == []
    policy.logger.warning("a warning of the SDK is passed on")
    assert caplog.records[-1].name == policy.logger.name
    await closed(runtime)
