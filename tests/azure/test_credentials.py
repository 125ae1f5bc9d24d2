"""One credential, and what is said when there is none."""

import base64
import re
from collections.abc import Iterator
from typing import Any, Self

import jwt
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError

from homeostat.azure.clouds import CLOUDS
from homeostat.azure.credentials import CredentialsUnavailable, default_credential
from homeostat.azure.credentials import in_azure as is_in_azure
from homeostat.azure.pipeline import http_session, session_transport
from homeostat.azure.spared import SPARED_SECONDS, SparedCredential
from homeostat.core.arm_errors import ErrorClass, Executed
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
from homeostat.core.model import Found, Read, Unreadable
from homeostat.core.plan import Action, Verb
from simulator.cloud import HOMEOSTAT
from tests.azure.scripted import Answer, Tokens, VirtualAmbient, conversation, resource
from tests.support.simulation import running_simulator

pytestmark = pytest.mark.wire

NSG = Read(NETWORK_SECURITY_GROUP, resource(NETWORK_SECURITY_GROUP.name, "nsg-app"))
PUT_RULE = Action(resource(SECURITY_RULE.name, "nsg-app", "r"), SECURITY_RULE, Verb.PUT, (), {})


@pytest.mark.parametrize("failure", [CredentialUnavailableError("no login"), ClientAuthenticationError("no login")])
async def test_without_a_token_a_read_says_what_to_do_and_asks_nothing(failure: Exception) -> None:
    talk = conversation(tokens=Tokens(failure=failure))
    fact = await talk.arm.reader.read(NSG)
    assert isinstance(fact, Unreadable)
    assert "az login" in str(fact.error)
    assert "no login" in str(fact.error)
    assert fact.error.error_class is ErrorClass.UNAUTHENTICATED
    assert talk.script.requests == []
    assert talk.ambient.slept == []


async def test_without_a_token_a_write_was_not_carried_out() -> None:
    talk = conversation(tokens=Tokens(failure=CredentialUnavailableError("no login")))
    with pytest.raises(CredentialsUnavailable) as raised:
        await talk.arm.writer.write(PUT_RULE)
    assert raised.value.executed is Executed.NO
    assert talk.script.requests == []


async def test_a_challenge_for_claims_is_answered_with_a_token_that_has_them() -> None:
    claims = '{"access_token": {"nbf": {"value": "1"}}}'
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(claims.encode()).decode()}"'
    talk = conversation(Answer(401, {}, {"WWW-Authenticate": challenge}), Answer(200, {}))
    assert isinstance(await talk.arm.reader.read(NSG), Found)
    assert talk.tokens.claims == [claims]


async def test_a_credential_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "NoSuchCredential")
    with pytest.raises(
        CredentialsUnavailable, match=r"^no token for Azure: .* AZURE_TOKEN_CREDENTIALS, when set, must"
    ):
        default_credential(CLOUDS["azurecloud"], {})


async def test_the_credential_that_the_environment_names_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    credential = default_credential(CLOUDS["azurecloud"], {})
    with pytest.raises(ClientAuthenticationError) as raised:
        await credential.get_token("https://management.azure.com/.default")
    await credential.close()
    assert "EnvironmentCredential" in raised.value.message
    assert "AzureCliCredential" not in raised.value.message


# --- in Azure ---


@pytest.fixture
def in_azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a function app with a user-assigned identity, and with all that the usual chain would try."""
    with running_simulator("prerequisites") as simulation:
        environment = {
            **simulation.env,
            "WEBSITE_SITE_NAME": "func-homeostat",
            "AZURE_CLIENT_SECRET": "somebody else's",
            "AZURE_USERNAME": "developer@contoso.example",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AZURE_TOKEN_CREDENTIALS", raising=False)
        yield environment


async def claims_of(environment: dict[str, str]) -> Any:
    async with http_session(environment) as session:
        credential = default_credential(CLOUDS["azurecloud"], environment, session_transport(session))
        async with credential:
            token = await credential.get_token("https://management.azure.com/.default")
    return jwt.decode(token.token, options={"verify_signature": False})


async def test_in_azure_the_token_is_the_managed_identity_s(in_azure: dict[str, str]) -> None:
    claims = await claims_of(in_azure)
    assert (claims["oid"], claims["aud"]) == (HOMEOSTAT.object_id, "https://management.azure.com")


async def test_in_azure_nobody_else_is_tried_when_the_managed_identity_has_none(
    in_azure: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(ClientAuthenticationError, match="X-IDENTITY-HEADER"):
        await claims_of(in_azure)
    tried = {name for record in caplog.records for name in re.findall(r"\w+Credential\b", record.getMessage())}
    assert tried == {"AppServiceCredential", "ManagedIdentityCredential"}


async def test_in_azure_too_the_setting_has_the_last_word(
    in_azure: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    named = {**in_azure, "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
    assert (await claims_of(named))["oid"] == HOMEOSTAT.object_id
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "NoSuchCredential")
    with pytest.raises(CredentialsUnavailable, match="AZURE_TOKEN_CREDENTIALS"):
        await claims_of({**named, "AZURE_TOKEN_CREDENTIALS": "NoSuchCredential"})


@pytest.mark.parametrize("place", [{}, {"IDENTITY_ENDPOINT": "http://localhost"}, {"WEBSITE_SITE_NAME": " "}])
def test_a_desk_is_not_azure(place: dict[str, str]) -> None:
    assert not is_in_azure(place)


async def test_of_a_chain_of_credentials_the_one_that_was_set_up_is_named_first() -> None:
    reason = (
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
        "\tEnvironmentCredential: EnvironmentCredential authentication unavailable.\nVisit https://aka.ms/x.\n"
        "\tManagedIdentityCredential: Cannot connect to host [CERTIFICATE_VERIFY_FAILED]\n"
        "\tAzureCliCredential: Azure CLI not found on path\nTo mitigate this issue, see https://aka.ms/y."
    )
    told = str(CredentialsUnavailable.because(reason))
    assert told.index("CERTIFICATE_VERIFY_FAILED") < told.index("EnvironmentCredential") < told.index("AzureCli")


class _Failing:
    """A credential without a token, which counts who asks."""

    def __init__(self) -> None:
        self.asked = 0

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked += 1
        raise CredentialUnavailableError("no login")

    async def close(self) -> None:
        """Holds nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Holds nothing."""


async def test_a_credential_that_has_just_failed_is_not_asked_again_at_once() -> None:
    ambient, failing = VirtualAmbient(), _Failing()
    spared = SparedCredential(failing, ambient)
    for _ in range(3):
        with pytest.raises(ClientAuthenticationError, match="no login"):
            await spared.get_token("scope")
    assert failing.asked == 1
    await ambient.sleep(SPARED_SECONDS)
    with pytest.raises(ClientAuthenticationError, match="no login"):
        await spared.get_token("scope")
    assert failing.asked == 2
