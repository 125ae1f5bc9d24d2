"""Where ARM is and who may vouch for us there: one row per Azure cloud.

Endpoints: https://learn.microsoft.com/azure/developer/identity/national-clouds and azure-mgmt-core's own table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from homeostat.core.errors import HomeostatError


class UnknownCloud(HomeostatError):
    """A variable that says which cloud to talk to is wrong."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """arm: the endpoint of Azure Resource Manager, without a trailing slash.

    scope: what a token for it is asked for. authority: the host that issues tokens.
    """

    name: str
    arm: str
    scope: str
    authority: str

    def owns(self, url: str) -> bool:
        """Whether a token for this cloud may be sent there: to ARM's own host, or to one below it, over TLS."""
        try:
            arm, other = urlsplit(self.arm), urlsplit(url)
        except ValueError:  # no URL at all, as a link out of an answer may be
            return False
        same = other.hostname == arm.hostname or (other.hostname or "").endswith(f".{arm.hostname}")
        return same and other.scheme == "https"


CLOUDS: Final[Mapping[str, Cloud]] = {
    cloud.name.lower(): cloud
    for cloud in (
        Cloud(
            name="AzureCloud",
            arm="https://management.azure.com",
            scope="https://management.azure.com/.default",
            authority="login.microsoftonline.com",
        ),
        Cloud(
            name="AzureUSGovernment",
            arm="https://management.usgovcloudapi.net",
            scope="https://management.core.usgovcloudapi.net/.default",
            authority="login.microsoftonline.us",
        ),
        Cloud(
            name="AzureChinaCloud",
            arm="https://management.chinacloudapi.cn",
            scope="https://management.chinacloudapi.cn/.default",
            authority="login.chinacloudapi.cn",
        ),
    )
}


def cloud_of(environment: Mapping[str, str]) -> Cloud:
    """The cloud that the environment names.

    HOMEOSTAT_CLOUD picks it by its Azure CLI name. HOMEOSTAT_ARM_ENDPOINT replaces its ARM endpoint; tokens are still
    asked for the cloud's own ARM, unless HOMEOSTAT_ARM_SCOPE says otherwise. Raises UnknownCloud.
    """
    name = environment.get("HOMEOSTAT_CLOUD", "").strip() or "AzureCloud"
    cloud = CLOUDS.get(name.lower())
    if cloud is None:
        known = ", ".join(row.name for row in CLOUDS.values())
        raise UnknownCloud(f"HOMEOSTAT_CLOUD is {name!r}: set it to one of {known}")
    endpoint = environment.get("HOMEOSTAT_ARM_ENDPOINT", "").strip().rstrip("/")
    scope = environment.get("HOMEOSTAT_ARM_SCOPE", "").strip()
    if endpoint and not (endpoint.startswith("https://") and urlsplit(endpoint).hostname):
        raise UnknownCloud(
            f"HOMEOSTAT_ARM_ENDPOINT is {endpoint!r}: tokens travel over TLS only, give a URL that begins with https://"
        )
    return replace(cloud, arm=endpoint or cloud.arm, scope=scope or cloud.scope)
