"""The configuration of a site: app settings and the other dictionaries, config/web, sticky names.

A dictionary is written whole (recorded: 15 of 15 PUTs that left keys out removed them) and answered in the order in
which it was sent. It is read with a POST, since it may hold secrets.
"""

from simulator.arm import Call
from simulator.errors import ArmError
from simulator.messages import Json, Response
from simulator.providers.fields import properties_of, text_of, texts_at
from simulator.providers.web.integration import vnet_name
from simulator.providers.web.regions import display
from simulator.providers.web.shape import config_envelope, web_body
from simulator.providers.web.siteconfig import SiteConfig
from simulator.providers.web.state import Site, site_of

# Names as Azure answers them, by their lower case.
_DICTIONARIES = {
    each.lower(): each
    for each in ("appsettings", "connectionstrings", "metadata", "azurestorageaccounts", "authsettings", "pushsettings")
}
_STICKY = ("connectionStringNames", "appSettingNames", "azureStorageConfigNames")


def get(call: Call) -> Response:
    site, name = site_of(call), call.address.name.lower()
    if name == "web":
        return Response.json(200, _web(call, site))
    if name == "slotconfignames":
        return Response.json(200, _sticky_body(site))
    if name in _DICTIONARIES:
        raise ArmError(405, "MethodNotAllowed", f"config/{name} is read with a POST to config/{name}/list.")
    raise _unknown(call)


def put(call: Call) -> Response:
    site, name = site_of(call), call.address.name.lower()
    given = properties_of(call)
    if name == "web":
        return _write_web(call, site, given)
    if name == "slotconfignames":
        site.resource.body["sticky"] = {key: texts_at(given, key) for key in _STICKY}
        site.changed(call)
        return Response.json(200, _sticky_body(site), {"etag": f'"{site.etag}"'})
    if name not in _DICTIONARIES:
        raise _unknown(call)
    site.replace_dictionary(name, _strings(given) if name == "appsettings" else given)
    site.changed(call)
    return Response.json(200, _dictionary_body(site, name), {"etag": f'"{site.etag}"'})


def patch(call: Call) -> Response:
    if call.address.name.lower() != "web":
        raise ArmError(405, "MethodNotAllowed", f"config/{call.address.name} cannot be patched.")
    return _write_web(call, site_of(call), properties_of(call))


def read_dictionary(call: Call) -> Response:
    """POST .../config/NAME/list."""
    site, name = site_of(call), call.address.names[-1].lower()
    if name == "publishingcredentials":
        return Response.json(200, _publishing_credentials(site))
    if name not in _DICTIONARIES:
        raise _unknown(call)
    return Response.json(200, _dictionary_body(site, name))


def listing(call: Call) -> Response:
    return Response.json(200, {"value": [_web(call, site_of(call))]})


def sticky_names(site: Site, key: str = "appSettingNames") -> frozenset[str]:
    """What stays with its slot when slots are swapped; the names belong to the app and hold for all its slots."""
    return frozenset((site.resource.body.get("sticky") or {}).get(key) or ())


def _write_web(call: Call, site: Site, given: Json) -> Response:
    SiteConfig.parse(given, call.api_version).apply(site)
    site.changed(call)
    return Response.json(200, _web(call, site), {"etag": f'"{site.etag}"'})


def _web(call: Call, site: Site) -> Json:
    body = web_body(site, call.api_version)
    body["properties"]["vnetName"] = vnet_name(call, site)
    return body


def _dictionary_body(site: Site, name: str) -> Json:
    return config_envelope(site, _DICTIONARIES[name], dict(site.dictionary(name)))


def _sticky_body(site: Site) -> Json:
    """The real answer calls itself the site and has no id."""
    sticky = site.resource.body.get("sticky") or {}
    return {
        "id": None,
        "name": site.resource.name,
        "type": site.resource.type,
        "location": display(site.location),
        "properties": {key: sticky.get(key) for key in _STICKY},
    }


def _publishing_credentials(site: Site) -> Json:
    user = f"${site.app}"
    return config_envelope(site, "publishingcredentials", {"publishingUserName": user, "publishingPassword": ""})


def _strings(given: Json) -> dict[str, str]:
    """App settings are strings: other JSON values arrive as their text, nulls not at all."""
    return {name: text_of(value) for name, value in given.items() if value is not None}


def _unknown(call: Call) -> ArmError:
    return ArmError(404, "NotFound", f"Cannot find config with name {call.address.names[-1]}.")
