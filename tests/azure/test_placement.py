"""Which cloud a subscription is in, and who we are in a further one, as the environment says it."""

import datetime as dt
from pathlib import Path

import pytest
from azure.identity.aio import CertificateCredential, ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from homeostat.ambient import SystemAmbient
from homeostat.azure.arm import open_arm
from homeostat.azure.clouds import CLOUDS, UnknownCloud
from homeostat.azure.credentials import FurtherCredentialWrong, further_credential
from homeostat.azure.placement import VARIABLE, placement_of
from homeostat.azure.reader import PipelineReader
from homeostat.azure.resource_graph import ResourceGraph

pytestmark = pytest.mark.unit

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
GOVERNMENT = CLOUDS["azureusgovernment"]
SECRET = "Zq8-not-to-be-shown"
WHO = {"AZUREUSGOVERNMENT_TENANT_ID": TWO, "AZUREUSGOVERNMENT_CLIENT_ID": ONE}


def test_what_is_not_placed_is_in_the_deployment_s_own_cloud() -> None:
    placement = placement_of({VARIABLE: f"azureusgovernment = {ONE}, MG-Gov ; AzureChinaCloud={TWO};"})
    assert [cloud.name for cloud in placement.further] == ["AzureUSGovernment", "AzureChinaCloud"]
    assert placement.cloud_of(ONE.upper()) == placement.cloud_of("mg-gov") == "AzureUSGovernment"
    assert placement.cloud_of(TWO) == "AzureChinaCloud"
    assert placement.cloud_of("mg-other") == "AzureCloud"


def test_a_deployment_in_government_may_look_after_the_public_cloud() -> None:
    placement = placement_of({"HOMEOSTAT_CLOUD": "AzureUSGovernment", VARIABLE: f"AzureCloud={ONE}"})
    assert (placement.home.name, placement.cloud_of(ONE), placement.cloud_of(TWO)) == (
        "AzureUSGovernment",
        "AzureCloud",
        "AzureUSGovernment",
    )


def test_the_own_cloud_may_be_named_too() -> None:
    assert placement_of({VARIABLE: f"AzureCloud={ONE}"}).further == ()


def test_a_further_cloud_s_endpoint_is_a_variable_of_its_own() -> None:
    given = {
        VARIABLE: f"AzureUSGovernment={ONE}",
        "HOMEOSTAT_ARM_ENDPOINT": "https://home.example",
        "AZUREUSGOVERNMENT_ARM_ENDPOINT": "https://arm.example/",
    }
    placement = placement_of(given)
    assert (placement.home.arm, placement.further[0].arm) == ("https://home.example", "https://arm.example")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (ONE, "write CLOUD=ID,ID"),
        (f"AzureUSGovernment={ONE},", "write CLOUD=ID,ID"),
        ("AzureUSGovernment=", "write CLOUD=ID,ID"),
        (f"AzureGermanCloud={ONE}", f"{VARIABLE} is 'AzureGermanCloud': set it to one of AzureCloud"),
        (f"AzureUSGovernment={ONE};AzureChinaCloud={ONE}", f"places {ONE} in two clouds"),
    ],
)
def test_a_placement_that_makes_no_sense_is_told_with_its_remedy(value: str, said: str) -> None:
    with pytest.raises(UnknownCloud, match=said):
        placement_of({VARIABLE: value})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {},
            "set AZUREUSGOVERNMENT_TENANT_ID, AZUREUSGOVERNMENT_CLIENT_ID, AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH",
        ),
        ({"AZUREUSGOVERNMENT_CLIENT_SECRET": SECRET}, "set AZUREUSGOVERNMENT_TENANT_ID, AZUREUSGOVERNMENT_CLIENT_ID$"),
        (WHO, "set AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH or AZUREUSGOVERNMENT_CLIENT_SECRET$"),
        (
            {
                **WHO,
                "AZUREUSGOVERNMENT_CLIENT_SECRET": SECRET,
                "AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH": "/etc/homeostat.pem",
            },
            "not both",
        ),
        (
            {**WHO, "AZUREUSGOVERNMENT_CLIENT_SECRET": "@Microsoft.KeyVault(VaultName=kv;SecretName=government)"},
            "AZUREUSGOVERNMENT_CLIENT_SECRET is a Key Vault reference that was not resolved",
        ),
        (
            {**WHO, "AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH": "/nowhere/homeostat.pem"},
            "AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH is '/nowhere/homeostat.pem', which cannot be read",
        ),
        (
            {**WHO, "AZUREUSGOVERNMENT_CLIENT_SECRET": SECRET, "AZUREUSGOVERNMENT_AUTHORITY_HOST": "http://login"},
            "AZUREUSGOVERNMENT_AUTHORITY_HOST, .*must be a TLS protected",
        ),
    ],
)
async def test_what_a_further_cloud_lacks_is_named_at_the_start(given: dict[str, str], said: str) -> None:
    environment = {VARIABLE: f"AzureUSGovernment={ONE}", **given}
    with pytest.raises(FurtherCredentialWrong, match=said) as raised:
        async with open_arm(environment, SystemAmbient()):
            pass
    assert SECRET not in str(raised.value)


async def test_an_application_proves_itself_by_its_secret() -> None:
    credential = further_credential(GOVERNMENT, {**WHO, "AZUREUSGOVERNMENT_CLIENT_SECRET": SECRET})
    assert isinstance(credential, ClientSecretCredential)
    await credential.close()


async def test_an_application_proves_itself_by_its_certificate(tmp_path: Path) -> None:
    path = tmp_path / "homeostat.pem"
    path.write_bytes(certificate(b"opened"))
    given = {**WHO, "AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH": str(path)}
    with pytest.raises(FurtherCredentialWrong, match="AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PASSWORD is wrong"):
        further_credential(GOVERNMENT, {**given, "AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PASSWORD": "other"})
    credential = further_credential(GOVERNMENT, {**given, "AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PASSWORD": "opened"})
    assert isinstance(credential, CertificateCredential)
    await credential.close()


async def test_where_all_is_in_one_cloud_nothing_stands_before_its_adapters() -> None:
    async with open_arm({VARIABLE: f"AzureCloud={ONE}"}, SystemAmbient()) as arm:
        assert isinstance(arm.reader, PipelineReader)
        assert isinstance(arm.changes, ResourceGraph)


def certificate(password: bytes) -> bytes:
    """A PEM file with a key and a certificate that it signed itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "homeostat")])
    begun = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begun)
        .not_valid_after(begun + dt.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    return encrypted + signed.public_bytes(serialization.Encoding.PEM)
