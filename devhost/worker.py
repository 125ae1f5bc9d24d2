"""Drives Microsoft's worker library: load an app, learn its functions, invoke one.

The library is the code that runs in Azure, so decorators, annotations, type conversions and their failures behave
here as they do there. It holds its registry in module globals: a process serves one app at a time, and starting a
worker imports the app's modules named `function_app` afresh.
"""

import asyncio
import json
import logging
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import azure_functions_runtime as runtime  # type: ignore[import-untyped]  # Microsoft ships no types for it

from devhost import protos
from devhost.errors import DeliveryError, DevHostError
from devhost.protos import TypedData

_log = logging.getLogger("devhost.function")
_SCRIPT = "function_app.py"
_TRIGGERS = {"httpTrigger", "eventGridTrigger", "queueTrigger", "timerTrigger"}
_OUTPUTS = {"http", "queue"}


@dataclass(frozen=True, slots=True)
class Function:
    """An indexed function. `trigger` and `outputs` are its bindings as function.json would spell them."""

    name: str
    id: str
    trigger: Mapping[str, Any]
    outputs: tuple[Mapping[str, Any], ...]

    @property
    def kind(self) -> str:
        return str(self.trigger["type"])


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one run came to. `failure` is the exception's text, or None where the function succeeded."""

    id: str
    failure: str | None
    value: TypedData | None = None
    outputs: Mapping[str, TypedData] | None = None


type OutputDelivery = Callable[[Function, Invocation], Awaitable[None]]
"""Carries the output bindings of a successful run to where they go. What it raises fails the run."""


async def _no_outputs(_function: Function, _invocation: Invocation) -> None:
    pass


class Worker:
    """The app in this process. Use `start`, `invoke` from any task, `drain`, `stop`."""

    def __init__(
        self, functions: tuple[Function, ...], *, time_limit: float | None, restore: Callable[[], None]
    ) -> None:
        self.functions = functions
        self._restore = restore
        runtime.start_threadpool_executor()
        self._time_limit = time_limit
        self._draining = False
        self.deliver_outputs: OutputDelivery = _no_outputs
        self._running: set[asyncio.Task[Invocation]] = set()

    @classmethod
    async def start(cls, app_dir: Path, *, time_limit: float | None = None) -> Self:
        """Import and index `app_dir`/function_app.py. `time_limit`: seconds that one invocation may take.

        Raises DevHostError where the app is missing, cannot be imported or indexed, or uses a binding that the dev
        host does not serve.
        """
        if not (app_dir / _SCRIPT).is_file():
            raise DevHostError(f"no {_SCRIPT} in {app_dir}: name the app's folder with --app")
        restore = _import_from(app_dir)
        try:
            return cls(await _index(app_dir), time_limit=time_limit, restore=restore)
        except BaseException:
            restore()
            raise

    def function(self, name: str) -> Function | None:
        """The function of that name; names are compared without case, as the host does."""
        return next((each for each in self.functions if each.name.casefold() == name.casefold()), None)

    async def invoke(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData] | None = None, *, reason: str
    ) -> Invocation:
        """Run `function` once with `data` as its trigger's value. Never raises for what the function does.

        The run has a task of its own: context variables that the function sets stay in it, and a caller that goes
        away (a closed connection) does not cancel it.
        """
        if self._draining:
            return Invocation("", "the host is stopping")
        task = asyncio.create_task(self._run(function, data, metadata or {}, reason))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def drain(self, grace: float) -> None:
        """Start nothing more, wait up to `grace` seconds for what runs, then cancel it."""
        self._draining = True
        if running := list(self._running):
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def stop(self) -> None:
        """End the threads of synchronous functions, and take the app's folder off the import path again."""
        runtime.stop_threadpool_executor()
        self._restore()

    async def _run(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData], reason: str
    ) -> Invocation:
        invocation_id = str(uuid.uuid4())
        runtime.invocation_id_cv.set(invocation_id)
        _log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation_id)
        began = time.perf_counter()
        outcome = await self._outcome(function, data, metadata, invocation_id)
        verdict = "Failed" if outcome.failure else "Succeeded"
        milliseconds = round((time.perf_counter() - began) * 1000)
        _log.log(
            logging.ERROR if outcome.failure else logging.INFO,
            "Executed 'Functions.%s' (%s, Id=%s, Duration=%dms)%s",
            *(function.name, verdict, invocation_id, milliseconds),
            f"\n{outcome.failure}" if outcome.failure else "",
        )
        return outcome

    async def _outcome(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData], invocation_id: str
    ) -> Invocation:
        request = protos.InvocationRequest(
            invocation_id, function.id, [protos.ParameterBinding(str(function.trigger["name"]), data)], metadata
        )
        try:
            async with asyncio.timeout(self._time_limit):
                answer = await runtime.invocation_request(
                    protos.WorkerRequest(protos.StreamingMessage(invocation_request=request))
                )
        except TimeoutError:
            return Invocation(invocation_id, f"timed out: functionTimeout is {self._time_limit} s")
        except asyncio.CancelledError:  # by the function itself, or because the host stops: a failed run either way
            return Invocation(invocation_id, "CancelledError: the invocation was cancelled")
        except SystemExit as exit_:  # the library lets it through; in Azure it would end the worker process
            return Invocation(invocation_id, f"SystemExit: the function asked the process to exit ({exit_.code})")
        if answer.result.status != protos.StatusResult.Success:
            return Invocation(invocation_id, _text(answer.result.exception))
        outputs = {each.name: each.data for each in answer.output_data}
        succeeded = Invocation(invocation_id, None, answer.return_value, outputs)
        try:
            await self.deliver_outputs(function, succeeded)
        except DeliveryError as error:
            return Invocation(invocation_id, f"an output binding could not be written: {error}")
        return succeeded


