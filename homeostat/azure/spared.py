"""A credential that has just failed is not tried again at once.

A credential that gets no token takes seconds to fail, since azure-identity retries, and it serves one caller after the
other: a plan of a fleet would wait for one failure for each read, and a command would seem to hang.
"""

from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Final, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

from homeostat.ambient import Ambient

SPARED_SECONDS: Final = 10
"""Shorter than any wait before the loop tries again, so that a corrected credential is used then."""


class SparedCredential:
    """Another credential, whose failure is repeated to later callers for a while."""

    def __init__(self, credential: AsyncTokenCredential, ambient: Ambient) -> None:
        self._credential = credential
        self._ambient = ambient
        self._failure = ""
        self._until = 0.0

    @property
    def name(self) -> str:
        """As azure-identity calls the credential: `DefaultAzureCredential` for a chain of them."""
        return type(self._credential).__name__

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """options: those of AsyncTokenCredential. Raises ClientAuthenticationError."""
        self._spare()
        return await self._answered(self._credential.get_token(*scopes, **options))

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Raises ClientAuthenticationError."""
        self._spare()
        assert isinstance(self._credential, AsyncSupportsTokenInfo), "all of azure-identity's are"
        return await self._answered(self._credential.get_token_info(*scopes, options=options))

    def _spare(self) -> None:
        if self._failure and self._ambient.monotonic() < self._until:
            raise ClientAuthenticationError(message=self._failure)

    async def _answered[Token](self, asked: Awaitable[Token]) -> Token:
        try:
            token = await asked
        except ClientAuthenticationError as error:
            self._failure, self._until = error.message, self._ambient.monotonic() + SPARED_SECONDS
            raise
        self._failure = ""
        return token

    async def close(self) -> None:
        await self._credential.close()

    async def __aenter__(self) -> Self:
        await self._credential.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._credential.__aexit__(kind, error, traceback)
