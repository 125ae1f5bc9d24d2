"""Whether the Key Vault references among the app settings resolve (config/configreferences).

https://learn.microsoft.com/azure/app-service/app-service-key-vault-references gives the two spellings. A reference
resolves when the vault and the secret exist, the site has the identity that it reads with, that identity may read, and
a vault without public access can be reached over the site's integration.
"""

import re
from dataclasses import dataclass

from simulator.arm import Call
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError
from simulator.messages import Json, Response
from simulator.providers.web.state import Site, site_of

_REFERENCE = re.compile(r"@Microsoft\.KeyVault\((?P<inner>.*)\)", re.IGNORECASE)
_SECRET_URI = re.compile(r"https://([^./]+)\.[^/]+/secrets/([^/]+)(?:/([^/]*))?/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    vault: str
    secret: str
    version: str


def listing(call: Call) -> Response:
    """Every app setting that is a reference; the others are not mentioned."""
    site = site_of(call)
    found = [_body(call, site, name, value) for name, value in site.app_settings.items() if _REFERENCE.match(value)]
    return Response.json(200, {"value": found, "nextLink": None, "id": None})


def get(call: Call) -> Response:
    site = site_of(call)
    for name, value in site.app_settings.items():
        if name.lower() == call.address.name.lower() and _REFERENCE.match(value):
            return Response.json(200, _body(call, site, name, value))
    raise ArmError(404, "NotFound", f"Cannot find a Key Vault reference with name {call.address.name}.")


def parse(value: str) -> Reference | None:
    """The vault and secret that a setting's value refers to; None when the syntax is wrong."""
    match = _REFERENCE.match(value)
    if match is None:
        return None
    parts = dict(part.split("=", 1) for part in match["inner"].split(";") if "=" in part)
    parts = {name.strip().lower(): text.strip() for name, text in parts.items()}
    uri = _SECRET_URI.fullmatch(parts.get("secreturi", ""))
    if uri is not None:
        return Reference(uri[1], uri[2], uri[3] or "")
    if "vaultname" in parts and "secretname" in parts:
        return Reference(parts["vaultname"], parts["secretname"], parts.get("secretversion", ""))
    return None


def _body(call: Call, site: Site, name: str, value: str) -> Json:
    reference = parse(value)
    status, details = _resolve(call.cloud, site, reference)
    properties: Json = {"reference": value, "status": status, "details": details, "source": "KeyVault"}
    if reference is not None:
        properties |= {"vaultName": reference.vault, "secretName": reference.secret}
        properties |= {"secretVersion": reference.version, "identityType": site.resource.body.get("identity")}
    return {
        "id": f"{site.id}/config/configreferences/appsettings/{name}",
        "name": name,
        "type": f"{site.resource.type}/config/configreferences/appsettings",
        "properties": properties,
    }


def _resolve(cloud: Cloud, site: Site, reference: Reference | None) -> tuple[str, str]:
    """The status, of the API's ResolveStatus, and why."""
    if reference is None:
        return "InvalidSyntax", "The reference names no vault and secret."
    principal = _principal(site)
    if principal is None:
        return "MSINotEnabled", "The site has no identity to read the vault with."
    vaults = cloud.of_type("Microsoft.KeyVault/vaults")
    vault = next((each for each in vaults if each.name.lower() == reference.vault.lower()), None)
    if vault is None:
        return "VaultNotFound", f"There is no vault {reference.vault}."
    if not _may_read(vault, principal) or not _reaches(cloud, site, vault):
        return "AccessToKeyVaultDenied", f"{vault.name} refuses the identity, or its firewall the app."
    if cloud.get(f"{vault.id}/secrets/{reference.secret}") is None:
        return "SecretNotFound", f"There is no secret {reference.secret} in {vault.name}."
    return "Resolved", "Reference has been successfully resolved."


def _principal(site: Site) -> str | None:
    """The object id that reads: the system-assigned identity unless keyVaultReferenceIdentity names another."""
    identity = site.resource.body.get("identity") or {}
    chosen = str(site.properties.get("keyVaultReferenceIdentity") or "SystemAssigned")
    if chosen.lower() == "systemassigned":
        found: str | None = identity.get("principalId")
        return found
    assigned = identity.get("userAssignedIdentities") or {}
    return next((each["principalId"] for key, each in assigned.items() if key.lower() == chosen.lower()), None)


def _may_read(vault: Resource, principal: str) -> bool:
    """Role assignments are taken for granted on a vault that uses them; access policies are looked at."""
    if vault.properties.get("enableRbacAuthorization"):
        return True
    for policy in vault.properties.get("accessPolicies") or ():
        granted = {each.lower() for each in (policy.get("permissions") or {}).get("secrets") or ()}
        if policy.get("objectId") == principal and granted & {"get", "all"}:
            return True
    return False


def _reaches(cloud: Cloud, site: Site, vault: Resource) -> bool:
    if vault.properties.get("publicNetworkAccess", "Enabled") != "Disabled":
        return True
    approved = [
        each
        for each in cloud.children(vault.id, "Microsoft.KeyVault/vaults/privateEndpointConnections")
        if each.properties["privateLinkServiceConnectionState"]["status"] == "Approved"
    ]
    return site.subnet is not None and bool(approved)
