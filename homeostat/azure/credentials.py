"""Our credentials for Azure: one for each cloud, and one clear error when there is none.

In Azure that is the function app's managed identity and nothing else: a chain that goes on to environment variables or
a developer's login could sign in as somebody unintended. Elsewhere azure-identity finds the credential, such as the
Azure CLI's login. AZURE_TOKEN_CREDENTIALS overrides both (`prod`, `dev` or one credential's name).
https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains

A managed identity gets tokens for its own cloud only. In each further cloud we are an app registration, described by
the variables of azure-identity's EnvironmentCredential, with the cloud's name in capitals instead of AZURE.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, override

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

from homeostat.azure.clouds import Cloud
from homeostat.core.arm_errors import ArmError, ErrorClass, Executed
from homeostat.core.errors import HomeostatError
from homeostat.core.secret_value import Secret
from homeostat.core.secrets import is_key_vault_reference

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AsyncHttpTransport
    from azure.core.rest import HttpRequest

CHOICE: Final = "AZURE_TOKEN_CREDENTIALS"

TENANT_ID: Final = "TENANT_ID"
CLIENT_ID: Final = "CLIENT_ID"
SECRET: Final = "CLIENT_SECRET"  # noqa: S105  # a variable's name
CERTIFICATE: Final = "CLIENT_CERTIFICATE_PATH"
PASSWORD: Final = "CLIENT_CERTIFICATE_PASSWORD"  # noqa: S105  # a variable's name
AUTHORITY: Final = "AUTHORITY_HOST"
"""Of a further cloud; each is prefixed with the cloud's name."""

REMEDY = (
    "give the function app a managed identity, or run `az login`; "
    "AZURE_TOKEN_CREDENTIALS, when set, must name a credential that works here; "
    "in a further cloud, mend the variables that begin with its name"
)


class CredentialsUnavailable(ArmError):
    """No token was to be had, so nothing was sent to ARM."""

    @override
    def __str__(self) -> str:
        return f"{self.request}: {self.message}" if self.request else self.message

    @classmethod
    def because(cls, reason: str, request: str = "") -> Self:
        return cls(
            status=0,
            code="CredentialsUnavailable",
            message=f"no token for Azure: {REMEDY}. {_telling(reason)}",
            error_class=ErrorClass.UNAUTHENTICATED,
            executed=Executed.NO,
            request=request,
        )


_ATTEMPT: Final = re.compile(r"^\s+(\w+Credential): (.+)$", re.MULTILINE)
_NOT_SET_UP: Final = ("unavailable", "not found", "not installed", "could not be found")


def _telling(reason: str) -> str:
    """A chain's message with those credentials first that were set up and failed: a long message is cut at its end."""
    attempts = _ATTEMPT.findall(reason)
    first = sorted(attempts, key=lambda attempt: any(words in attempt[1] for words in _NOT_SET_UP))
    return "; ".join(f"{name}: {words}" for name, words in first) or " ".join(reason.split())


class FurtherCredentialWrong(HomeostatError):
    """The variables with our credential for a further cloud are missing, or contradict each other."""


def in_azure(environment: Mapping[str, str]) -> bool:
    """Whether this process runs on App Service or Functions, of any plan.

    WEBSITE_SITE_NAME is set on every plan; WEBSITE_INSTANCE_ID is missing on Flex Consumption, and a developer's
    machine may have an IDENTITY_ENDPOINT. https://learn.microsoft.com/azure/app-service/reference-app-settings
    """
    return bool(environment.get("WEBSITE_SITE_NAME", "").strip())


def default_credential(
    cloud: Cloud,
    environment: Mapping[str, str],
    transport: "AsyncHttpTransport[HttpRequest, Any] | None" = None,
) -> AsyncTokenCredential:
    """The credential for the deployment's own cloud, using `transport`. It never prompts.

    In Azure: the system-assigned identity, or the user-assigned one with the client id AZURE_CLIENT_ID. Raises
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


def further_credential(
    cloud: Cloud,
    environment: Mapping[str, str],
    transport: "AsyncHttpTransport[HttpRequest, Any] | None" = None,
) -> AsyncTokenCredential:
    """The credential of an app registration in a further cloud, using `transport`.

    Raises FurtherCredentialWrong, which quotes no secret.
    """
    from azure.identity.aio import CertificateCredential, ClientSecretCredential

    over: dict[str, Any] = {"transport": transport} if transport else {}

    def told(name: str) -> str:
        return environment.get(f"{cloud.prefix}_{name}", "").strip()

    given = {name: told(name) for name in (TENANT_ID, CLIENT_ID, CERTIFICATE)}
    secret, password, authority = Secret(told(SECRET)), Secret(told(PASSWORD)), told(AUTHORITY) or cloud.authority
    _check(cloud, given, secret)
    who = given[TENANT_ID], given[CLIENT_ID]
    try:
        if given[CERTIFICATE]:
            over["password"] = password.reveal() or None
            return CertificateCredential(*who, given[CERTIFICATE], authority=authority, **over)
        return ClientSecretCredential(*who, secret.reveal(), authority=authority, **over)
    except OSError as error:
        where = f"{cloud.prefix}_{CERTIFICATE} is {given[CERTIFICATE]!r}"
        raise FurtherCredentialWrong(f"{where}, which cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        names = ", ".join(f"{cloud.prefix}_{name}" for name in (TENANT_ID, AUTHORITY, CERTIFICATE, PASSWORD))
        raise FurtherCredentialWrong(f"one of {names} is wrong: {error}") from error


def _check(cloud: Cloud, given: Mapping[str, str], secret: Secret) -> None:
    """Raises FurtherCredentialWrong for everything that is missing, or given twice."""
    if is_key_vault_reference(secret.reveal()):
        raise FurtherCredentialWrong(
            f"{cloud.prefix}_{SECRET} is a Key Vault reference that was not resolved: "
            "let the function app's identity read the vault's secrets"
        )
    missing = [f"{cloud.prefix}_{name}" for name in (TENANT_ID, CLIENT_ID) if not given[name]]
    proofs = bool(given[CERTIFICATE]) + bool(secret.reveal())
    either = f"{cloud.prefix}_{CERTIFICATE} or {cloud.prefix}_{SECRET}"
    if proofs != 1:
        missing.append(f"one of {either}, not both" if proofs else either)
    if missing:
        raise FurtherCredentialWrong(
            f"subscriptions are placed in {cloud.name}, where a managed identity of another cloud has no token: "
            f"register an application there and set {', '.join(missing)}"
        )


def blocking_tokens(cloud: Cloud, audience: str) -> Callable[[], str]:
    """A function that gives bearer tokens for an application, by its id URI, in a program without an event loop.

    It raises CredentialsUnavailable, as does this.
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
