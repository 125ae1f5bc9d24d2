"""Microsoft.Resources and what lies above all providers: cloud endpoints, subscriptions, groups, metadata."""

from datetime import datetime

from simulator.access import LOCKS
from simulator.arm import Call, Function, Registry, ResourceType, envelope, shown
from simulator.cloud import Resource
from simulator.errors import ArmError, bad_request, group_not_found
from simulator.ids import address
from simulator.messages import Json, Response
from simulator.operations import Protocol

GROUP = "Microsoft.Resources/resourceGroups"
DISPLAY_NAME = "Simulated Azure"
LOCATIONS = {
    "westeurope": "West Europe",
    "northeurope": "North Europe",
    "eastus": "East US",
    "eastus2": "East US 2",
    "westus": "West US",
    "westus2": "West US 2",
}
_VERSIONS = ("2025-04-01", "2014-04-01")
_DELETION = Protocol(
    status_path=None,
    result_path="/subscriptions/{subscription}/operationresults/{id}",
    api_version="",
    retry_after=15,
    poll_retry_after=15,
    seconds=15.0,
)


# --- the cloud, its tenant and its subscription


def _endpoints(call: Call) -> Response:
    """What `az cloud register` and azure-identity ask of a cloud before anything else."""
    here = call.base_url
    body = {
        "name": "SimulatedAzure",
        "portal": here,
        "authentication": {
            "loginEndpoint": here,
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": here,
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "acrLoginServer": "azurecr.io",
        },
        "batch": "https://batch.core.windows.net/",
        "resourceManager": here,
        "vmImageAliasDoc": f"{here}/aliases.json",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "gallery": here,
    }
    return Response.json(200, body)


def _tenants(call: Call) -> Response:
    tenant = call.cloud.tenant
    body = {"id": f"/tenants/{tenant}", "tenantId": tenant, "tenantCategory": "Home", "displayName": DISPLAY_NAME}
    return Response.json(200, {"value": [body]})


