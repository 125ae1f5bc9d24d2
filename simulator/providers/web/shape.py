"""How a site looks from outside: the properties of each api-version, their defaults, and what is computed.

A property is shown as it was set, else as it is computed, else by its default in `tables`.
"""

from hashlib import sha256
from typing import Any

from simulator.cloud import Cloud
from simulator.ids import address
from simulator.messages import Json
from simulator.providers.web.regions import compact, display
from simulator.providers.web.state import ROUTES_BEFORE, Site
from simulator.providers.web.tables import (
    AUTH_SETTINGS,
    FIXED,
    LOGS,
    SETTABLE,
    SHOWN_IN_SITE,
    WEB_COMPUTED,
    WEB_DEFAULTS,
    WEB_SINCE_2024,
    exists,
    nulls,
)


def site_body(cloud: Cloud, site: Site, api_version: str, *, written: bool = False) -> Json:
    """A site or slot as `api_version` shows it; `written` is the answer to a PUT or PATCH, which differs in places."""
    properties = {**SETTABLE, **FIXED} | _identity_of(cloud, site) | _network_of(cloud, site, written=written)
    properties |= {name: site.properties[name] for name in SETTABLE if site.properties.get(name) is not None}
    properties["siteConfig"] = _site_config(site, api_version, written=written)
    shown = {name: value for name, value in properties.items() if exists(name, api_version)}
    body: Json = {"id": site.id, "name": f"{site.app}/{site.slot}" if site.is_slot else site.app}
    body |= {"type": site.resource.type, "kind": site.kind, "location": display(site.location)}
    for member in ("tags", "identity"):
        if site.resource.body.get(member):
            body[member] = site.resource.body[member]
    return body | {"properties": shown}


def web_body(site: Site, api_version: str) -> Json:
    """config/web. Its `name` is the app's, a quirk of the real one."""
    properties = {**WEB_DEFAULTS, **site.web}
    properties |= {
        "publishingUsername": f"${_internal_name(site)}",
        "vnetName": "",
        "vnetRouteAllEnabled": site.route_all,
        "siteAuthEnabled": False,
        "siteAuthSettings": AUTH_SETTINGS,
    }
    if api_version >= "2024-04-01":
        properties = {**WEB_SINCE_2024, **properties}
    return config_envelope(site, "web", properties) | {"name": site.resource.name}


def config_envelope(site: Site, name: str, properties: Any) -> Json:
    """A config resource around its properties."""
    return {
        "id": f"{site.id}/config/{name}",
        "name": name,
        "type": f"{site.resource.type}/config",
        "location": display(site.location),
        "properties": properties,
    }


def host_names(site: Site) -> tuple[str, str]:
    """The app's own host name and that of its deployment site."""
    label = f"{site.app}-{site.slot}" if site.is_slot else site.app
    return f"{label}.azurewebsites.net", f"{label}.scm.azurewebsites.net"


def _internal_name(site: Site) -> str:
    return f"{site.app}__{site.slot}" if site.is_slot else site.app


def _identity_of(cloud: Cloud, site: Site) -> Json:
    """Names, state and the like, which follow from what the site is and where."""
    where = address(site.id)
    group, region = where.group, display(site.location).replace(" ", "")
    stamp = f"waws-prod-{compact(site.location)[:3]}-001"
    space = f"{group}-{region}webspace"
    internal, hosts = _internal_name(site), host_names(site)
    plan = cloud.get(site.plan)
    management = f"https://{stamp}.api.azurewebsites.windows.net:454/subscriptions/{where.subscription}"
    return {
        "name": f"{site.app}({site.slot})" if site.is_slot else site.app,
        "state": _state(site),
        "targetSwapSlot": site.swaps_into,
        "hostNames": [hosts[0]],
        "webSpace": space,
        "selfLink": f"{management}/webspaces/{space}/sites/{site.app}",
        "repositorySiteName": site.app,
        "enabledHostNames": list(hosts),
        "siteProperties": _site_properties(site),
        "hostNameSslStates": [_ssl_state(hosts[0], "Standard"), _ssl_state(hosts[1], "Repository")],
        "lastModifiedTimeUtc": site.modified[:23].removesuffix("+00:00"),
        "deploymentId": internal,
        "sku": plan.body["sku"]["tier"] if plan is not None else None,
        "customDomainVerificationId": sha256(where.subscription.encode()).hexdigest().upper(),
        "kind": site.kind,
        "ftpUsername": f"{internal}\\${internal}",
        "ftpsHostName": f"ftps://{stamp}.ftp.azurewebsites.windows.net/site/wwwroot",
        "homeStamp": stamp,
        "tags": site.resource.body.get("tags"),
        "resourceGroup": group,
        "defaultHostName": hosts[0],
        "eligibleLogCategories": "FunctionAppLogs" if "functionapp" in site.kind else LOGS,
    }


