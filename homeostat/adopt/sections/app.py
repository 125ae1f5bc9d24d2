"""The sections about the web app itself: its subnet, routing, identities and settings."""

from collections.abc import Mapping
from typing import Final

from homeostat.adopt.secrecy import must_stay_secret
from homeostat.adopt.sections.part import Part, reference_of
from homeostat.adopt.survey import Survey
from homeostat.core import json
from homeostat.core.json import Json, Path
from remediators.app_settings import PLATFORM_NAMES

ROUTE_ALL_SETTING: Final = "WEBSITE_VNET_ROUTE_ALL"
NETWORK_SETTINGS: Final = frozenset(
    {ROUTE_ALL_SETTING, "WEBSITE_DNS_SERVER", "WEBSITE_DNS_ALT_SERVER", "WEBSITE_CONTENTOVERVNET"}
)
"""Those of the platform's own settings that determine how the app reaches its network."""


def vnet_integration(survey: Survey) -> Part:
    subnet = survey.site.text("properties", "virtualNetworkSubnetId")
    if not subnet:
        return Part(left_out=("the app is in no virtual network: nothing of a network is declared",))
    return Part({"subnet": reference_of(survey.scope, subnet)})


def app_settings(survey: Survey) -> Part:
    if not survey.settings:
        return Part()
    if other := survey.site.text("properties", "targetSwapSlot"):
        return Part(
            left_out=(f"settings: a swap with {other} is under way, and some are {other}'s; adopt it after that",)
        )
    platform = {name for name in survey.settings if PLATFORM_NAMES.fullmatch(name)} - NETWORK_SETTINGS
    settings: dict[str, Json] = {}
    comments: dict[Path, str] = {}
    for name in sorted(survey.settings.keys() - platform, key=lambda name: (name.lower(), name)):
        value, path = survey.settings[name].reveal(), ("settings", name)
        if must_stay_secret(name, value):
            settings[name] = {"secret": True}
            comments[path] = "taken for a secret: its value is not written here, and its presence is defended"
        else:
            settings[name] = value
        if name in survey.sticky:
            comments[path] = "; ".join(filter(None, ("stays with its slot on a swap", comments.get(path, ""))))
    left_out = (f"settings that Azure and its tools write: {', '.join(sorted(platform))}",) if platform else ()
    return Part({"settings": settings} if settings else {}, comments, left_out)


def route_all(survey: Survey) -> Part:
    if not survey.site.text("properties", "virtualNetworkSubnetId"):
        return Part()
    routing = json.at(survey.site.body, ("properties", "outboundVnetRouting"))
    flags = routing if isinstance(routing, Mapping) else {}
    legacy = _routes_by_setting(survey)
    section: dict[str, Json] = {
        name: flags.get(member) is True or (name == "application_traffic" and legacy) for name, member in _FLAGS.items()
    }
    section["legacy_setting"] = "allow"
    comments: dict[Path, str] = {("legacy_setting",): f"{ROUTE_ALL_SETTING} is set too"} if legacy else {}
    return Part(section, comments)


_FLAGS: Mapping[str, str] = {
    "application_traffic": "applicationTraffic",
    "all_traffic": "allTraffic",
    "content_share_traffic": "contentShareTraffic",
    "image_pull_traffic": "imagePullTraffic",
    "backup_restore_traffic": "backupRestoreTraffic",
}


def _routes_by_setting(survey: Survey) -> bool:
    settings = survey.settings or {}
    named = any(name.upper() == ROUTE_ALL_SETTING and value.reveal().strip() == "1" for name, value in settings.items())
    config = survey.config.body if survey.config else None
    return named or json.at(config, ("properties", "vnetRouteAllEnabled")) is True


def identity(survey: Survey) -> Part:
    type_ = survey.site.text("identity", "type").lower()
    assigned = json.at(survey.site.body, ("identity", "userAssignedIdentities"))
    users = sorted(reference_of(survey.scope, text) for text in assigned) if isinstance(assigned, Mapping) else []
    if type_ in {"", "none"}:
        return Part(left_out=("the app has no managed identity",))
    section: dict[str, Json] = {"system_assigned": "systemassigned" in type_}
    if users:
        section["user_assigned"] = users
    return Part({**section, "recreate": False})
