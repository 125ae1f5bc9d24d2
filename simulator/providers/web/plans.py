"""App Service plans (Microsoft.Web/serverfarms)."""

from typing import Any

from simulator.arm import Call, existing
from simulator.cloud import Resource
from simulator.errors import ArmError
from simulator.ids import address
from simulator.messages import Json, Response
from simulator.providers.fields import location_of, object_at, text_at
from simulator.providers.web.regions import display
from simulator.providers.web.shape import sites_of_plan
from simulator.providers.web.state import PLANS, filetime
from simulator.providers.web.tables import nulls

# Tier and family by the SKU's name without its digits: P1v3 is Pv3.
_TIERS = {
    "F": "Free",
    "D": "Shared",
    "B": "Basic",
    "S": "Standard",
    "P": "Premium",
    "Pv2": "PremiumV2",
    "Pv3": "PremiumV3",
    "Pmv3": "PremiumMV3",
    "EP": "ElasticPremium",
    "Y": "Dynamic",
    "FC": "FlexConsumption",
}
_SHARED = {"Free", "Shared", "Dynamic", "FlexConsumption"}
_RECENT = {  # since 2024-04-01
    "targetWorkerSku": None,
    "maximumNumberOfZones": 3,
    "currentNumberOfZonesUtilized": 0,
    "asyncScalingEnabled": False,
    "isCustomMode": False,
    "powerState": "Running",
    "eligibleLogCategories": "",
}
_NULLS = nulls(
    "workerTierName adminSiteName hostingEnvironment hostingEnvironmentProfile adminRuntimeSiteName siteMode "
    "hostingEnvironmentId spotExpirationTime freeOfferExpirationTime webSiteId existingServerFarmIds "
    "kubeEnvironmentProfile migrateToVMSS"
)


def put(call: Call) -> Response:
    body = call.body()
    before = call.resource
    location = location_of(body)
    plan = Resource(before.id if before else call.display_id(), PLANS)
    given = object_at(body, "properties")
    plan.body = {
        "location": location,
        "kind": text_at(body, "kind") or ("linux" if given.get("reserved") else "app"),
        "tags": body.get("tags"),
        "sku": _sku(object_at(body, "sku") or (before.body["sku"] if before else {"name": "F1"})),
        "properties": {name: given.get(name, False) for name in ("reserved", "perSiteScaling", "isXenon", "hyperV")},
        "apps": before.body["apps"] if before else [],
        "created": before.body["created"] if before else call.now.isoformat(),
    }
    plan.properties["zoneRedundant"] = bool(given.get("zoneRedundant"))
    call.cloud.put(plan)
    answer = render(call, plan)
    answer["location"] = location
    answer["properties"] |= {"sku": plan.body["sku"], "vnetConnectionsUsed": None, "vnetConnectionsMax": None}
    quoted_etag = {"etag": f'"{filetime(call.now)}"'} if call.api_version < "2025-05-01" else None
    return Response.json(200, answer, quoted_etag)


def patch(call: Call) -> Response:
    plan = existing(call)
    body = call.body()
    plan.properties.update(
        {name: value for name, value in object_at(body, "properties").items() if name in plan.properties}
    )
    if body.get("sku"):
        plan.body["sku"] = _sku(object_at(body, "sku"))
    call.cloud.touch()
    return Response.json(200, render(call, plan))


def delete(call: Call) -> Response:
    plan = call.resource
    if plan is None:
        return Response.empty(204)
    apps = [site.resource.name for site in sites_of_plan(call.cloud, plan.id)]
    if apps:
        message = (
            f"Server farm '{plan.name}' cannot be deleted because it has web app(s) {', '.join(apps)} assigned to it."
        )
        raise ArmError(409, "Conflict", message)
    call.cloud.remove(plan.id)
    return Response.empty(200)


def get(call: Call) -> Response:
    """Without the ETag that writes announce."""
    return Response.json(200, render(call, existing(call)))


def render(call: Call, plan: Resource) -> Json:
    where, sku, own = address(plan.id), plan.body["sku"], plan.properties
    sites = sites_of_plan(call.cloud, plan.id)
    workers: Any = sku["capacity"]
    size = "Small" if sku["tier"] == "FlexConsumption" else "D1" if "V" in sku["tier"] else "Default"
    size_id = 3 if size == "D1" else 0
    region = display(plan.body["location"])
    properties = {
        "serverFarmId": 1,
        "name": plan.name,
        "workerSize": size,
        "workerSizeId": size_id,
        "numberOfWorkers": workers,
        "currentWorkerSize": size,
        "currentWorkerSizeId": size_id,
        "currentNumberOfWorkers": workers,
        "status": "Ready",
        "webSpace": f"{where.group}-{region.replace(' ', '')}webspace",
        "subscription": where.subscription,
        "maximumNumberOfWorkers": 0 if sku["tier"] in _SHARED else 30,
        "planName": "VirtualDedicatedPlan",
        "computeMode": "Dynamic" if sku["tier"] in {"Dynamic", "FlexConsumption"} else "Dedicated",
        "geoRegion": region,
        "perSiteScaling": own["perSiteScaling"],
        "elasticScaleEnabled": False,
        "maximumElasticWorkerCount": 1,
        "numberOfSites": len(sites),
        "isSpot": False,
        "tags": plan.body["tags"],
        "kind": plan.body["kind"],
        "resourceGroup": where.group,
        "reserved": own["reserved"],
        "isXenon": own["isXenon"],
        "hyperV": own["hyperV"],
        "mdmId": "waws-prod-001_1",
        "targetWorkerCount": 0,
        "targetWorkerSizeId": 0,
        "provisioningState": "Succeeded",
        "zoneRedundant": own["zoneRedundant"],
        "vnetConnectionsUsed": len({site.subnet.lower() for site in sites if site.subnet}),
        "vnetConnectionsMax": 2,
        "createdTime": plan.body["created"].removesuffix("+00:00"),
        **_NULLS,
        **(_RECENT if call.api_version >= "2024-04-01" else {}),
    }
    head = {"id": plan.id, "name": plan.name, "type": PLANS, "kind": plan.body["kind"], "location": region}
    tags = {"tags": plan.body["tags"]} if plan.body["tags"] else {}
    return {**head, **tags, "properties": properties, "sku": sku}


def _sku(given: Json) -> Json:
    """The SKU in Azure's own casing, with its tier and family: `P1V2` is answered as `P1v2`, PremiumV2, Pv2."""
    name = text_at(given, "name") or "F1"
    name = name[0].upper() + name[1:].replace("V", "v").replace("M", "m")
    family = "".join(letter for index, letter in enumerate(name) if not letter.isdigit() or name[index - 1] == "v")
    tier = _TIERS.get(family, given.get("tier") or "Standard")
    capacity = given.get("capacity") if isinstance(given.get("capacity"), int) else None
    default = 0 if tier in {"Dynamic", "FlexConsumption"} else 1
    return {"name": name, "tier": tier, "size": name, "family": family, "capacity": capacity or default}
