"""A plan with one of everything that a report can show."""

from datetime import UTC, datetime

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE, SITE_CONFIG
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT
from homeostat.core.model import Disruption, Drift, Edit, Place, Verdict
from homeostat.core.outcome import Outcome, Status
from homeostat.core.plan import Action, Held, Hold, Plan, Verb
from homeostat.core.spec import Target

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


def resource(type_: str, *names: str, group: str = "rg-shop") -> ResourceId:
    return ResourceId.of(SUBSCRIPTION, group, type_, *names)


SHOP, STOCK = resource(SITE.name, "shop"), resource(SITE.name, "stock")
NSG = resource(NETWORK_SECURITY_GROUP.name, "nsg-shared", group="rg-net")
SETTINGS = SHOP.child("config", "appsettings")
RULE = NSG.child("securityRules", "allow-sql")

CHANGED = Drift("app_settings", SETTINGS, ("properties", "PORT"), "PORT", "6380", "6379")
MISSING = Drift("app_settings", SETTINGS, ("properties", "HOST"), "HOST", "redis.example.net", ABSENT)
HELD = Drift("nsg_rules", RULE, ("priority",), "allow-sql", 100, 300)
STRAY = Drift("nsg_rules", NSG.child("securityRules", "stray"), (), "", ABSENT, {"access": "Allow"}, Verdict.UNMANAGED)
SETTLING = Drift("nsg_rules", RULE, ("ports",), "allow-sql", "1433", "1434", Verdict.SETTLING)
UNREAD = Drift("app_settings", STOCK, (), "A", "1", None, Verdict.UNKNOWN, "could not be read: denied")

WRITE = Action(
    SETTINGS,
    SITE_CONFIG,
    Verb.PUT,
    tuple(Edit(drift, drift.path, "a body that is never shown", Disruption.RESTART) for drift in (CHANGED, MISSING)),
    {"properties": {"PASSWORD": "a body that is never shown"}},
)
PAUSED = Hold("paused", "target shop is paused", {"pauses": 1}, datetime(2030, 1, 31, 6, tzinfo=UTC))

PLANNED = Outcome(SHOP, Status.PLANNED, Plan(SHOP, (CHANGED, MISSING), (WRITE,)))
HEALED = Outcome(SHOP, Status.HEALED, Plan(SHOP), (WRITE,), ("a-correlation",))
CALM = Outcome(SHOP, Status.IN_SYNC, Plan(SHOP))
BLOCKED = Outcome(NSG, Status.HELD, Plan(NSG, (HELD, SETTLING, STRAY), held=(Held(HELD, PAUSED),)))
BLIND = Outcome(STOCK, Status.UNKNOWN, Plan(STOCK, (UNREAD,)), error="GET /x: 403 AuthorizationFailed: no")

_PLACE = Place("shop.yaml", 1)
SHOP_TARGET = Target("shop", SHOP, (NSG, SHOP), ("app_settings", "nsg_rules"), _PLACE)
STOCK_TARGET = Target("stock", STOCK, (NSG, STOCK), ("app_settings", "nsg_rules"), _PLACE)
TARGETS = (SHOP_TARGET, STOCK_TARGET)
