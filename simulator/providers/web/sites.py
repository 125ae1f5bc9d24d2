"""Web apps and slots themselves: read, write, delete, restart.

A PUT on App Service merges: what the body leaves out stays as it is, so that a template without siteConfig keeps the
configuration and one without siteConfig.appSettings keeps the settings. What the body names replaces.
"""

from simulator.arm import Call, existing
from simulator.cloud import Resource
from simulator.errors import ArmError, bad_request
from simulator.messages import Json, Response
from simulator.providers.web import integration
from simulator.providers.web.regions import compact
from simulator.providers.web.shape import site_body, sites_of_plan
from simulator.providers.web.state import PLANS, ROUTES, ROUTES_BEFORE, SITES, SLOTS, Site, all_sites, named, site_of
from simulator.providers.web.tables import SETTABLE, WEB_DEFAULTS

_UNQUOTED_ETAG = "2025-05-01"  # from here on the ETag of reads and deletes comes without quotes


def get(call: Call) -> Response:
    site = Site(existing(call))
    return Response.json(200, site_body(call.cloud, site, call.api_version), {"etag": read_etag(call, site)})


def put(call: Call) -> Response:
    body = call.body()
    if not body.get("location"):
        message = "The location property is required for this definition."
        raise ArmError(400, "LocationRequired", message, gateway=True)
    new = call.resource is None
    site = _created(call, body) if new else Site(existing(call))
    _apply(call, site, body)
    call.cloud.put(site.resource)
    return _written(call, site, location=body["location"], new=new)


def patch(call: Call) -> Response:
    site = Site(existing(call))
    body = call.body()
    _apply(call, site, body)
    return _written(call, site)


def delete(call: Call) -> Response:
    """Delete with all slots; the plan goes too when that empties it, unless `deleteEmptyServerFarm=false`."""
    if call.resource is None:
        return Response.empty(204)
    site = Site(call.resource)
    etag, plan = read_etag(call, site), site.plan
    for each in [*(Site(slot) for slot in call.cloud.children(site.id, SLOTS)), site]:
        integration.leave(call, each)
    call.cloud.remove(site.id)
    keep_plan = call.request.query.get("deleteemptyserverfarm", "").lower() == "false"
    if not site.is_slot and not keep_plan and not sites_of_plan(call.cloud, plan):
        call.cloud.remove(plan)
    return Response.empty(200, {"etag": etag})


def render(call: Call, resource: Resource) -> Json:
    return site_body(call.cloud, Site(resource), call.api_version)


def restart(call: Call) -> Response:
    site_of(call).changed(call)
    return Response.empty(200)


def start(call: Call) -> Response:
    return _switch(call, stopped=False)


def stop(call: Call) -> Response:
    return _switch(call, stopped=True)


def read_etag(call: Call, site: Site) -> str:
    return site.etag if call.api_version >= _UNQUOTED_ETAG else f'"{site.etag}"'


def configure(site: Site, given: Json) -> None:
    """Apply a siteConfig, or the properties of config/web: what is named replaces, null restores the default."""
    if given.get("appSettings") is not None:
        site.replace_dictionary("appsettings", named(given["appSettings"]))
    if given.get("connectionStrings") is not None:
        strings = {each["name"]: {"value": each.get("connectionString"), "type": each.get("type")}
                   for each in given["connectionStrings"]}  # fmt: skip
        site.replace_dictionary("connectionstrings", strings)
    if given.get("metadata") is not None:
        site.replace_dictionary("metadata", named(given["metadata"]))
    if given.get("vnetRouteAllEnabled") is not None:
        _route_all(site, on=bool(given["vnetRouteAllEnabled"]))
    elsewhere = {"appSettings", "connectionStrings", "metadata"}
    if "functionapp" not in site.kind:
        elsewhere.add("functionAppScaleLimit")  # a web app's reads show 0, which clients send back, to no effect
    for name in WEB_DEFAULTS.keys() & given.keys() - elsewhere:
        if given[name] is None:
            site.web.pop(name, None)
        else:
            site.web[name] = given[name]


