"""Outbound routing: which of the web app's own traffic goes through the network that it is joined to.

The setting is in four places. Since api-version 2024-11-01 the site's `outboundVnetRouting` counts; before, the site
had `vnetRouteAllEnabled` and its siblings, of which `config/web` repeats the first. The app setting
WEBSITE_VNET_ROUTE_ALL is older still, and also enables application traffic: either is enough. So application traffic is
routed if any of the places says so, and is not routed only when none of them does.
https://learn.microsoft.com/azure/app-service/configure-vnet-integration-routing
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import Field

from homeostat.core import json
from homeostat.core.arm_types import SITE, SITE_CONFIG, SLOT, SLOT_CONFIG, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Path
from homeostat.core.model import (
    Conflict,
    Disruption,
    Drift,
    Edit,
    Facts,
    Found,
    Item,
    KindSection,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Verdict,
    Want,
)
from remediators.common import by_key, in_operation, keep_the_rest, site_of, unknown, verdict_of, why_unread

LEGACY_SETTING = "WEBSITE_VNET_ROUTE_ALL"
ROUTING = ("properties", "outboundVnetRouting")
APPLICATION, ALL, LEGACY = "application_traffic", "all_traffic", "legacy_setting"

FLAGS: Mapping[str, str] = {
    APPLICATION: "applicationTraffic",
    ALL: "allTraffic",
    "content_share_traffic": "contentShareTraffic",
    "image_pull_traffic": "imagePullTraffic",
    "backup_restore_traffic": "backupRestoreTraffic",
}
"""The flags in `outboundVnetRouting`, by their names in a spec."""

FLAGS_BEFORE: Mapping[str, str] = {
    "applicationTraffic": "vnetRouteAllEnabled",
    "contentShareTraffic": "vnetContentShareEnabled",
    "imagePullTraffic": "vnetImagePullEnabled",
    "backupRestoreTraffic": "vnetBackupRestoreEnabled",
}
"""The site's names for them up to api-version 2023-12-01."""


class Legacy(StrEnum):
    ALLOW = "allow"
    REMOVE = "remove"


class RouteAllSection(KindSection):
    """Which outbound traffic is routed through the network. A key that is not given is not looked at."""

    application_traffic: bool | None = Field(default=None, description="What the app itself sends.")
    all_traffic: bool | None = Field(default=None, description="Everything, the platform's own traffic included.")
    content_share_traffic: bool | None = Field(default=None, description="To the share that holds the content.")
    image_pull_traffic: bool | None = Field(default=None, description="To the registry of the container image.")
    backup_restore_traffic: bool | None = Field(default=None, description="Of backups and restores.")
    legacy_setting: Legacy | None = Field(
        default=None,
        description=f"What happens to the app setting {LEGACY_SETTING}, which routes application traffic too: "
        "allow (the default) lets it stand for application_traffic, remove takes it away.",
    )


@dataclass(frozen=True, slots=True)
class Have:
    """flags: by their names in `outboundVnetRouting`, unknown ones included. legacy: the setting's name and value.

    unread, unread_settings: why the site, or its app settings, could not be read, or "".
    """

    flags: Mapping[str, bool] = field(default_factory=dict)
    legacy: tuple[str, str] | None = None
    in_operation: bool = False
    unread: str = ""
    unread_settings: str = ""

    def is_on(self, flag: str) -> bool:
        return self.flags.get(flag, False)

    @property
    def legacy_routes(self) -> bool:
        return self.legacy is not None and enables(self.legacy[1])


