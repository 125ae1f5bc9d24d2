"""Swapping slots: what moves with the code and what stays with the slot.

https://learn.microsoft.com/azure/app-service/deploy-staging-slots#what-happens-during-a-swap: settings and connection
strings move unless they are marked sticky; general configuration moves; host names, identity, integration, access
restrictions and Always On stay.
"""

from copy import deepcopy
from datetime import datetime

from simulator.arm import Call
from simulator.errors import ArmError, bad_request
from simulator.messages import Json, Response
from simulator.operations import Protocol
from simulator.providers.fields import text_at
from simulator.providers.web.config import sticky_names
from simulator.providers.web.state import Site, site_of

_STAYS = {"alwaysOn", "ipSecurityRestrictions", "scmIpSecurityRestrictions", "scmIpSecurityRestrictionsUseMain", "cors"}
_DICTIONARIES = {"appsettings": "appSettingNames", "connectionstrings": "connectionStringNames"}
_SWAP_SECONDS = 30.0


def swap(call: Call) -> Response:
    """POST slotsswap {"targetSlot"}: 202 with a Location that answers 200 once the swap is through."""
    source, target = site_of(call), _target(call)
    protocol = Protocol(
        status_path=None,
        result_path=f"{source.id}/operationresults/{{id}}",
        api_version=call.api_version,
        seconds=_SWAP_SECONDS,
    )

    def finish(_: datetime) -> None:
        _exchange(call, source, target)
        source.changed(call)
        target.changed(call)

    headers = call.accept(protocol, location=source.location, finish=finish, root=source.id, result=dict)
    return Response.empty(202, headers)


def apply_config(call: Call) -> Response:
    """POST applySlotConfig: the first half of a swap with preview, the target's sticky settings on the source."""
    source, target = site_of(call), _target(call)
    sticky = sticky_names(_production(call, source))
    source.resource.body["beforePreview"] = deepcopy(source.app_settings)
    moving = {name: value for name, value in source.app_settings.items() if name not in sticky}
    staying = {name: value for name, value in target.app_settings.items() if name in sticky}
    source.replace_dictionary("appsettings", moving | staying)
    source.changed(call)
    return Response.empty(200)


def reset_config(call: Call) -> Response:
    """POST resetSlotConfig: takes a preview back; without one nothing changes."""
    source = site_of(call)
    before: Json | None = source.resource.body.pop("beforePreview", None)
    if before is not None:
        source.replace_dictionary("appsettings", before)
        source.changed(call)
    return Response.empty(200)


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
        sticky = sticky_names(app, key)
        first, second = one.dictionary(name), other.dictionary(name)
        one.replace_dictionary(name, _moved(second, first, sticky))
        other.replace_dictionary(name, _moved(first, second, sticky))
    first, second = dict(one.web), dict(other.web)
    for site, own, incoming in ((one, first, second), (other, second, first)):
        site.web.clear()
        site.web.update({key: value for key, value in incoming.items() if key not in _STAYS})
        site.web.update({key: value for key, value in own.items() if key in _STAYS})
    for site in (one, other):
        site.resource.body.pop("beforePreview", None)


def _moved(incoming: Json, own: Json, sticky: frozenset[str]) -> Json:
    moving = {name: value for name, value in incoming.items() if name not in sticky}
    return moving | {name: value for name, value in own.items() if name in sticky}
