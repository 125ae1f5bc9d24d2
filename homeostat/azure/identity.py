"""Our own principal, as our access token names it."""

import asyncio
import logging
from typing import Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from homeostat.core.attribution import Principal
from homeostat.core.claims import principal_of

log = logging.getLogger(__name__)

TOKEN_SECONDS: Final = 10
"""An event waits for the answer, and Event Grid waits for at most 30 s."""


class TokenIdentity:
    """The Identity port over a cloud's credential. The answer is kept."""

    def __init__(self, credential: AsyncTokenCredential, scope: str) -> None:
        self._credential = credential
        self._scope = scope
        self._known: Principal | None = None

    async def principal(self, subscription: str) -> Principal | None:  # noqa: ARG002 - one cloud's is the same everywhere
        if self._known is None:
            try:
                async with asyncio.timeout(TOKEN_SECONDS):
                    token = await self._credential.get_token(self._scope)
            except (AzureError, TimeoutError) as error:
                log.warning("our own writes cannot be told from others' now: no token says who we are: %s", error)
                return None
            self._known = principal_of(token.token)
        return self._known
