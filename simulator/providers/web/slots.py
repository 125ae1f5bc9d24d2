"""Swapping slots: what moves with the code and what stays with the slot.

https://learn.microsoft.com/azure/app-service/deploy-staging-slots#what-happens-during-a-swap: settings and connection
strings move unless they are marked sticky; general configuration moves; host names, identity, access restrictions and
Always On stay, and so does the integration unless `preserveVnet` is false. The documentation does not say whether the
routing of outbound traffic goes with the integration; here it does.

Before the swap proper the source gets the target's sticky settings, to warm up with. A preview stops there. As long as
that lasts, the source's `targetSwapSlot` names the target.
"""

from datetime import datetime

from simulator.arm import Call
from simulator.errors import ArmError, bad_request
from simulator.messages import Json, Response
from simulator.operations import Protocol
from simulator.providers.fields import text_at
from simulator.providers.web import integration
from simulator.providers.web.config import sticky_names
from simulator.providers.web.state import Site, site_of

_STAYS = {"alwaysOn", "ipSecurityRestrictions", "scmIpSecurityRestrictions", "scmIpSecurityRestrictionsUseMain", "cors"}
_DICTIONARIES = {"appsettings": "appSettingNames", "connectionstrings": "connectionStringNames"}
_SWAP_SECONDS = 30.0


def swap(call: Call) -> Response:
    """POST slotsswap {"targetSlot"}: 202 with a Location that answers 200 once the swap is through."""
    source, target = site_of(call), _target(call)
    keeps_network = call.body().get("preserveVnet") is not False
    protocol = Protocol(
        status_path=None,
        result_path=f"{source.id}/operationresults/{{id}}",
        api_version=call.api_version,
        seconds=_SWAP_SECONDS,
    )

    def finish(_: datetime) -> None:
        _take_back(call, source)
        _exchange(call, source, target)
        if not keeps_network:
            integration.exchange(call, source, target)
        source.changed(call)
        target.changed(call)

    _prepare(call, source, target)
    headers = call.accept(protocol, location=source.location, finish=finish, root=source.id, result=dict)
    return Response.empty(202, headers)


def apply_config(call: Call) -> Response:
    """POST applySlotConfig: the first half of a swap with preview, the target's sticky settings on the source."""
    _prepare(call, site_of(call), _target(call))
    return Response.empty(200)


def reset_config(call: Call) -> Response:
    """POST resetSlotConfig: takes a preview back; without one nothing changes."""
    _take_back(call, site_of(call))
    return Response.empty(200)


def _prepare(call: Call, source: Site, target: Site) -> None:
    if source.swaps_into is not None:
        return
    sticky = sticky_names(_production(call, source))
    own = {name: value for name, value in source.app_settings.items() if name in sticky}
    source.resource.body["swap"] = {"into": target.slot or "production", "sticky": own}
    source.replace_dictionary("appsettings", _moved(source.app_settings, target.app_settings, sticky))
    source.changed(call)


def _take_back(call: Call, source: Site) -> None:
    prepared: Json | None = source.resource.body.pop("swap", None)
    if prepared is not None:
        sticky = sticky_names(_production(call, source))
        source.replace_dictionary("appsettings", _moved(source.app_settings, prepared["sticky"], sticky))
        source.changed(call)


def _target(call: Call) -> Site:
    name = text_at(call.body(), "targetSlot")
    if not name:
        raise bad_request("BadRequest", "The property targetSlot is required.")
    source = site_of(call)
    app = _production(call, source)
    if name.lower() == "production":
        return app
    found = call.cloud.get(f"{app.id}/slots/{name}")
    if found is None:
        raise ArmError(404, "NotFound", f"Slot {name} of site {app.app} was not found.")
    return Site(found)


def _production(call: Call, site: Site) -> Site:
    if not site.is_slot:
        return site
    app = call.cloud.get(site.id.rpartition("/slots/")[0])
    assert app is not None, "a slot lives below its app"
    return Site(app)


def _exchange(call: Call, one: Site, other: Site) -> None:
    app = _production(call, one)
    for name, key in _DICTIONARIES.items():
        sticky = sticky_names(app, key) | _always_sticky(one, other, name)
        first, second = one.dictionary(name), other.dictionary(name)
        one.replace_dictionary(name, _moved(second, first, sticky))
        other.replace_dictionary(name, _moved(first, second, sticky))
    first, second = dict(one.web), dict(other.web)
    for site, own, incoming in ((one, first, second), (other, second, first)):
        site.web.clear()
        site.web.update({key: value for key, value in incoming.items() if key not in _STAYS})
        site.web.update({key: value for key, value in own.items() if key in _STAYS})


def _always_sticky(one: Site, other: Site, dictionary: str) -> frozenset[str]:
    names = {*one.dictionary(dictionary), *other.dictionary(dictionary)}
    return frozenset(name for name in names if name.upper().endswith("_EXTENSION_VERSION"))


def _moved(incoming: Json, own: Json, sticky: frozenset[str]) -> Json:
    moving = {name: value for name, value in incoming.items() if name not in sticky}
    return moving | {name: value for name, value in own.items() if name in sticky}
