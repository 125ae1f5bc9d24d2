"""One credential, and what is said when there is none."""

import base64

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError

from homeostat.azure.clouds import CLOUDS
from homeostat.azure.credentials import CredentialsUnavailable, default_credential
from homeostat.core.arm_errors import ErrorClass, Executed
from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SECURITY_RULE
from homeostat.core.model import Found, Read, Unreadable
from homeostat.core.plan import Action, Verb
from tests.azure.scripted import Answer, Tokens, conversation, resource

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
    with pytest.raises(CredentialsUnavailable, match="AZURE_TOKEN_CREDENTIALS"):
        default_credential(CLOUDS["azurecloud"])


async def test_the_credential_that_the_environment_names_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    credential = default_credential(CLOUDS["azurecloud"])
    with pytest.raises(ClientAuthenticationError) as raised:
        await credential.get_token("https://management.azure.com/.default")
    await credential.close()
    assert "EnvironmentCredential" in raised.value.message
    assert "AzureCliCredential" not in raised.value.message
