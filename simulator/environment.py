"""The environment that makes Homeostat, azure-identity and the Azure CLI talk to a simulator."""

import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

from simulator import identity
from simulator.cloud import HOMEOSTAT, PUBLIC, Cloud

ALERT_TOPIC = "homeostat-alerts"
ALERT_TOPIC_KEY = "c2ltdWxhdGVkLWV2ZW50LWdyaWQtdG9waWMta2V5"  # base64, like a real topic key


def environment(cloud: Cloud, endpoint: str, bundle: Path, folder: Path, resolver: str = "") -> dict[str, str]:
    """Every variable, by name. `folder` is private to this simulator: the CLI's configuration goes below it.

    `resolver` is the ADDRESS:PORT where the network's names are answered, if they are. A cloud that is not the public
    one is described as a further one, beside a public one's environment.
    """
    if cloud.place is not PUBLIC:
        return _further(cloud, endpoint, bundle)
    config = folder / "azure-config"
    config.mkdir(exist_ok=True)
    return {
        "HOMEOSTAT_ARM_ENDPOINT": endpoint,
        "AZURE_SUBSCRIPTION_ID": cloud.subscription,
        "AZURE_TENANT_ID": cloud.tenant,
        "AZURE_CLIENT_ID": HOMEOSTAT.app_id,
        "IDENTITY_ENDPOINT": f"{endpoint}{identity.PATH}",
        "IDENTITY_HEADER": identity.HEADER,
        "REQUESTS_CA_BUNDLE": str(bundle),
        "SSL_CERT_FILE": str(bundle),
        "AZURE_CONFIG_DIR": str(config),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "HOMEOSTAT_ALERT_TOPIC_ENDPOINT": f"{endpoint}/topics/{ALERT_TOPIC}/api/events",
        "HOMEOSTAT_ALERT_TOPIC_KEY": ALERT_TOPIC_KEY,
        **({"HOMEOSTAT_DNS_SERVER": resolver} if resolver else {}),
    }


def _further(cloud: Cloud, endpoint: str, bundle: Path) -> dict[str, str]:
    """SSL_CERT_FILE alone, so that the other cloud's REQUESTS_CA_BUNDLE stays: both are trusted."""
    prefix = cloud.place.prefix
    return {
        "HOMEOSTAT_CLOUD_OF_SUBSCRIPTIONS": f"{cloud.place.name}={','.join((*cloud.subscriptions, cloud.tenant))}",
        f"{prefix}_ARM_ENDPOINT": endpoint,
        f"{prefix}_AUTHORITY_HOST": endpoint,
        f"{prefix}_TENANT_ID": cloud.tenant,
        f"{prefix}_CLIENT_ID": cloud.place.application.app_id,
        f"{prefix}_CLIENT_SECRET": identity.CLIENT_SECRET,
        "SSL_CERT_FILE": str(bundle),
    }


def write(path: Path, variables: Mapping[str, str]) -> None:
    """Write `export` lines so that a reader sees the whole file or none of it."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(lines)
    Path(temporary).replace(path)
