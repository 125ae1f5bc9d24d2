"""Cloud Custodian's Azure provider, pointed at the simulator; runs in the environment that scripts/c7n makes.

    driver.py ready               load the provider and the policy, as its function does when it starts
    driver.py events EVENT COUNT  what its function does for each of COUNT deliveries of an event (JSON)
    driver.py sweep               its periodic policy over every web app

It prints its result as one line of JSON. No code of c7n is replaced: the public cloud's ARM endpoint is set to the
simulator's, and its credential is the managed identity that it finds by AZURE_USE_MSI.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

POLICY = {
    "name": "web-app-routes-all",
    "resource": "azure.webapp",
    "filters": [{"type": "configuration", "key": "vnetRouteAllEnabled", "op": "ne", "value": True}],
}
EVENT_MODE = {"type": "azure-event-grid", "events": [{"resourceProvider": "Microsoft.Web/sites", "event": "write"}]}


def main() -> None:
    what, *more = sys.argv[1:]
    from c7n_azure import entry, handler
    from msrestazure.azure_cloud import AZURE_PUBLIC_CLOUD

    AZURE_PUBLIC_CLOUD.endpoints.resource_manager = os.environ["HOMEOSTAT_ARM_ENDPOINT"]
    entry.initialize_azure()
    work: Mapping[str, Callable[..., Any]] = {"ready": _ready, "events": _events, "sweep": _sweep}
    found = work[what](handler, *more)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"at": time.monotonic(), "peak": peak, "found": found}))


def _ready(_handler: Any) -> int:
    return len(_policies(EVENT_MODE))


def _events(handler: Any, event: str, count: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        mode = {**EVENT_MODE, "execution-options": {"output_dir": folder}}
        config.write_text(json.dumps({"policies": [{**POLICY, "mode": mode}]}), encoding="utf-8")
        context = {"config_file": str(config), "auth_file": None, "name": POLICY["name"]}
        return sum(bool(handler.run(json.loads(event), context)) for _ in range(int(count)))


def _sweep(_handler: Any) -> dict[str, Any]:
    (policy,) = _policies(None)
    began = time.perf_counter()
    resources = policy.resource_manager.resources()
    return {"drifted": len(resources), "seconds": time.perf_counter() - began}


def _policies(mode: Any) -> Any:
    from c7n.config import Config
    from c7n.policy import PolicyCollection
    from c7n.resources import load_resources
    from c7n_azure.provider import Azure

    load_resources((POLICY["resource"],))
    options = Azure().initialize(
        Config.empty(output_dir=tempfile.gettempdir(), account_id=os.environ["AZURE_SUBSCRIPTION_ID"])
    )
    policy = {**POLICY, **({"mode": mode} if mode else {})}
    return PolicyCollection.from_data({"policies": [policy]}, options)


main()
