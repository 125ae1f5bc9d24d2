"""A siteConfig inside a site's body, or the properties of config/web: checked first, applied afterwards."""

from dataclasses import dataclass
from typing import Any, Self

from simulator.messages import Json
from simulator.providers.fields import objects_at, text_of
from simulator.providers.web.state import Site
from simulator.providers.web.tables import WEB_DEFAULTS, exists

ROUTE_ALL = "vnetRouteAllEnabled"
_DICTIONARIES = {"appSettings", "connectionStrings", "metadata"}


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """What a body says; None where it is silent. What it names replaces."""

    app_settings: Json | None
    connection_strings: Json | None
    metadata: Json | None
    route_all: bool | None
    web: Json

    @classmethod
    def parse(cls, given: Json, api_version: str) -> Self:
        """400 for settings that are no list of names and values.

        Api-versions in which a site has `outboundVnetRouting` do not heed the older flag, here either
        (https://github.com/Azure/azure-cli/pull/32634).
        """
        strings = objects_at(given, "connectionStrings")
        route_all = given.get(ROUTE_ALL) if exists(ROUTE_ALL, api_version) else None
        return cls(
            app_settings=_named(given, "appSettings"),
            connection_strings=None
            if strings is None
            else {each["name"]: {"value": each.get("connectionString"), "type": each.get("type")} for each in strings},
            metadata=_named(given, "metadata"),
            route_all=None if route_all is None else bool(route_all),
            web={name: given[name] for name in WEB_DEFAULTS if name in given and name not in _DICTIONARIES},
        )

    def apply(self, site: Site) -> None:
        parts = {
            "appsettings": self.app_settings,
            "connectionstrings": self.connection_strings,
            "metadata": self.metadata,
        }
        for name, values in parts.items():
            if values is not None:
                site.replace_dictionary(name, values)
        if self.route_all is not None:
            site.routing["applicationTraffic"] = self.route_all
            site.routing["allTraffic"] = site.routing["allTraffic"] and self.route_all
        for name, value in self.web.items():
            _set(site, name, value)


def _set(site: Site, name: str, value: Any) -> None:
    """Null restores the default."""
    if name == "functionAppScaleLimit" and "functionapp" not in site.kind:
        return  # a web app's reads show 0, which clients send back, to no effect
    if value is None:
        site.web.pop(name, None)
    else:
        site.web[name] = value


def _named(given: Json, name: str) -> Json | None:
    """`[{"name", "value"}]` as a dictionary; a null value is no setting."""
    pairs = objects_at(given, name)
    if pairs is None:
        return None
    return {each["name"]: text_of(each["value"]) for each in pairs if each.get("value") is not None}