def _created(call: Call, body: Json) -> Site:
    assert call.type is not None
    name = call.address.name
    if call.type.name == SITES and any(site.app.lower() == name.lower() for site in all_sites(call.cloud)):
        raise ArmError(409, "Conflict", f"Website with given name {name} already exists.")
    parent = call.parent() if call.type.name == SLOTS else None
    inherited = Site(parent).plan if parent is not None else None
    plan_id = _plan_id(call, body.get("properties") or {}) or inherited
    plan = call.cloud.get(plan_id) if plan_id else None
    linux = plan is not None and bool(plan.properties["reserved"])
    stored = Resource(call.display_id(), call.type.name)
    stored.body = {
        "location": body["location"],
        "kind": body.get("kind") or ("app,linux" if linux else "app"),
        "properties": {"reserved": linux, "serverFarmId": plan_id},
        "modified": call.now.isoformat(),
    }
    return Site(stored)


def _apply(call: Call, site: Site, body: Json) -> None:
    """What can be refused comes first, since a refused write must leave nothing behind."""
    given: Json = body.get("properties") or {}
    plan = _plan_id(call, given) or site.plan
    if plan and call.cloud.get(plan) is None:
        raise bad_request("BadRequest", f"Cannot find server farm with id {plan}.")
    if plan:
        given["serverFarmId"] = plan
    if "virtualNetworkSubnetId" in given:
        integration.connect(call, site, given["virtualNetworkSubnetId"], plan=plan)
    for name in SETTABLE.keys() & given.keys():
        site.properties[name] = given[name]
    if body.get("kind"):
        site.resource.body["kind"] = body["kind"]
    if "tags" in body:
        site.resource.body["tags"] = body["tags"]
    _apply_routing(call, site, given)
    configure(site, given.get("siteConfig") or {})
    if "identity" in body:
        site.resource.body["identity"] = _identity(call, site, body["identity"])
    site.changed(call)


def _plan_id(call: Call, given: Json) -> str | None:
    """The plan that a body names, by its id or by its bare name in the same resource group."""
    named_plan: str | None = given.get("serverFarmId")
    if not named_plan or "/" in named_plan:
        return named_plan
    return f"{call.address.scope}/providers/{PLANS}/{named_plan}"


def _apply_routing(call: Call, site: Site, given: Json) -> None:
    """`outboundVnetRouting` replaces all six flags on a PUT and merges on a PATCH; the older flags are one each."""
    routing = given.get("outboundVnetRouting")
    if routing is not None:
        if call.request.method == "PUT":
            site.routing.update(dict.fromkeys(ROUTES, False))
        site.routing.update({route: bool(routing[route]) for route in ROUTES if routing.get(route) is not None})
    for before, route in ROUTES_BEFORE.items():
        if given.get(before) is not None:
            site.routing[route] = bool(given[before])


def _route_all(site: Site, *, on: bool) -> None:
    site.routing["applicationTraffic"] = on
    if not on:
        site.routing["allTraffic"] = False


def _identity(call: Call, site: Site, given: Json | None) -> Json | None:
    """A system-assigned identity keeps its principal while it lives; once removed it never comes back the same."""
    kind = str((given or {}).get("type") or "None")
    if kind == "None":
        return None
    known = site.resource.body.get("identity") or {}
    identity: Json = {"type": kind}
    if "SystemAssigned" in kind:
        identity |= {"tenantId": call.cloud.tenant, "principalId": known.get("principalId") or call.cloud.guid()}
    if "UserAssigned" in kind:
        before = known.get("userAssignedIdentities") or {}
        ids = (given or {}).get("userAssignedIdentities") or before
        kept = [
            each.replace("/resourceGroups/", "/resourcegroups/") for each, value in ids.items() if value is not None
        ]
        identity["userAssignedIdentities"] = {
            each: before.get(each) or {"principalId": call.cloud.guid(), "clientId": call.cloud.guid()} for each in kept
        }
    return identity


def _switch(call: Call, *, stopped: bool) -> Response:
    site = site_of(call)
    site.resource.body["stopped"] = stopped
    site.changed(call)
    return Response.empty(200)


def _written(call: Call, site: Site, *, location: str | None = None, new: bool = False) -> Response:
    body = site_body(call.cloud, site, call.api_version, written=True)
    if location is not None and compact(location) == compact(site.location):
        body["location"] = location  # echoed as it was sent; reads show the display form
    return Response.json(200, body, {"etag": f'"{site.etag}"' if new else read_etag(call, site)})
