"""What a web app or slot really is, whatever shape an api-version gives it.

Everything is plain JSON in `Resource.body`, so that a cloud can be copied and compared.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from simulator.arm import Call
from simulator.cloud import Cloud, Resource
from simulator.errors import resource_not_found
from simulator.ids import parent_of
from simulator.messages import Json

SITES = "Microsoft.Web/sites"
SLOTS = "Microsoft.Web/sites/slots"
PLANS = "Microsoft.Web/serverfarms"

# Which outbound traffic goes through the VNet; older api-versions know the four in ROUTES_BEFORE.
ROUTES = (
    "allTraffic",
    "applicationTraffic",
    "contentShareTraffic",
    "imagePullTraffic",
    "backupRestoreTraffic",
    "managedIdentityTraffic",
)
ROUTES_BEFORE = {
    "vnetRouteAllEnabled": "applicationTraffic",
    "vnetContentShareEnabled": "contentShareTraffic",
    "vnetImagePullEnabled": "imagePullTraffic",
    "vnetBackupRestoreEnabled": "backupRestoreTraffic",
}

_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Site:
    """A view of a stored site or slot; changes go through to the resource."""

    resource: Resource

    @property
    def id(self) -> str:
        return self.resource.id

    @property
    def app(self) -> str:
        """The web app's name; a slot's is that of its app."""
        return parent_of(self.id).rpartition("/")[2] if self.is_slot else self.resource.name

    @property
    def slot(self) -> str | None:
        return self.resource.name if self.is_slot else None

    @property
    def is_slot(self) -> bool:
        return self.resource.type == SLOTS

    @property
    def swaps_into(self) -> str | None:
        """The slot (or `production`) that a swap which is under way or previewed will exchange it with."""
        found: str | None = (self.resource.body.get("swap") or {}).get("into")
        return found

    @property
    def location(self) -> str:
        found: str = self.resource.body["location"]
        return found

    @property
    def kind(self) -> str:
        found: str = self.resource.body["kind"]
        return found

    @property
    def properties(self) -> Json:
        """What clients set on the site itself, siteConfig and routing apart."""
        return self.resource.properties

    @property
    def app_settings(self) -> dict[str, str]:
        return self.dictionary("appsettings")

    def dictionary(self, name: str) -> Json:
        """A config resource that is replaced whole, never changed in place: appsettings, metadata and so on."""
        found: Json = self._part("dictionaries").get(name, {})
        return found

    def replace_dictionary(self, name: str, values: Json) -> None:
        self._part("dictionaries")[name] = values

    @property
    def web(self) -> Json:
        """What was set in config/web, through whichever door."""
        return self._part("web")

    @property
    def routing(self) -> dict[str, bool]:
        return self._part("routing")

    @property
    def route_all(self) -> bool:
        """Whether application traffic goes through the VNet, by the properties alone (a setting can ask for it too)."""
        return self.routing["allTraffic"] or self.routing["applicationTraffic"]

    @property
    def subnet(self) -> str | None:
        found: str | None = self.properties.get("virtualNetworkSubnetId") or None
        return found

    @property
    def plan(self) -> str:
        found: str = self.properties.get("serverFarmId") or ""
        return found

    @property
    def modified(self) -> str:
        found: str = self.resource.body["modified"]
        return found

    @property
    def etag(self) -> str:
        """The header's value without quotes: the modification time as Windows file time."""
        return filetime(datetime.fromisoformat(self.modified))

    def changed(self, call: Call) -> None:
        """Take note of a write."""
        self.resource.body["modified"] = call.now.isoformat()
        call.cloud.touch()

    def _part(self, name: str) -> Json:
        found: Json = self.resource.body[name]
        return found


def new_body(location: str, modified: str) -> Json:
    """The stored form of an app about which nothing has been said yet."""
    return {
        "location": location,
        "kind": "",
        "properties": {},
        "dictionaries": {},
        "web": {},
        "routing": dict.fromkeys(ROUTES, False),
        "modified": modified,
    }


def filetime(at: datetime) -> str:
    """Hundreds of nanoseconds since 1601, in hexadecimal: what App Service makes its ETags from."""
    return f"{(at - _FILETIME_EPOCH) // timedelta(microseconds=1) * 10:X}"


def site_of(call: Call) -> Site:
    """The site or slot that the call's path lies at or below; ARM's 404 without one."""
    path = call.id
    while path:
        resource = call.cloud.get(path)
        if resource is not None and resource.type in {SITES, SLOTS}:
            return Site(resource)
        path = path.rpartition("/")[0]
    raise resource_not_found(SITES, call.address.names[0], call.address.group)


def is_taken(cloud: Cloud, name: str) -> bool:
    """Whether an app, in whatever group, has this name: names are host names."""
    return cloud.has_named(SITES, name)
