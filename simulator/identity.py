"""Managed identity the way App Service serves it, an authority for applications, and ARM's check of their tokens.

https://learn.microsoft.com/azure/app-service/overview-managed-identity: GET IDENTITY_ENDPOINT with X-IDENTITY-HEADER.
With `client_id` naming Homeostat's identity the token is Homeostat's; without one it is the operator's, so that one
environment serves both the service under test and a person with the Azure CLI.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow: POST /TENANT/oauth2/v2.0/token,
for Homeostat's application and its secret.
"""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import jwt

from simulator.cloud import HOMEOSTAT, OPERATOR, Cloud
from simulator.errors import ArmError
from simulator.messages import Principal, Request, Response

PATH = "/msi/token"
AUTHORITY_PATH = "/oauth2/v2.0/token"
CLIENT_SECRET = "simulated-Cs-4hG8kT1nWz6QyR3v"
HEADER = "6f1c3a52-4f5b-4a6e-9f6a-0d7d4e0f2f6b"
LIFETIME = 86_400

_KEY = "a signing key that protects nothing but a simulated cloud"
_API_VERSIONS = ("2019-08-01", "2017-09-01")


def issue(cloud: Cloud, principal: Principal, audience: str, now: datetime, lifetime: int = LIFETIME) -> str:
    """A signed access token; `lifetime` in seconds, negative for one that has expired."""
    at = int(now.timestamp())
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{cloud.tenant}/",
        "iat": at,
        "nbf": at,
        "exp": at + lifetime,
        "tid": cloud.tenant,
        "oid": principal.object_id,
        "sub": principal.object_id,
        "appid": principal.app_id,
        "name": principal.name,
        "idtyp": "user" if principal.upn else "app",
        "ver": "1.0",
    }
    if principal.upn:
        claims |= {"upn": principal.upn, "unique_name": principal.upn}
    else:
        claims["xms_mirid"] = identity_id(cloud)
    return jwt.encode(claims, _KEY, algorithm="HS256")


def identity_id(cloud: Cloud) -> str:
    """The ARM id of Homeostat's user-assigned identity."""
    base = f"/subscriptions/{cloud.subscription}/resourcegroups/rg-flask/providers"
    return f"{base}/Microsoft.ManagedIdentity/userAssignedIdentities/{HOMEOSTAT.name}"


def token(cloud: Cloud, request: Request, now: datetime) -> Response:
    """Answer the identity endpoint: 401 without its secret header, 400 for a version, resource or identity unknown."""
    if request.headers.get("x-identity-header") != HEADER and request.headers.get("secret") != HEADER:
        return _refusal(401, "Unauthorized", "The X-IDENTITY-HEADER header is missing or wrong.")
    if request.query.get("api-version") not in _API_VERSIONS:
        return _refusal(400, "InvalidApiVersion", f"Supported API versions: {', '.join(_API_VERSIONS)}.")
    audience = (request.query.get("resource") or request.query.get("scope") or "").removesuffix("/.default")
    if not audience:
        return _refusal(400, "BadRequest", "The resource parameter is missing.")
    principal = _principal(request.query.get("client_id") or request.query.get("clientid"), request)
    if principal is None:
        return _refusal(400, "BadRequest", "No User Assigned or Delegated Managed Identity found for specified ID.")
    expires = int(now.timestamp()) + LIFETIME
    body = {
        "access_token": issue(cloud, principal, audience, now),
        "client_id": principal.app_id.upper(),
        "expires_on": str(expires),
        "not_before": str(int(now.timestamp())),
        "resource": audience,
        "token_type": "Bearer",
    }
    return Response.json(200, body)


