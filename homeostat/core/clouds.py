"""The Azure clouds by name, and which of them a region belongs to.

A backend's host names differ from cloud to cloud, and private endpoints and backends both state their region. So the
region tells which names apply, without any configuration.
"""

from enum import StrEnum


class CloudName(StrEnum):
    """As the Azure CLI names them: https://learn.microsoft.com/cli/azure/manage-clouds-azure-cli"""

    PUBLIC = "AzureCloud"
    US_GOVERNMENT = "AzureUSGovernment"
    CHINA = "AzureChinaCloud"


def cloud_of_region(region: str) -> CloudName:
    """By the region's name, `usgovvirginia` or `US Gov Virginia`; any other region is of the public cloud.

    https://learn.microsoft.com/azure/azure-government/documentation-government-overview-dod
    https://learn.microsoft.com/azure/china/overview-datacenter
    """
    name = region.lower().replace(" ", "")
    if name.startswith(("usgov", "usdod")):
        return CloudName.US_GOVERNMENT
    return CloudName.CHINA if name.startswith("china") else CloudName.PUBLIC
