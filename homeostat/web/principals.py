"""Who calls, from a request's headers. Pure.

App Service authentication passes a principal in X-MS-CLIENT-PRINCIPAL: base64 of `{"auth_typ", "name_typ", "role_typ",
"claims": [{"typ", "val"}]}`. It removes the header from requests that bring their own, but only where it is enabled;
elsewhere anybody can send one. So it is only trusted under HOMEOSTAT_AUTH=entra, which `homeostat.config` refuses
without App Service authentication.
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from homeostat.core import json
from homeostat.core.access import KEY_HOLDER, AppRole, Auth, Caller, CallerKind
from homeostat.core.errors import HomeostatError
from homeostat.core.json import Json

PRINCIPAL: Final = "x-ms-client-principal"
ENTRA: Final = "aad"
"""The `auth_typ` of a principal of Microsoft Entra. Other providers can be enabled beside it: the roles that they give
do not count here.
"""

_NAMES: Final = ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "upn", "preferred_username")
_OBJECT_ID: Final = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid")
_APPLICATION: Final = ("appid", "azp")
_ROLES: Final = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
_NAME_LIMIT: Final = 200


class NotSignedIn(HomeostatError):
    """No principal of Microsoft Entra came with the request."""


class RoleMissing(HomeostatError):
    """The caller is known, and may not do this."""


def caller_of(headers: Mapping[str, str], auth: Auth) -> Caller:
    """The caller. Raises NotSignedIn."""
    if auth is Auth.KEYS:
        return KEY_HOLDER
    principal = _principal(headers.get(PRINCIPAL, ""))
    object_id = _claim(principal, _OBJECT_ID)
    if json.text_at(principal, "auth_typ") != ENTRA or not object_id:
        raise NotSignedIn("sign in with Microsoft Entra: send a bearer token for this function app beside the key")
    name, application = _claim(principal, _NAMES), _claim(principal, _APPLICATION)
    is_user = bool(name) and _claim(principal, ("idtyp",)) != "app"
    return Caller(
        name=_printable(name if is_user else f"application {application or object_id}"),
        object_id=_printable(object_id),
        roles=_roles(principal),
        kind=CallerKind.USER if is_user else CallerKind.APPLICATION,
    )


def permit(caller: Caller, needed: AppRole) -> None:
    """Raises RoleMissing, which names the role."""
    if not caller.may(needed):
        has = ", ".join(sorted(caller.roles)) or "no role of this application"
        raise RoleMissing(f"this needs the app role {needed}; {caller.name} has {has}")


def budget_of(headers: Mapping[str, str], query: Mapping[str, str], auth: Auth) -> str:
    """The name under which requests are counted: the principal's, else a digest of the key.

    Refused requests are counted as well, so this never raises.
    """
    if auth is Auth.ENTRA and (object_id := _claim(_principal(headers.get(PRINCIPAL, "")), _OBJECT_ID)):
        return _printable(object_id)
    key = headers.get("x-functions-key") or query.get("code") or ""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _principal(encoded: str) -> Json:
    try:
        return json.parse(base64.b64decode(encoded)) if encoded else None
    except ValueError:  # binascii.Error is one
        return None


def _roles(principal: Json) -> frozenset[AppRole]:
    known = {role.value: role for role in AppRole}
    given = {value for typ, value in _claims(principal) if typ in {*_ROLES, json.text_at(principal, "role_typ")}}
    return frozenset(known[value] for value in given if value in known)


def _claim(principal: Json, types: tuple[str, ...]) -> str:
    """The first claim of the first of these types that is present; empty if there is none."""
    found = dict(reversed(list(_claims(principal))))
    return next((found[typ] for typ in types if found.get(typ)), "")


def _claims(principal: Json) -> Iterator[tuple[str, str]]:
    for claim in json.objects_at(principal, "claims"):
        yield json.text_at(claim, "typ"), json.text_at(claim, "val")


def _printable(text: str) -> str:
    """Without characters that would break a line of the log, and not too long."""
    return "".join(each if each.isprintable() else "?" for each in text[:_NAME_LIMIT])