@dataclass(frozen=True, slots=True)
class RouteAll:
    """Its root is the site or the slot; an item is a flag, or the treatment of the legacy setting."""

    kind: str = "route_all"
    section: type[RouteAllSection] = RouteAllSection
    touches: frozenset[ArmType] = frozenset({SITE, SITE_CONFIG, SLOT, SLOT_CONFIG})

    def items(self, section: RouteAllSection, scope: Scope) -> tuple[Item[bool | Legacy], ...]:
        names = (*FLAGS, LEGACY)
        return tuple(
            Item(scope.web_app, name, value, (name,)) for name in names if (value := getattr(section, name)) is not None
        )

    unmanaged = keep_the_rest

    def problems(self, section: RouteAllSection, scope: Scope) -> tuple[Problem, ...]:  # noqa: ARG002 - the Protocol's
        return tuple(_problems(section))

    def conflicts(self, wants: Mapping[str, Want[Any]]) -> tuple[Conflict, ...]:
        """The legacy setting is also declared as an app setting, with the opposite meaning."""
        routing, settings = wants.get(self.kind), wants.get("app_settings")
        if routing is None or settings is None:
            return ()
        named = [item for name, item in settings.items.items() if name.upper() == LEGACY_SETTING]
        return tuple(
            Conflict(
                item.place,
                f"{LEGACY_SETTING} is declared here and contradicts route_all at {routing.items[name].place}",
                "Remove it here, or make the two agree.",
            )
            for item in named
            for name in (APPLICATION, LEGACY)
            if name in routing.items and _contradicts(routing.items[name].value, getattr(item.value, "value", None))
        )

    # --- observe ---

    def reads(self, want: Want[bool | Legacy], facts: Facts) -> frozenset[Read]:
        site = facts.get(site_of(want.root))
        if not isinstance(site, Found):
            return frozenset({site_of(want.root)})
        found = {site_of(want.root)}
        flags = _flags(site)
        if flags is None:
            found.add(_config(want.root, "web"))
        if _needs_settings(want, flags or {}):
            found.add(_config(want.root, "appsettings"))
        return frozenset(found)

    def observe(self, want: Want[bool | Legacy], facts: Facts) -> Have:
        site = facts.get(site_of(want.root))
        if not isinstance(site, Found):
            return Have(unread=why_unread(site))
        flags = _flags(site)
        if flags is None:
            web = facts.get(_config(want.root, "web"))
            if not isinstance(web, Found):
                return Have(unread=why_unread(web))
            flags = {"applicationTraffic": json.at(web.body, ("properties", "vnetRouteAllEnabled")) is True}
        settings = facts.get(_config(want.root, "appsettings"))
        needed = _needs_settings(want, flags)
        return Have(
            flags,
            legacy=_legacy(settings) if isinstance(settings, Found) else None,
            in_operation=in_operation(site),
            unread_settings=why_unread(settings) if needed and not isinstance(settings, Found) else "",
        )

    # --- diff ---

    def diff(self, want: Want[bool | Legacy], have: Have) -> tuple[Drift, ...]:
        found = (drift for name in want.items for drift in self._differences(want, name, have))
        return by_key(found)

    def _differences(self, want: Want[bool | Legacy], name: str, have: Have) -> Iterator[Drift]:
        value = want.items[name].value
        if value is Legacy.REMOVE:
            yield from self._left_over(want, name, have)
        elif isinstance(value, bool):
            yield from self._flag(want, name, have, value)

    def _flag(self, want: Want[bool | Legacy], name: str, have: Have, value: bool) -> Iterator[Drift]:
        path = (*ROUTING, FLAGS[name])
        by_all = name != ALL and have.is_on(FLAGS[ALL]) and _value(want, ALL) is not False
        by_legacy = name == APPLICATION and have.legacy_routes and _value(want, LEGACY) is not Legacy.REMOVE
        verdict = verdict_of(under_way=have.in_operation)
        if have.unread or (name == APPLICATION and have.unread_settings):
            yield unknown(self.kind, want.root, path, name, value, have.unread or have.unread_settings)
        elif value and not (have.is_on(FLAGS[name]) or by_all or by_legacy):
            yield Drift(self.kind, want.root, path, name, value, have.is_on(FLAGS[name]), verdict)
        elif not value:
            if have.is_on(FLAGS[name]):
                yield Drift(self.kind, want.root, path, name, value, have.is_on(FLAGS[name]), verdict)
            elif by_all:
                yield Drift(self.kind, want.root, path, name, value, have.is_on(FLAGS[ALL]), verdict, _BY_ALL)
            if by_legacy:
                yield self._legacy_drift(want, name, have, verdict)

    def _left_over(self, want: Want[bool | Legacy], name: str, have: Have) -> Iterator[Drift]:
        if reason := have.unread or have.unread_settings:
            yield unknown(self.kind, _config(want.root, "appsettings").id, _SETTING, name, ABSENT, reason)
        elif have.legacy:
            verdict = verdict_of(under_way=have.in_operation)
            yield self._legacy_drift(want, name, have, verdict)

    def _legacy_drift(self, want: Want[bool | Legacy], name: str, have: Have, verdict: Verdict) -> Drift:
        assert have.legacy is not None, "a setting that is not there is no drift"
        setting, value = have.legacy
        note = f"{setting} routes application traffic" if have.legacy_routes else ""
        config = _config(want.root, "appsettings").id
        return Drift(self.kind, config, ("properties", setting), name, ABSENT, value, verdict, note)

    # --- edits ---

    def edits(self, want: Want[bool | Legacy], have: Have) -> tuple[Edit | Obstacle, ...]:
        drifted = [drift for drift in self.diff(want, have) if drift.verdict is Verdict.DRIFTED]
        return tuple(answer for drift in drifted for answer in _repairs(drift, drifted, want, have))


