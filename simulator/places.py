"""The Azure clouds that a simulator can be: where each is reached, who issues its tokens, and what things are called.

Providers use the names of the public cloud. At the border of another cloud its names replace them in paths, bodies and
headers, so that no provider knows in which cloud it is. Events and the resolver keep the public names.
https://learn.microsoft.com/azure/private-link/private-endpoint-dns
https://learn.microsoft.com/azure/developer/identity/national-clouds
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from simulator.messages import Headers, Principal, Request, Response


@dataclass(frozen=True, slots=True)
class Place:
    """One cloud. arm, authority: hosts. audiences: of tokens for ARM. subscription: the first of its subscriptions.

    application: Homeostat's identity there. names: the public cloud's names, each with the one that is used here.
    """

    name: str
    arm: str
    authority: str
    audiences: tuple[str, ...]
    tenant: str
    subscription: str
    application: Principal
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """The prefix of the variables that tell a deployment about it."""
        return self.name.upper()

    def inward(self, request: Request) -> Request:
        """The request in the names of the public cloud."""
        if not self.names:
            return request
        path, body = request.path, request.body
        for public, here in self.names.items():
            path, body = path.replace(here, public), body.replace(here.encode(), public.encode())
        return replace(request, path=path, body=body)

    def outward(self, response: Response) -> Response:
        """The answer in the names of this cloud."""
        if not self.names:
            return response
        headers, body = response.headers, response.body
        for public, here in self.names.items():
            headers = Headers({name: value.replace(public, here) for name, value in headers.items()})
            body = body.replace(public.encode(), here.encode())
        return Response(response.status, headers, body)


def _application(tenant: str, digit: str) -> Principal:
    base = "00000000-0000-4000-8000-0000000000"
    return Principal("app-homeostat", f"{base}b{digit}", f"{base}c{digit}", tenant)


def _storage(suffix: str) -> Mapping[str, str]:
    """The names of storage by service, since the bare suffix also occurs in ARM's audiences."""
    return {f"{each}.core.windows.net": f"{each}.{suffix}" for each in ("blob", "dfs", "file", "queue", "table", "web")}


_GOVERNMENT_TENANT = "00000000-0000-4000-8000-0000000000a3"
_CHINA_TENANT = "00000000-0000-4000-8000-0000000000a4"

GOVERNMENT = Place(
    name="AzureUSGovernment",
    arm="management.usgovcloudapi.net",
    authority="login.microsoftonline.us",
    audiences=("management.usgovcloudapi.net", "management.core.usgovcloudapi.net"),
    tenant=_GOVERNMENT_TENANT,
    subscription="00000000-0000-4000-8000-000000000003",
    application=_application(_GOVERNMENT_TENANT, "3"),
    names={
        "database.windows.net": "database.usgovcloudapi.net",
        "redis.cache.windows.net": "redis.cache.usgovcloudapi.net",
        **_storage("core.usgovcloudapi.net"),
        "vaultcore.azure.net": "vaultcore.usgovcloudapi.net",
        "vault.azure.net": "vault.usgovcloudapi.net",
        "azurewebsites.net": "azurewebsites.us",
        "westeurope": "usgovvirginia",
        "West Europe": "USGov Virginia",
    },
)
CHINA = Place(
    name="AzureChinaCloud",
    arm="management.chinacloudapi.cn",
    authority="login.chinacloudapi.cn",
    audiences=("management.chinacloudapi.cn", "management.core.chinacloudapi.cn"),
    tenant=_CHINA_TENANT,
    subscription="00000000-0000-4000-8000-000000000004",
    application=_application(_CHINA_TENANT, "4"),
    names={
        "database.windows.net": "database.chinacloudapi.cn",
        "redis.cache.windows.net": "redis.cache.chinacloudapi.cn",
        **_storage("core.chinacloudapi.cn"),
        "vaultcore.azure.net": "vaultcore.azure.cn",
        "vault.azure.net": "vault.azure.cn",
        "azurewebsites.net": "chinacloudsites.cn",
        "westeurope": "chinanorth3",
        "West Europe": "China North 3",
    },
)
