"""Web apps and slots themselves: read, write, delete, restart.

A PUT on App Service merges: what the body leaves out stays as it is, so that a template without siteConfig keeps the
configuration and one without siteConfig.appSettings keeps the settings. What the body names replaces.
"""

from simulator.arm import Call, existing
from simulator.cloud import Cloud, Resource
from simulator.errors import ArmError, bad_request
from simulator.messages import Json, Response
from simulator.providers.fields import location_of, object_at, text_at
from simulator.providers.web import integration
from simulator.providers.web.regions import compact
from simulator.providers.web.shape import site_body, sites_of_plan
from simulator.providers.web.siteconfig import SiteConfig
from simulator.providers.web.state import PLANS, ROUTES, ROUTES_BEFORE, SITES, SLOTS, Site, is_taken, new_body, site_of
from simulator.providers.web.tables import SETTABLE, exists

_UNQUOTED_ETAG = "2025-05-01"  # from here on the ETag comes without quotes, but for an app's first


def get(call: Call) -> Response:
    site = Site(existing(call))
    return Response.json(200, site_body(call.cloud, site, call.api_version), {"etag": read_etag(call, site)})


def put(call: Call) -> Response:
    body = call.body()
    location = location_of(body)
    if call.resource is not None:
        site = Site(call.resource)
        _apply(call, site, body)
        return _written(call, site, read_etag(call, site), location)
    site = _created(call, location)
    _apply(call, site, body)
    call.cloud.put(site.resource)
    return _written(call, site, f'"{site.etag}"', location)


def patch(call: Call) -> Response:
    site = Site(existing(call))
    _apply(call, site, call.body())
    return _written(call, site, read_etag(call, site))


def delete(call: Call) -> Response:
    """Delete with all slots; the plan goes too when that empties it, unless `deleteEmptyServerFarm=false`."""
    if call.resource is None:
        return Response.empty(204)
    site = Site(call.resource)
    etag, plan = read_etag(call, site), site.plan
    for each in [*(Site(slot) for slot in call.cloud.children(site.id, SLOTS)), site]:
        integration.leave(call, each)
        _move_to_plan(call.cloud, each, None)
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


def _created(call: Call, location: str) -> Site:
    """A new app or slot, not yet stored: a refused write must leave nothing behind."""
    assert call.type is not None
    if call.type.name == SITES and is_taken(call.cloud, call.address.name):
        raise ArmError(409, "Conflict", f"Website with given name {call.address.name} already exists.")
    return Site(Resource(call.display_id(), call.type.name, new_body(location, call.now.isoformat())))


def _apply(call: Call, site: Site, body: Json) -> None:
    """Everything that can be refused comes before anything changes."""
    given = object_at(body, "properties")
    config = SiteConfig.parse(object_at(given, "siteConfig"), call.api_version)
    routing = object_at(given, "outboundVnetRouting")
    identity = _identity(call, site, object_at(body, "identity")) if "identity" in body else None
    kind, plan = text_at(body, "kind"), _plan(call, site, given)
    if "virtualNetworkSubnetId" in given:
        integration.connect(call, site, text_at(given, "virtualNetworkSubnetId"), plan=plan)
    site.properties.update({name: given[name] for name in SETTABLE.keys() & given.keys()})
    _move_to_plan(call.cloud, site, plan or None)
    _set_kind(call.cloud, site, kind)
    if "tags" in body:
        site.resource.body["tags"] = body["tags"]
    _set_routing(call, site, given, routing)
    config.apply(site)
    if "identity" in body:
        site.resource.body["identity"] = identity
    site.changed(call)


def _plan(call: Call, site: Site, given: Json) -> str:
    """The plan that a body names, by id or by its bare name in the same group; else the site's, else its app's."""
    named = text_at(given, "serverFarmId") or site.plan
    parent = call.parent() if site.is_slot else None
    if not named and parent is not None:
        named = Site(parent).plan
    if named and "/" not in named:
        named = f"{call.address.scope}/providers/{PLANS}/{named}"
    plan = call.cloud.get(named) if named else None
    if named and (plan is None or plan.type != PLANS):
        raise bad_request("BadRequest", f"Cannot find server farm with id {named}.")
    return named


def _move_to_plan(cloud: Cloud, site: Site, plan_id: str | None) -> None:
    old, new = cloud.get(site.plan), cloud.get(plan_id or "")
    if old is not None and old is not new:
        old.body["apps"] = [each for each in old.body["apps"] if each.lower() != site.id.lower()]
    if new is not None and site.id not in new.body["apps"]:
        new.body["apps"].append(site.id)
    site.properties["serverFarmId"] = plan_id


def _set_kind(cloud: Cloud, site: Site, kind: str | None) -> None:
    """A kind that was never said follows from the plan."""
    plan = cloud.get(site.plan)
    linux = plan is not None and bool(plan.properties["reserved"])
    if not site.kind:
        site.properties.setdefault("reserved", linux)
    site.resource.body["kind"] = kind or site.kind or ("app,linux" if linux else "app")


def _set_routing(call: Call, site: Site, given: Json, routing: Json) -> None:
    """`outboundVnetRouting` replaces all six flags on a PUT and merges on a PATCH; the older flags are one each."""
    if routing and call.request.method == "PUT":
        site.routing.update(dict.fromkeys(ROUTES, False))
    site.routing.update({route: bool(routing[route]) for route in ROUTES if routing.get(route) is not None})
    for before, route in ROUTES_BEFORE.items():
        if given.get(before) is not None and exists(before, call.api_version):
            site.routing[route] = bool(given[before])


def _identity(call: Call, site: Site, given: Json) -> Json | None:
    """A system-assigned identity keeps its principal while it lives; once removed it never comes back the same."""
    kind = text_at(given, "type") or "None"
    if kind == "None":
        return None
    known = site.resource.body.get("identity") or {}
    identity: Json = {"type": kind}
    if "SystemAssigned" in kind:
        identity |= {"tenantId": call.cloud.tenant, "principalId": known.get("principalId") or call.cloud.guid()}
    if "UserAssigned" in kind:
        before = known.get("userAssignedIdentities") or {}
        ids = object_at(given, "userAssignedIdentities") or before
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


def _written(call: Call, site: Site, etag: str, location: str | None = None) -> Response:
    body = site_body(call.cloud, site, call.api_version, written=True)
    if location is not None and compact(location) == compact(site.location):
        body["location"] = location  # echoed as it was sent; reads show the display form
    return Response.json(200, body, {"etag": etag})