def _state(site: Site) -> str:
    if site.properties.get("enabled") is False:
        return "Disabled"
    return "Stopped" if site.resource.body.get("stopped") else "Running"


def _site_properties(site: Site) -> Json:
    linux = {"name": "LinuxFxVersion", "value": site.web.get("linuxFxVersion") or ""}
    windows = {"name": "WindowsFxVersion", "value": site.web.get("windowsFxVersion")}
    return {"metadata": None, "properties": [linux, windows], "appSettings": None}


def _ssl_state(host: str, kind: str) -> Json:
    state = nulls("ipBasedSslResult virtualIP virtualIPv6 thumbprint certificateResourceId toUpdate toUpdateIpBasedSsl")
    return {"name": host, "sslState": "Disabled", "ipBasedSslState": "NotConfigured", "hostType": kind} | state


def _network_of(cloud: Cloud, site: Site, *, written: bool) -> Json:
    """Addresses, integration and routing. Documentation ranges (RFC 5737, RFC 3849) stand in for Azure's addresses."""
    inbound, outbound = "192.0.2.10", "192.0.2.20,192.0.2.21,192.0.2.22,192.0.2.10"
    connections = cloud.children(site.id, f"{site.resource.type}/privateEndpointConnections")
    return {
        "inboundIpAddress": inbound,
        "possibleInboundIpAddresses": inbound,
        "inboundIpv6Address": "2001:db8::10",
        "possibleInboundIpv6Addresses": "2001:db8::10",
        "outboundIpAddresses": outbound,
        "possibleOutboundIpAddresses": f"{outbound},192.0.2.23",
        "outboundIpv6Addresses": "2001:db8::20",
        "possibleOutboundIpv6Addresses": "2001:db8::20,2001:db8::21",
        "virtualNetworkSubnetId": site.subnet,
        "outboundVnetRouting": dict(site.routing),
        **{before: site.routing[route] for before, route in ROUTES_BEFORE.items()},
        "privateEndpointConnections": None if written else [{"id": each.id, **each.body} for each in connections],
        "inFlightFeatures": None if written else [],
    }


def _site_config(site: Site, api_version: str, *, written: bool) -> Json:
    """What a site shows of its own siteConfig: almost all null, even routing that is on; the truth is in config/web."""
    shown = dict.fromkeys((*WEB_DEFAULTS, *WEB_COMPUTED))
    shown |= {name: site.web.get(name, default) for name, default in SHOWN_IN_SITE.items()}
    shown["elasticWebAppScaleLimit" if written else "functionAppScaleLimit"] = 0
    if written:
        shown |= {name: WEB_DEFAULTS[name] for name in ("ipSecurityRestrictions", "scmIpSecurityRestrictions")}
    return shown | (WEB_SINCE_2024 if api_version >= "2024-04-01" else {})


def sites_of_plan(cloud: Cloud, plan_id: str) -> list[Site]:
    """The apps and slots of a plan, which keeps their ids so that a fleet need not be searched."""
    plan = cloud.get(plan_id)
    found = [cloud.get(each) for each in plan.body["apps"]] if plan is not None else []
    return [Site(each) for each in found if each is not None]
