"""Where ARM is and who issues tokens for it: one row for each Azure cloud.

Endpoints: https://learn.microsoft.com/azure/developer/identity/national-clouds and azure-mgmt-core's own table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from homeostat.core.addresses import address_of
from homeostat.core.clouds import CloudName
from homeostat.core.errors import HomeostatError

HTTPS: Final = 443


class UnknownCloud(HomeostatError):
    """A variable that says which cloud to talk to is wrong."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """arm: the endpoint of Azure Resource Manager, without a trailing slash. scope: of a token for it.

    authority: the host that issues tokens. storage: the suffix of storage accounts' host names.
    """

    name: CloudName
    arm: str
    scope: str
    authority: str
    storage: str

    @property
    def prefix(self) -> str:
        """Of the variables that describe it, where it is not the deployment's own cloud."""
        return self.name.upper()

    def owns(self, url: str) -> bool:
        """Whether a token for this cloud may be sent there: to ARM's own host, or to one below it, over TLS."""
        try:
            arm, other = urlsplit(self.arm), urlsplit(url)
            same_port = (other.port or HTTPS) == (arm.port or HTTPS)
        except ValueError:  # not a URL, which a link in an answer may be
            return False
        same = other.hostname == arm.hostname or (other.hostname or "").endswith(f".{arm.hostname}")
        return same and same_port and other.scheme == "https"


CLOUDS: Final[Mapping[str, Cloud]] = {
    cloud.name.lower(): cloud
    for cloud in (
        Cloud(
            name=CloudName.PUBLIC,
            arm="https://management.azure.com",
            scope="https://management.azure.com/.default",
            authority="login.microsoftonline.com",
            storage="core.windows.net",
        ),
        Cloud(
            name=CloudName.US_GOVERNMENT,
            arm="https://management.usgovcloudapi.net",
            scope="https://management.core.usgovcloudapi.net/.default",
            authority="login.microsoftonline.us",
            storage="core.usgovcloudapi.net",
        ),
        Cloud(
            name=CloudName.CHINA,
            arm="https://management.chinacloudapi.cn",
            scope="https://management.chinacloudapi.cn/.default",
            authority="login.chinacloudapi.cn",
            storage="core.chinacloudapi.cn",
        ),
    )
}


def cloud_of(environment: Mapping[str, str]) -> Cloud:
    """The cloud that the environment names, which holds all that is not placed in another.

    HOMEOSTAT_CLOUD names it as the Azure CLI does. HOMEOSTAT_ARM_ENDPOINT replaces its ARM endpoint; tokens are still
    requested for the cloud's own ARM, unless HOMEOSTAT_ARM_SCOPE says otherwise. Raises UnknownCloud.
    """
    name = environment.get("HOMEOSTAT_CLOUD", "").strip() or CloudName.PUBLIC
    return adjusted(named_cloud(name, "HOMEOSTAT_CLOUD"), environment, "HOMEOSTAT")


def named_cloud(name: str, variable: str) -> Cloud:
    """The row of a cloud that a variable names. Raises UnknownCloud."""
    cloud = CLOUDS.get(name.lower())
    if cloud is None:
        known = ", ".join(row.name for row in CLOUDS.values())
        raise UnknownCloud(f"{variable} is {name!r}: set it to one of {known}")
    return cloud


def adjusted(cloud: Cloud, environment: Mapping[str, str], prefix: str) -> Cloud:
    """The cloud with the ARM endpoint and scope that variables with this prefix set. Raises UnknownCloud."""
    endpoint = environment.get(f"{prefix}_ARM_ENDPOINT", "").strip().rstrip("/")
    scope = environment.get(f"{prefix}_ARM_SCOPE", "").strip()
    if endpoint and not ((address := address_of(endpoint)) and address.scheme == "https"):
        raise UnknownCloud(
            f"{prefix}_ARM_ENDPOINT is {endpoint!r}: tokens travel over TLS only, give a URL that begins with https://"
        )
    return replace(cloud, arm=endpoint or cloud.arm, scope=scope or cloud.scope)