def application_token(cloud: Cloud, request: Request, now: datetime) -> Response:
    """Answer the authority, in the form and with the codes of Entra's refusals."""
    given = dict(parse_qsl(request.body.decode()))
    application = cloud.place.application
    if request.path.removesuffix(AUTHORITY_PATH).strip("/") != cloud.tenant:
        return _refused(400, "invalid_request", "AADSTS90002: Tenant was not found.")
    if given.get("client_id") != application.app_id:
        return _refused(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.")
    if given.get("client_secret") != CLIENT_SECRET:
        return _refused(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
    audience = given.get("scope", "").removesuffix("/.default")
    body = {
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "access_token": issue(cloud, application, audience, now),
    }
    return Response.json(200, body)


def _refused(status: int, error: str, description: str) -> Response:
    return Response.json(status, {"error": error, "error_description": description})


def _principal(client_id: str | None, request: Request) -> Principal | None:
    object_id = request.query.get("principal_id") or request.query.get("object_id")
    resource_id = request.query.get("mi_res_id")
    if client_id is None and object_id is None and resource_id is None:
        return OPERATOR
    for principal in (HOMEOSTAT, OPERATOR):
        if (client_id or "").lower() == principal.app_id or (object_id or "").lower() == principal.object_id:
            return principal
    if resource_id and resource_id.lower().endswith(f"/userassignedidentities/{HOMEOSTAT.name}"):
        return HOMEOSTAT
    return None


def _refusal(status: int, code: str, message: str) -> Response:
    return Response.json(status, {"statusCode": status, "code": code, "message": message})


def authenticate(cloud: Cloud, request: Request, now: datetime) -> Principal:
    """The caller of an ARM request. 401 with ARM's own codes and a WWW-Authenticate challenge otherwise."""
    if request.caller is not None:
        return request.caller
    scheme, _, credential = (request.headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise _unauthorized(
            cloud, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
        )
    claims = cloud.tokens.get(credential)
    if claims is None:
        claims = cloud.tokens[credential] = _verified(cloud, credential)
    if claims["exp"] <= now.timestamp():
        at = datetime.fromtimestamp(claims["exp"], tz=now.tzinfo)
        message = f"The access token expiry UTC time '{at:%m/%d/%Y %I:%M:%S %p}' is earlier than current UTC time "
        raise _unauthorized(cloud, "ExpiredAuthenticationToken", f"{message}'{now:%m/%d/%Y %I:%M:%S %p}'.")
    return Principal(claims["name"], claims["oid"], claims["appid"], claims["tid"], claims.get("upn"))


def _verified(cloud: Cloud, credential: str) -> dict[str, Any]:
    options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        claims: dict[str, Any] = jwt.decode(credential, _KEY, algorithms=["HS256"], options=options)
    except jwt.InvalidTokenError as error:
        raise _unauthorized(cloud, "InvalidAuthenticationToken", "The access token is invalid.") from error
    audience = claims["aud"].removeprefix("https://").rstrip("/")
    local = audience.startswith(("localhost", "127.0.0.1"))
    if claims["tid"] != cloud.tenant:
        message = f"The access token is from the wrong issuer '{claims['iss']}'. It must match the tenant of the cloud."
        raise _unauthorized(cloud, "InvalidAuthenticationTokenTenant", message)
    if not local and not any(audience.startswith(each) for each in (*cloud.place.audiences, "arm.")):
        message = (
            "The access token has been obtained for wrong audience or resource "
            f"'{claims['aud']}'. It should exactly match with one of the allowed audiences "
            "'https://management.core.windows.net/','https://management.core.windows.net',"
            "'https://management.azure.com/','https://management.azure.com'."
        )
        raise _unauthorized(cloud, "InvalidAuthenticationTokenAudience", message)
    return claims


def _unauthorized(cloud: Cloud, code: str, message: str) -> ArmError:
    challenge = (
        f'Bearer authorization_uri="https://login.windows.net/{cloud.tenant}", '
        f'error="invalid_token", error_description="{message}"'
    )
    return ArmError(401, code, message, headers={"www-authenticate": challenge}, gateway=True)


def caller_name(cloud: Cloud, request: Request) -> str:
    """Who sent a request, for the request log; `anonymous` when that was never established."""
    if request.caller is not None:
        return request.caller.name
    credential = (request.headers.get("authorization") or "").partition(" ")[2]
    claims = cloud.tokens.get(credential)
    return str(claims["name"]) if claims is not None else "anonymous"