def _subscription(call: Call, subscription: str) -> Json:
    return {
        "id": f"/subscriptions/{subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription,
        "tenantId": call.cloud.tenant,
        "displayName": DISPLAY_NAME,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def _list_subscriptions(call: Call) -> Response:
    found = [_subscription(call, each) for each in call.cloud.subscriptions]
    return Response.json(200, {"value": found, "count": {"type": "Total", "value": len(found)}})


def _get_subscription(call: Call) -> Response:
    return Response.json(200, _subscription(call, call.address.subscription.lower()))


def _locations(call: Call) -> Response:
    base = f"/subscriptions/{call.address.subscription}/locations"
    value = [
        {
            "id": f"{base}/{name}",
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": f"(Europe) {display}" if "Europe" in display else f"(US) {display}",
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        }
        for name, display in LOCATIONS.items()
    ]
    return Response.json(200, {"value": value})


# --- resource groups


def _put_group(call: Call) -> Response:
    body = call.body()
    existing = call.resource
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    if existing is not None and existing.body["location"] != location:
        message = (
            f"Invalid resource group location '{location}'. The Resource group already exists in location "
            f"'{existing.body['location']}'."
        )
        raise ArmError(409, "InvalidResourceGroupLocation", message)
    stored: Json = {"location": location}
    if body.get("tags") is not None:
        stored["tags"] = body["tags"]
    stored["properties"] = {"provisioningState": "Succeeded"}
    group_id = f"/subscriptions/{call.address.subscription.lower()}/resourceGroups/{call.address.name}"
    group = call.cloud.put(Resource(existing.id if existing is not None else group_id, GROUP, stored))
    return Response.json(200 if existing else 201, envelope(group))


def _get_group(call: Call) -> Response:
    if call.resource is None:
        raise group_not_found(call.address.name)
    return Response.empty(204) if call.request.method == "HEAD" else Response.json(200, envelope(call.resource))


def _patch_group(call: Call) -> Response:
    group = call.resource
    if group is None:
        raise group_not_found(call.address.name)
    group.body["tags"] = call.body().get("tags") or {}
    call.cloud.touch()
    return Response.json(200, envelope(group))


def _delete_group(call: Call) -> Response:
    """Takes everything in the group with it, in whatever order; a lock inside is found first."""
    group = call.resource
    if group is None:
        raise group_not_found(call.address.name)
    inside = [each for each in call.cloud.of_type(LOCKS) if each.key.startswith(f"{group.key}/")]
    if inside:
        message = (
            f"The scope '{group.id}' cannot perform delete operation because following scope(s) are locked: "
            f"'{inside[0].id.rpartition('/providers/')[0]}'. Please remove the lock and try again."
        )
        raise ArmError(409, "ScopeLocked", message)
    group.properties["provisioningState"] = "Deleting"

    def finish(_: datetime) -> None:
        call.cloud.remove(group.id)

    call.cloud.touch()
    return Response.empty(202, call.accept(_DELETION, finish=finish, delete=True))


def _list_groups(call: Call) -> Response:
    found = call.cloud.of_type(GROUP, f"/subscriptions/{call.address.subscription}")
    return Response.json(200, {"value": [envelope(each) for each in found]})


def _list_resources(call: Call) -> Response:
    """Every tracked resource of the subscription or of a group; $filter may say `resourceType eq` and the like."""
    scope = call.address.path.rpartition("/")[0]
    wanted = _filter(call.request.query.get("$filter", ""))
    value = []
    for resource in call.cloud:
        kind = call.registry.by_name.get(resource.type.lower())
        inside = resource.key.startswith(f"{scope.lower()}/")
        if kind is None or not kind.tracked or not inside:
            continue
        body = shown(call, resource)
        facts = {
            "resourcetype": resource.type,
            "name": resource.name,
            "location": str(body.get("location", "")),
            "resourcegroup": address(resource.id).group,
        }
        if all(facts.get(name, "").lower() == text for name, text in wanted.items()):
            members = ("id", "name", "type", "kind", "location", "sku", "identity", "tags")
            value.append({key: body[key] for key in members if body.get(key) is not None})
    return Response.json(200, {"value": value})


def _filter(text: str) -> dict[str, str]:
    """`a eq 'x' and b eq 'y'` as a mapping, all in lower case; 400 for anything richer."""
    found = {}
    for clause in text.split(" and ") if text else ():
        name, operator, value = (*clause.strip().split(" ", 2), "", "")[:3]
        if operator != "eq":
            raise bad_request("InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
        found[name.lower()] = value.strip("'").lower()
    return found


# --- provider metadata


def _provider(registry: Registry, subscription: str, namespace: str) -> Json:
    types = [each for each in registry.by_name.values() if each.namespace.lower() == namespace.lower()]
    return {
        "id": f"/subscriptions/{subscription}/providers/{registry.namespaces[namespace.lower()]}",
        "namespace": registry.namespaces[namespace.lower()],
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": [
            {
                "resourceType": each.name.partition("/")[2],
                "locations": list(LOCATIONS.values()),
                "apiVersions": list(each.api_versions),
                "defaultApiVersion": each.api_versions[0],
                "capabilities": "SupportsTags, SupportsLocation" if each.tracked else "None",
            }
            for each in types
        ],
    }


def _list_providers(call: Call) -> Response:
    found = [_provider(call.registry, call.address.subscription, each) for each in call.registry.namespaces]
    return Response.json(200, {"value": found})


def _get_provider(call: Call) -> Response:
    name = call.address.name
    if name.lower() not in call.registry.namespaces:
        message = f"The resource namespace '{name}' is invalid."
        raise ArmError(404, "InvalidResourceNamespace", message, gateway=True)
    return Response.json(200, _provider(call.registry, call.address.subscription, name))


TYPES = (
    ResourceType(
        name=GROUP,
        path="subscriptions/resourceGroups",
        api_versions=_VERSIONS,
        get=_get_group,
        put=_put_group,
        patch=_patch_group,
        delete=_delete_group,
        list=_list_groups,
        parent_checked=False,
    ),
    ResourceType(
        name="Microsoft.Resources/subscriptions",
        path="subscriptions",
        api_versions=_VERSIONS,
        get=_get_subscription,
        list=_list_subscriptions,
    ),
    ResourceType(
        name="Microsoft.Resources/providers",
        path="subscriptions/providers",
        api_versions=_VERSIONS,
        get=_get_provider,
        list=_list_providers,
        parent_checked=False,
    ),
)
FUNCTIONS = (
    Function("GET", "metadata", _endpoints, anonymous=True),
    Function("GET", "tenants", _tenants),
    Function("GET", "subscriptions/locations", _locations),
    Function("GET", "subscriptions/resources", _list_resources),
    Function("GET", "subscriptions/resourceGroups/resources", _list_resources),
)
