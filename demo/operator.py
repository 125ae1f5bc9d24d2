"""The operator, who changes resources and looks at them through ARM. Nothing of Homeostat is used here."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

TIMEOUT: Final = 30.0
GROUP: Final = "rg-flask"
VERSIONS: Final = {
    "Microsoft.EventGrid": "2025-02-15",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Network": "2024-05-01",
    "Microsoft.Web": "2025-05-01",
}
"""The api-versions, by the beginning of the type, the most specific first."""


class Refused(Exception):
    """ARM or the function app did not do what was asked."""


class NotSeen(Exception):
    """What the story promises did not happen in time."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator at an ARM endpoint. Paths omit subscription and usual group: `Microsoft.Web/sites/app-flask`.

    Paths in another group name it: `NetworkWatcherRG:Microsoft.Network/networkWatchers/NetworkWatcher_westeurope`.
    """

    endpoint: str
    subscription: str
    token: str
    tls: ssl.SSLContext

    @classmethod
    def of(cls, cloud: Mapping[str, str]) -> Self:
        """An operator who is signed in by the environment that the simulator writes."""
        tls = ssl.create_default_context(cafile=cloud["SSL_CERT_FILE"])
        query = f"?api-version=2019-08-01&resource={quote('https://management.azure.com/')}"
        headers = {"X-IDENTITY-HEADER": cloud["IDENTITY_HEADER"]}
        _, answer = http("GET", cloud["IDENTITY_ENDPOINT"] + query, headers=headers, tls=tls)
        return cls(cloud["HOMEOSTAT_ARM_ENDPOINT"], cloud["AZURE_SUBSCRIPTION_ID"], answer["access_token"], tls)

    def get(self, path: str) -> Any:
        """The resource's body, or None when there is none."""
        status, body = self._arm("GET", path)
        return None if status == 404 else body

    def post(self, path: str) -> Any:
        return self._arm("POST", path)[1]

    def put(self, path: str, body: Any) -> None:
        self._arm("PUT", path, body)

    def change(self, path: str, **properties: Any) -> None:
        """Writes the resource with these properties changed, and waits until ARM says that it is done."""
        body = self.get(path)
        self.put(path, {**body, "properties": {**body["properties"], **properties}})
        until(lambda: _is_done(self.get(path)), f"{path} to be written")

    def delete(self, path: str) -> None:
        self._arm("DELETE", path)

    def simulator(self, method: str, what: str) -> Any:
        """The simulator's own records: requests, alerts, deliveries."""
        return http(method, f"{self.endpoint}/_simulator/{what}", tls=self.tls)[1]

    def _arm(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        group, _, rest = path.rpartition(":")
        version = next(value for start, value in VERSIONS.items() if rest.startswith(start))
        scope = "" if rest.startswith("Microsoft.EventGrid") else f"/resourceGroups/{group or GROUP}"
        status, answer = self._send(
            method, f"/subscriptions/{self.subscription}{scope}/providers/{rest}", version, body
        )
        if status >= 400 and not (method == "GET" and status == 404):
            raise Refused(f"ARM answered {status} to {method} {path}: {answer}")
        return status, answer

    def _send(self, method: str, path: str, version: str, body: Any) -> tuple[int, Any]:
        url, headers = f"{self.endpoint}{path}?api-version={version}", {"authorization": f"Bearer {self.token}"}
        return http(method, url, body, headers=headers, tls=self.tls)


def _is_done(body: Any) -> bool:
    return bool(body["properties"]["provisioningState"] == "Succeeded")


def until(condition: Callable[[], bool], what: str, seconds: float = TIMEOUT) -> float:
    """Checks repeatedly until the condition holds. Returns the seconds that it took. Raises NotSeen."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise NotSeen(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def http(
    method: str,
    url: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, Any]:
    """The status and body of a request. The body is parsed if it is JSON."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310  # a program that the demo started
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=tls) as answer:  # noqa: S310  # as above
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        status, text = refusal.code, refusal.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode(errors="replace")
