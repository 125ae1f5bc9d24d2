"""Who we are to Azure: one credential for the whole process, and one clear error when there is none.

In Azure that is the function app's managed identity and nothing else: a chain that goes on to environment variables or
a developer's login could end as somebody whom nobody meant. Elsewhere azure-identity finds the credential, the Azure
CLI's login on a desk. AZURE_TOKEN_CREDENTIALS overrules both (`prod`, `dev` or one credential's name).
https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

from homeostat.azure.clouds import Cloud
from homeostat.core.arm_errors import MESSAGE_LIMIT, ArmError, ErrorClass, Executed

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import AsyncHttpResponse, HttpRequest

CHOICE: Final = "AZURE_TOKEN_CREDENTIALS"

REMEDY = (
    "give the function app a managed identity, or run `az login`; "
    "AZURE_TOKEN_CREDENTIALS, when set, must name a credential that works here"
)


class CredentialsUnavailable(ArmError):
    """No token could be had, so nothing was asked of ARM."""

    @classmethod
    def because(cls, reason: str, request: str = "") -> Self:
        return cls(
            status=0,
            code="CredentialsUnavailable",
            message=f"no token for Azure: {REMEDY}. {' '.join(reason.split())[:MESSAGE_LIMIT]}",
            error_class=ErrorClass.UNAUTHENTICATED,
            executed=Executed.NO,
            request=request,
        )


def in_azure(environment: Mapping[str, str]) -> bool:
    """Whether this process runs on App Service or Functions, of any plan.

    By WEBSITE_SITE_NAME, which every plan sets: WEBSITE_INSTANCE_ID is missing on Flex Consumption, and a desk may have
    an IDENTITY_ENDPOINT. https://learn.microsoft.com/azure/app-service/reference-app-settings
    """
    return bool(environment.get("WEBSITE_SITE_NAME", "").strip())


def default_credential(
    cloud: Cloud,
    environment: Mapping[str, str],
    transport: "AsyncHttpTransport[HttpRequest, AsyncHttpResponse] | None" = None,
) -> AsyncTokenCredential:
    """The credential of this place, asking over `transport`. Nobody is ever prompted.

    In Azure the system-assigned identity, or the user-assigned one whose client id AZURE_CLIENT_ID holds. Raises
    CredentialsUnavailable when AZURE_TOKEN_CREDENTIALS names no credential that exists.
    """
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    over: dict[str, Any] = {"transport": transport} if transport else {}
    if in_azure(environment) and not environment.get(CHOICE, "").strip():
        return ManagedIdentityCredential(client_id=environment.get("AZURE_CLIENT_ID", "").strip() or None, **over)
    try:
        return DefaultAzureCredential(authority=cloud.authority, **over)
    except ValueError as error:
        raise CredentialsUnavailable.because(str(error)) from error


def blocking_tokens(cloud: Cloud, audience: str) -> Callable[[], str]:
    """Bearer tokens for an application, by its id URI, for a program without an event loop.

    Raises CredentialsUnavailable, as every call of what is returned does.
    """
    from azure.identity import DefaultAzureCredential

    try:
        credential = DefaultAzureCredential(authority=cloud.authority)
    except ValueError as error:
        raise CredentialsUnavailable.because(str(error)) from error

    def token() -> str:
        try:
            return credential.get_token(f"{audience}/.default").token
        except ClientAuthenticationError as error:
            raise CredentialsUnavailable.because(error.message, f"a token for {audience}") from error

    return token
