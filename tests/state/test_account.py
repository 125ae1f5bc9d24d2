"""Which storage account the app's settings name, in each of the forms that the Functions host knows."""

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from homeostat.azure.storage import StorageMisconfigured, account_from
from tests.state.stores import NoIdentity

pytestmark = pytest.mark.unit

IDENTITY = NoIdentity()


def endpoints(settings: dict[str, str], **options: str) -> tuple[str, str, str]:
    account = account_from(settings, identity=IDENTITY, **options)
    return account.table, account.queue, account.blob


def test_a_connection_string_with_a_key_names_the_public_endpoints() -> None:
    text = (
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0PT0=;EndpointSuffix=core.usgovcloudapi.net"
    )
    account = account_from({"AzureWebJobsStorage": text}, identity=IDENTITY)
    assert account.table == "https://acme.table.core.usgovcloudapi.net"
    assert account.queue == "https://acme.queue.core.usgovcloudapi.net"
    assert account.blob == "https://acme.blob.core.usgovcloudapi.net"
    assert isinstance(account.credential, AzureNamedKeyCredential)
    assert account.credential.named_key == ("acme", "c2VjcmV0PT0=")


def test_a_connection_string_may_name_its_endpoints() -> None:
    text = (
        "AccountName=a;AccountKey=a2V5;TableEndpoint=http://h:1/a;QueueEndpoint=http://h:2/a;BlobEndpoint=http://h:3/a"
    )
    assert endpoints({"AzureWebJobsStorage": text}) == ("http://h:1/a", "http://h:2/a", "http://h:3/a")


def test_a_shared_access_signature_keeps_its_equals_signs() -> None:
    text = "AccountName=acme;SharedAccessSignature=sv=2024-01-01&sig=abc%3D="
    account = account_from({"AzureWebJobsStorage": text}, identity=IDENTITY)
    assert isinstance(account.credential, AzureSasCredential)
    assert account.credential.signature == "sv=2024-01-01&sig=abc%3D="


def test_development_storage_is_the_emulator_on_its_usual_ports() -> None:
    assert endpoints({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}) == (
        "http://127.0.0.1:10002/devstoreaccount1",
        "http://127.0.0.1:10001/devstoreaccount1",
        "http://127.0.0.1:10000/devstoreaccount1",
    )


def test_an_account_name_alone_means_the_identity() -> None:
    account = account_from({"AzureWebJobsStorage__accountName": "acme"}, identity=IDENTITY)
    assert account.credential is IDENTITY
    assert account.blob == "https://acme.blob.core.windows.net"


def test_an_account_name_follows_the_clouds_suffix() -> None:
    settings = {"AzureWebJobsStorage__accountName": "acme"}
    assert endpoints(settings, suffix="core.chinacloudapi.cn")[0] == "https://acme.table.core.chinacloudapi.cn"


def test_service_uris_mean_the_identity_at_those_places() -> None:
    settings = {
        f"AzureWebJobsStorage__{service}ServiceUri": f"https://{service}" for service in ("table", "queue", "blob")
    }
    assert endpoints(settings) == ("https://table", "https://queue", "https://blob")


def test_missing_settings_are_named() -> None:
    with pytest.raises(StorageMisconfigured, match="__queueServiceUri, AzureWebJobsStorage__blobServiceUri"):
        account_from({"AzureWebJobsStorage__tableServiceUri": "https://table"}, identity=IDENTITY)


@pytest.mark.parametrize(
    "text", ["AccountName=acme;AccountKey=", "AccountName=acme;AccountKey=hunter2", "hunter2", "=;=;"]
)
def test_half_a_connection_string_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(StorageMisconfigured, match="not a whole connection string") as refused:
        account_from({"AzureWebJobsStorage": text}, identity=IDENTITY)
    assert "hunter2" not in str(refused.value)
