"""What counts as a secret: refused in a spec, masked in what is shown."""

import pytest

from homeostat.core.secrets import is_key_vault_reference, is_secret_name, looks_like_secret

pytestmark = pytest.mark.unit

# Shapes of secrets, put together here so that no scanner takes this file for a leak.
RANDOM = "q7Zk3Vx9Lm2Rt8Wy5Bn1Cd4Fg6Hj0Ks"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ." + "c2lnbmF0dXJlLW1hZGUtdXA"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "STORAGE",
            f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={RANDOM}==;EndpointSuffix=core.windows.net",
        ),
        ("BUS", f"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={RANDOM}="),
        ("SQL", "Server=tcp:sql;Database=db;User ID=sa;Password=hunter22;Encrypt=true"),
        ("SQL", "Server=tcp:sql;Uid=sa;Pwd=hunter22"),
        ("REDIS_URL", "rediss://:hunter22@redis-flask.redis.cache.windows.net:6380"),
        ("DATABASE_URL", "postgresql://app:hunter22@db.example.com/app"),
        ("BLOB", f"https://x.blob.core.windows.net/c?sv=2022&sig={RANDOM}%3D"),
        ("CERT", "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIB"),
        ("BEARER", JWT),
        ("X", "ghp_" + RANDOM),
        ("API_KEY", RANDOM),
        ("MACHINEKEY_DecryptionKey", "E78A29DD75369AD507A9BC10510FC9BD"),
        ("DB_PASSWORD", RANDOM),
    ],
)
def test_a_value_that_gives_itself_away_is_a_secret(name: str, value: str) -> None:
    assert looks_like_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "API_KEY",
            "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/api-key/0123456789abcdef0123456789abcdef)",
        ),
        ("DB_PASSWORD", "@microsoft.keyvault(VaultName=kv;SecretName=db)"),
        ("SQL_SERVER_FQDN", "sql-flask.database.windows.net"),
        ("KEY_VAULT_URI", "https://kv-flask.vault.azure.net/"),
        ("REDIS_PORT", "6380"),
        ("SQL", "Server=tcp:sql;Database=db;Authentication=Active Directory Managed Identity"),
        ("SQL", "Server=tcp:sql;Password=;Database=db"),
        ("COMMIT", "f026b8f991ae54d36afa8ace6da140d09d73f165"),
        ("TENANT_ID", "72f988bf-86f1-41af-91ab-2d7cd011db47"),
        ("TOKEN_URL", "https://login.microsoftonline.com/common/oauth2/v2.0/token"),
        ("SECRET_NAME", "api-key-for-the-flask-application-2024"),
        ("DB_PASSWORD", ""),
    ],
)
def test_an_ordinary_value_and_a_key_vault_reference_are_none(name: str, value: str) -> None:
    assert not looks_like_secret(name, value)


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "db.pass", "ProjectNami.DBPass", "API_KEY", "apiKey", "SAS", "GH_PAT", "CLIENT_SECRET", "Db_Pwd"],
)
def test_a_name_can_tell_of_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["KEY_VAULT_URI", "REDIS_HOST", "PATH", "COMPASS", "KEYBOARD", "TOKEN_ENDPOINT", "SASH"]
)
def test_an_ordinary_name_tells_of_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("value", ["@Microsoft.KeyVault(x", "see @Microsoft.KeyVault(x)", "", "Microsoft.KeyVault(x)"])
def test_only_a_whole_reference_is_a_key_vault_reference(value: str) -> None:
    assert not is_key_vault_reference(value)
