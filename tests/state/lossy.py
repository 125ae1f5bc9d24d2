"""A network that loses chosen requests or answers, under the real SDKs and in front of the real service."""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

import aiohttp
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpTransport


class Loss(Enum):
    REQUEST = auto()  # never reaches the service
    ANSWER = auto()  # the service has done it, and nobody hears of it
    CONNECTION = auto()  # the same, in the words of the transport when a kept connection is closed meanwhile


async def _nothing() -> None: ...


class LossyTransport(AsyncHttpTransport[Any, Any]):
    """Loses what `losses` says of the writes to come, in their order; then, and for reads, it is reliable.

    `meanwhile` runs after each loss: what others do before the request comes again.
    """

    def __init__(self, *losses: Loss, meanwhile: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._inner = AioHttpTransport()
        self._losses = list(losses)
        self._meanwhile = meanwhile
        self.writes = 0

    async def send(self, request: Any, **options: Any) -> Any:
        if request.method in {"GET", "HEAD"}:
            return await self._inner.send(request, **options)
        self.writes += 1
        loss = self._losses.pop(0) if self._losses else None
        if loss is Loss.REQUEST:
            await self._meanwhile()
            raise ServiceRequestError("lost before it was sent")
        answer = await self._inner.send(request, **options)
        if loss is not None:
            if options.get("stream"):
                await answer.read()  # frees its connection, as the SDK would have done
            await self._meanwhile()
            if loss is Loss.CONNECTION:
                raise ServiceRequestError("server disconnected", error=aiohttp.ServerDisconnectedError())
            raise ServiceResponseError("lost on its way back")
        return answer

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
