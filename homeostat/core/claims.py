"""Who calls, by the claims of an access token: our own token, or the caller's of an event. Pure.

https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

import base64
from collections.abc import Mapping
from typing import Final

from homeostat.core import json
from homeostat.core.attribution import ActorKind, Principal
from homeostat.core.json import Json, JsonObject

OBJECT_ID: Final = "http://schemas.microsoft.com/identity/claims/objectidentifier"
UPN: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
IDENTITY: Final = "xms_mirid"
"""The resource id of the managed identity, or of the resource whose system-assigned identity it is."""

TOOLS: Final[Mapping[str, str]] = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure portal",
}
"""By application id. Terraform and other tools on a login of `az login` show as the Azure CLI; those that sign in as an
application of their own show its id.

https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
"""


def tool_of(application_id: str) -> str:
    """The name of a widely used tool; any other application's id as it is."""
    return TOOLS.get(application_id.lower(), application_id)


def name_of(claims: Json) -> str:
    """A person's user name, an identity's name, an application's or object's id; "" if the claims have none."""
    identity = json.text_at(claims, IDENTITY).rstrip("/").rpartition("/")[2]
    names = (json.text_at(claims, UPN), json.text_at(claims, "name"), identity)
    ids = (json.text_at(claims, "appid"), json.text_at(claims, OBJECT_ID))
    return next((found for found in (*names, *ids) if found), "")


def kind_of(claims: JsonObject) -> ActorKind:
    """Newer tokens of applications say so in `idtyp`; only people have a name."""
    if json.text_at(claims, IDENTITY):
        return ActorKind.MANAGED_IDENTITY
    if json.text_at(claims, "idtyp") == "app":
        return ActorKind.APPLICATION
    if json.text_at(claims, UPN) or json.text_at(claims, "name") or json.text_at(claims, "idtyp") == "user":
        return ActorKind.USER
    return ActorKind.APPLICATION if json.text_at(claims, "appid") else ActorKind.UNKNOWN


def principal_of(token: str) -> Principal | None:
    """Whose access token it is; None if it is no JSON Web Token or does not say.

    The signature is not checked: the token comes from our own credential, and is not used as a proof.
    """
    claims = _claims_in(token)
    object_id = json.text_at(claims, "oid")
    return Principal(object_id, json.text_at(claims, "appid") or json.text_at(claims, "azp")) if object_id else None


def holder_of(token: str) -> str:
    """Whom an access token names, for people, with the object id: `id-homeostat (object id 0f..)`; "" if it does not
    say.
    """
    claims = _claims_in(token)
    name = json.text_at(claims, "upn") or json.text_at(claims, "preferred_username") or name_of(claims)
    object_id = json.text_at(claims, "oid")
    if not object_id:
        return name
    return f"{name} (object id {object_id})" if name else f"object id {object_id}"


def _claims_in(token: str) -> Json:
    """The claims, unverified; None if it is no JSON Web Token."""
    try:
        middle = token.split(".")[1]
        return json.parse(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return None


def object_in(value: Json) -> JsonObject:
    """A part of an event, which older events carry as text; empty if it is neither an object nor such a text."""
    if isinstance(value, str):
        try:
            value = json.parse(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}
