"""Who we are to Azure: one credential for the whole process, and one clear error when there is none.

azure-identity finds the credential: the function app's managed identity in Azure, the Azure CLI's login on a desk.
AZURE_TOKEN_CREDENTIALS narrows the search (`prod`, `dev` or one credential's name).
https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains
"""

from typing import TYPE_CHECKING, Self

from azure.core.credentials_async import AsyncTokenCredential

from homeostat.azure.clouds import Cloud
from homeostat.core.arm_errors import MESSAGE_LIMIT, ArmError, ErrorClass, Executed

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import AsyncHttpResponse, HttpRequest

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


def default_credential(
    cloud: Cloud, transport: "AsyncHttpTransport[HttpRequest, AsyncHttpResponse] | None" = None
) -> AsyncTokenCredential:
    """azure-identity's own choice, asking the cloud's authority over `transport`. Nobody is ever prompted.

    Raises CredentialsUnavailable when AZURE_TOKEN_CREDENTIALS names no credential that exists.
    """
    from azure.identity.aio import DefaultAzureCredential

    try:
        return DefaultAzureCredential(authority=cloud.authority, **({"transport": transport} if transport else {}))
    except ValueError as error:
        raise CredentialsUnavailable.because(str(error)) from error
