"""Which cloud the environment means, and where its token may go."""

import pytest
from azure.core import AzureClouds
from azure.mgmt.core.tools import get_arm_endpoints

from homeostat.azure.clouds import CLOUDS, UnknownCloud, cloud_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("AzureCloud", AzureClouds.AZURE_PUBLIC_CLOUD),
        ("AzureUSGovernment", AzureClouds.AZURE_US_GOVERNMENT),
        ("AzureChinaCloud", AzureClouds.AZURE_CHINA_CLOUD),
    ],
)
def test_endpoints_and_scopes_are_those_of_the_sdks(name: str, theirs: AzureClouds) -> None:
    cloud = cloud_of({"HOMEOSTAT_CLOUD": name})
    expected = get_arm_endpoints(theirs)
    assert (f"{cloud.arm}/", [cloud.scope]) == (expected["resource_manager"], expected["credential_scopes"])


def test_the_public_cloud_is_meant_when_nothing_is_said() -> None:
    assert cloud_of({}) == cloud_of({"HOMEOSTAT_CLOUD": "  "}) == CLOUDS["azurecloud"]


def test_names_are_known_in_any_case() -> None:
    assert cloud_of({"HOMEOSTAT_CLOUD": "azureusgovernment"}).authority == "login.microsoftonline.us"


def test_an_unknown_cloud_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(UnknownCloud, match="AzureCloud, AzureUSGovernment, AzureChinaCloud"):
        cloud_of({"HOMEOSTAT_CLOUD": "AzureGermanCloud"})


def test_another_endpoint_keeps_the_clouds_own_audience() -> None:
    cloud = cloud_of({"HOMEOSTAT_ARM_ENDPOINT": "https://localhost:8443/"})
    assert (cloud.arm, cloud.scope) == ("https://localhost:8443", "https://management.azure.com/.default")


def test_another_audience_can_be_asked_for() -> None:
    assert cloud_of({"HOMEOSTAT_ARM_SCOPE": "https://arm.example/.default"}).scope == "https://arm.example/.default"


@pytest.mark.parametrize(
    "endpoint", ["http://localhost:8443", "localhost:8443", "https://", "https://[::1", "https://arm:x"]
)
def test_an_endpoint_without_tls_or_host_is_refused(endpoint: str) -> None:
    with pytest.raises(UnknownCloud, match="https://"):
        cloud_of({"HOMEOSTAT_ARM_ENDPOINT": endpoint})


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://management.azure.com/subscriptions", True),
        ("https://management.azure.com:443/subscriptions", True),
        ("https://management.azure.com:8443/subscriptions", False),
        ("https://management.azure.com:port/subscriptions", False),
        ("https://westeurope.management.azure.com/x", True),
        ("http://management.azure.com/x", False),
        ("https://management.azure.com.example.org/x", False),
        ("https://evilmanagement.azure.com/x", False),
        ("https://example.org/?https://management.azure.com", False),
        ("/subscriptions", False),
        ("https://[", False),
    ],
)
def test_a_token_goes_to_its_cloud_alone(url: str, ours: bool) -> None:
    assert CLOUDS["azurecloud"].owns(url) is ours
