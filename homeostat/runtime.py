"""The service of a function app's process, opened by the first invocation that needs it.

Indexing the functions imports neither the loop nor an Azure SDK: the worker is ready sooner, and an instance that only
answers for its health stays small.
"""

import asyncio
import gc
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from homeostat.service import Service

_TALKATIVE: Final = ("azure.core.pipeline.policies.http_logging_policy", "azure.identity")
"""Loggers that write several lines for every request to the storage account, and for every token."""


@dataclass(slots=True)
class Runtime:
    """The service of a function app: opened by the first invocation, and kept for the life of the process.

    The Functions worker ends with its process and tells nobody, so nothing is closed.
    """

    environment: Mapping[str, str] = field(repr=False)  # holds connection strings and keys
    home: Path
    _opening: "asyncio.Task[Service] | None" = field(default=None, init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    async def service(self) -> "Service":
        """Opens it if need be. After a failure each call tries again, so that a repaired setting is noticed."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> "Service":
        """Opens it with the garbage collector off, and then exempts what was made from collections (`gc.freeze`).

        Modules and clients stay for the life of the process. The collector would traverse them again and again while
        they are made, and at every full collection afterwards (docs.python.org/3/library/gc.html).
        """
        _quieten()
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            from homeostat.bootstrap import open_service
            from homeostat.config import load

            config = load(self.environment, home=self.home)
            service = await self._stack.enter_async_context(open_service(config))
            gc.freeze()
        finally:
            if was_enabled:
                gc.enable()
        return service


def _quieten() -> None:
    """Leaves the SDKs' warnings in the log, without a line for each request.

    host.json cannot do this: the Functions host files whatever a function logs under the function's own category, and
    does not look at the name of the Python logger.
    https://learn.microsoft.com/azure/azure-functions/configure-monitoring#configure-categories
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