def _import_from(app_dir: Path) -> Callable[[], None]:
    """Make `import function_app` mean this folder's; the returned function undoes it."""
    name = Path(_SCRIPT).stem
    path, module = list(sys.path), sys.modules.pop(name, None)
    sys.path.insert(0, str(app_dir))

    def restore() -> None:
        sys.path[:] = path
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module

    return restore


async def _index(app_dir: Path) -> tuple[Function, ...]:
    request = protos.StreamingMessage(worker_init_request=protos.WorkerInitRequest(str(app_dir)))
    started = await runtime.worker_init_request(protos.WorkerRequest(request, {"host": "127.0.0.1", "protos": protos}))
    _raise_on_failure(started.result, f"cannot load {app_dir / _SCRIPT}")
    answer = await runtime.functions_metadata_request(protos.WorkerRequest(protos.StreamingMessage()))
    _raise_on_failure(answer.result, "cannot list the app's functions")
    functions = tuple(_function(metadata) for metadata in answer.function_metadata_results or ())
    if not functions:
        raise DevHostError(f"{app_dir / _SCRIPT} defines no functions")
    return functions


def _raise_on_failure(result: protos.StatusResult, what: str) -> None:
    if result.status != protos.StatusResult.Success:
        raise DevHostError(f"{what}: {_text(result.exception)}")


def _text(exception: protos.RpcException | None) -> str:
    if exception is None:
        return "the worker gave no reason"
    return exception.stack_trace.rstrip() or exception.message


def _function(metadata: protos.RpcFunctionMetadata) -> Function:
    bindings = [json.loads(raw) for raw in metadata.raw_bindings]
    triggers = [each for each in bindings if each["type"].endswith("Trigger")]
    others = tuple(each for each in bindings if each not in triggers)
    if len(triggers) != 1:
        raise DevHostError(f"function '{metadata.name}' has {len(triggers)} triggers; it needs exactly one")
    for binding in (*triggers, *others):
        if binding["type"] not in _TRIGGERS | _OUTPUTS:
            raise DevHostError(
                f"function '{metadata.name}' uses binding '{binding['type']}', which the dev host does not serve; "
                f"it serves {', '.join(sorted(_TRIGGERS | _OUTPUTS))}"
            )
    return Function(metadata.name, metadata.function_id, triggers[0], others)
