"""What may be written of a live app's settings, and of what only the presence may be told."""

import pytest

from homeostat.adopt.secrecy import must_stay_secret

pytestmark = pytest.mark.unit

SECRETS = {
    "DB_PASSWORD": "hunter2",
    "api_key": "x",
    "GREETING": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "STORE": "DefaultEndpointsProtocol=https;AccountName=st;AccountKey=c2VjcmV0c2VjcmV0c2VjcmV0",
    "DATABASE_URL": "postgresql://flask:hunter2@db.example.com/flask",
    "HOOK": "https://example.com/api/hook?code=abc",
    "CACHE": "redis-flask.redis.cache.windows.net:6380,password=hunter2hunter2,ssl=True",
    "SALT": "9f86d081884c7d659a2feaa0c55ad015",
    "FLASK_SESSION": "kR7x2Lw9QpZt4Vb8Ns3Yd6Hf",
    "SIGNING": "kR7x2Lw9Qp/Zt4Vb8Ns3Yd6HfkR7x2Lw9+QpZt4Vb8Ns3Yd6Hf==",
    "APPINSIGHTS_INSTRUMENTATION_KEY_TOKEN": "00000000-1111-2222-3333-444444444444",
}
HARMLESS = {
    "SQL_SERVER_FQDN": "sql-flask.database.windows.net",
    "REDIS_PORT": "6380",
    "KEY_VAULT_URI": "https://kv-flask.vault.azure.net/",
    "AZURE_CLIENT_ID": "00000000-1111-2222-3333-444444444444",
    "TOKEN_URL": "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    "DB_PASSWORD": "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/db/0123456789abcdef)",
    "IMAGE": "registry.example.com/team/flask-application:2026.11.23",
    "RESOURCE": "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/r1/providers/Microsoft.Web/sites/",
    "DIRECTORY": "/home/site/wwwroot/static/v2",
    "EMPTY_SECRET": "",
    "SENTENCE": "The quick brown fox jumps over the lazy dog",
}


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
def test_what_may_be_a_secret_is_kept_one(name: str, value: str) -> None:
    assert must_stay_secret(name, value)


@pytest.mark.parametrize(("name", "value"), HARMLESS.items())
def test_what_is_plainly_none_is_written(name: str, value: str) -> None:
    assert not must_stay_secret(name, value)