REMEDIATOR = RouteAll()

_SETTING: Path = ("properties", LEGACY_SETTING)
_BY_ALL = "all_traffic is on, and routes it as well"


def enables(setting: str) -> bool:
    """Whether this value of the legacy setting routes application traffic.

    https://learn.microsoft.com/azure/app-service/reference-app-settings#networking
    """
    return setting.strip() == "1"


def _config(root: ResourceId, name: str) -> Read:
    return Read(SLOT_CONFIG if root.is_type(SLOT.name) else SITE_CONFIG, root.child("config", name))


def _value(want: Want[bool | Legacy], name: str) -> bool | Legacy | None:
    return want.items[name].value if name in want.items else None


def _flags(site: Found) -> dict[str, bool] | None:
    """The flags in a site's body, in either form; None if it has none. Null is off."""
    routing = json.at(site.body, ROUTING)
    if routing is not ABSENT:
        members = routing.items() if isinstance(routing, Mapping) else ()
        return {flag: value for flag, value in members if isinstance(value, bool)}
    before = {flag: json.at(site.body, ("properties", name)) for flag, name in FLAGS_BEFORE.items()}
    if all(value is ABSENT for value in before.values()):
        return None
    return {flag: value is True for flag, value in before.items()}


def _legacy(settings: Found) -> tuple[str, str] | None:
    found = json.secrets_at(settings.body, "properties").items()
    return next(((name, value.reveal()) for name, value in found if name.upper() == LEGACY_SETTING), None)


def _needs_settings(want: Want[bool | Legacy], flags: Mapping[str, bool]) -> bool:
    """Whether the legacy setting makes a difference: it does not if application traffic is to be routed, and is."""
    application = _value(want, APPLICATION)
    is_routed = flags.get(FLAGS[APPLICATION], False)
    return _value(want, LEGACY) is Legacy.REMOVE or (application is not None and not (application and is_routed))


def _repairs(
    drift: Drift, drifted: Sequence[Drift], want: Want[bool | Legacy], have: Have
) -> Iterator[Edit | Obstacle]:
    if drift.note == _BY_ALL:
        message = "all_traffic is on, and routes this too: declare all_traffic as well, or turn it off"
        yield Obstacle(drift, "all-traffic-routes", message)
    elif drift.path[: len(ROUTING)] == ROUTING:
        yield _routing_edit(drift, drifted, want, have)
    elif drift.item != LEGACY:
        message = f"{drift.path[-1]} routes application traffic: remove it, or declare `legacy_setting: remove`"
        yield Obstacle(drift, "legacy-setting-routes", message)
    elif not _value(want, APPLICATION) or have.is_on(FLAGS[APPLICATION]) or have.is_on(FLAGS[ALL]):
        # otherwise only when the flag has taken over, so that nothing is cut off in between: the next look finds that
        yield Edit(drift, drift.path, ABSENT, Disruption.RESTART)


def _routing_edit(drift: Drift, drifted: Sequence[Drift], want: Want[bool | Legacy], have: Have) -> Edit:
    """All flags in one object; those that nobody owns as they were read.

    It is not documented whether a PATCH merges or replaces what is inside `outboundVnetRouting`: the SDK's model of one
    lacks it, and the Azure CLI writes the whole site back. The full object is right either way.
    """
    going = [each for each in drifted if each.path[: len(ROUTING)] == ROUTING and each.note != _BY_ALL]
    going = [each for each in going if each == drift or want.mode_of(each.item) is Mode.ENFORCE]
    values = {FLAGS[each.item]: each.want is True for each in going}
    adds, removes = any(values.values()), not all(values.values())
    return Edit(
        drift,
        ROUTING,
        {**have.flags, **values},
        Disruption.CONNECTIVITY if removes else Disruption.RESTART,
        after=_WAY_OUT if adds else frozenset(),
    )


_WAY_OUT = frozenset({Milestone.INTEGRATED, Milestone.NAMES_RESOLVE, Milestone.EGRESS_ALLOWED})


def _contradicts(routing: bool | Legacy, setting: str | None) -> bool:
    if isinstance(routing, Legacy):
        return routing is Legacy.REMOVE
    return setting is not None and enables(setting) != routing


def _problems(section: RouteAllSection) -> Iterator[Problem]:
    for name in FLAGS:
        if section.all_traffic and getattr(section, name) is False:
            yield Problem((name,), f"{name} is false, and yet all_traffic routes it", "Remove one of the two.")
    if section.legacy_setting is Legacy.REMOVE and section.application_traffic is None:
        message = f"without {LEGACY_SETTING} application traffic may no longer be routed"
        yield Problem((LEGACY,), message, "Say with `application_traffic` whether it is to be.")
