"""Which of Azure's quotas a request draws on: one table of the documented ones.

ARM keeps a token bucket for each region, subscription, principal and kind of request, and one of fifteen times the size
for all principals of a subscription. A provider may put a quota of its own in its place, which answers then name
`resource-requests`; those of Microsoft.Network apply in addition, and no header reports them.
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests

The table is a first guess, corrected by the headers of answers (`told_by`). Sizes of resource quotas that are not
documented are those seen in Azure's answers, and are taken to refill in an hour.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

REMAINING: Final = "x-ms-ratelimit-remaining-"
QUERIES_LEFT: Final = "x-ms-user-quota-remaining"
GLOBAL_FACTOR: Final = 15
HOUR: Final = 3600.0
NETWORK_WINDOW: Final = 300.0

UNKNOWN_SIZE: Final = 500
UNKNOWN_SECONDS: Final = 300.0
"""The bucket assumed if only a header is known. If it refills more slowly, the next header shows it."""

MAX_LEFT: Final = 1_000_000
"""A header with a larger number than this is not about requests."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What Azure grants: a bucket of `size` requests that refills evenly in `seconds`; or, as a `window`, at most
    `size` requests in any `seconds`.

    told: the header in which answers say what is left; "" if none does.
    """

    name: str
    size: int
    seconds: float
    told: str = ""
    window: bool = False


@dataclass(frozen=True, slots=True)
class Draw:
    """What one request draws on. The first quota is the tightest, and the one that sweeping instances share.

    scope: the subscription in lower case, or "" for the tenant. shape: the request without any names.
    """

    scope: str
    shape: str
    quotas: tuple[Quota, ...]


def _arm(scope: str, kind: str, size: int, refill: float) -> tuple[Quota, ...]:
    everyones = f"{scope}-global-{kind}"
    return (
        Quota(f"{scope}-{kind}", size, size / refill, f"{REMAINING}{scope}-{kind}"),
        Quota(everyones, GLOBAL_FACTOR * size, size / refill, f"{REMAINING}{everyones}"),
    )


_SIZES: Final = {"reads": (250, 25.0), "writes": (200, 10.0), "deletes": (200, 10.0)}
ARM: Final[Mapping[tuple[str, str], tuple[Quota, ...]]] = {
    (scope, kind): _arm(scope, kind, size, refill)
    for scope in ("subscription", "tenant")
    for kind, (size, refill) in _SIZES.items()
}
RESOURCE_REQUESTS: Final = f"{REMAINING}subscription-resource-requests"

SETTINGS: Final = Quota("app-settings-listings", 12_000, HOUR, RESOURCE_REQUESTS)
SITE_WRITES: Final = Quota("site-writes", 800, HOUR, RESOURCE_REQUESTS)
PRIVATE_DNS_READS: Final = Quota("private-dns-reads", 500, NETWORK_WINDOW, RESOURCE_REQUESTS, window=True)
NETWORK_READS: Final = Quota("network-reads", 10_000, NETWORK_WINDOW, window=True)
NETWORK_WRITES: Final = Quota("network-writes", 1_000, NETWORK_WINDOW, window=True)
QUERIES: Final = Quota("resource-graph-queries", 15, 5.0, QUERIES_LEFT, window=True)

_READING: Final = frozenset({"GET", "HEAD"})
_SITES: Final = frozenset({"microsoft.web/sites", "microsoft.web/sites/slots"})
_NETWORK: Final = "microsoft.network/"
_PRIVATE_DNS: Final = "microsoft.network/privatednszones"


def draw_of(method: str, path: str) -> Draw:
    """What a request with this method and path draws on, as far as it is documented."""
    segments = path.lower().strip("/").split("/")
    scope = segments[1] if len(segments) > 1 and segments[0] == "subscriptions" else ""
    type_, name = _type_of(segments)
    return Draw(scope, f"{method} {type_ if scope else f'/{type_}'}", _quotas(method, type_, name, scope))


def _type_of(segments: list[str]) -> tuple[str, str]:
    """The resource type, and the name before its last part: `microsoft.web/sites/config/list`, `appsettings`."""
    for index in range(len(segments) - 2, -1, -1):
        if segments[index] == "providers":
            rest = segments[index + 2 :]
            return "/".join((segments[index + 1], *rest[::2])), rest[-2] if len(rest) > 1 else ""
    return "/".join(segments[::2]), ""


def _quotas(method: str, type_: str, name: str, scope: str) -> tuple[Quota, ...]:
    reads = method in _READING
    if type_ == "microsoft.resourcegraph/resources":
        return (QUERIES,)
    if name == "appsettings" and method == "POST" and type_.endswith("/config/list"):
        return (SETTINGS,)
    if type_ in _SITES and method in {"PUT", "PATCH"}:
        return (SITE_WRITES,)
    if reads and type_.startswith(_PRIVATE_DNS):
        return (PRIVATE_DNS_READS,)
    found = _of_arm(method, scope)
    if type_.startswith(_NETWORK):
        return (*found, NETWORK_READS if reads else NETWORK_WRITES)
    return found


def _of_arm(method: str, scope: str) -> tuple[Quota, ...]:
    kind = "reads" if method in _READING else "deletes" if method == "DELETE" else "writes"
    return ARM["subscription" if scope else "tenant", kind]


def left_by(headers: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """What an answer says is left, by the lower-case names of its headers."""
    for name, value in headers.items():
        lowered = name.lower()
        if (lowered.startswith(REMAINING) or lowered == QUERIES_LEFT) and value.isascii() and value.isdigit():
            yield lowered, min(int(value[:9]), MAX_LEFT)


def told_by(draw: Draw, current: tuple[Quota, ...], told: Mapping[str, int]) -> tuple[Quota, ...]:
    """The quotas that requests of this shape draw on, after an answer with these headers (from `left_by`).

    current: the quotas assumed so far. The header of another quota changes them: to the documented one if it is that
    one's, else to a bucket of their own, or to ARM's. Resource Graph's quota always applies.
    """
    if not told or QUERIES in current or any(quota.told in told for quota in current):
        return current
    if any(quota.told in told for quota in draw.quotas):
        return draw.quotas
    untold = tuple(quota for quota in draw.quotas if not quota.told)
    if RESOURCE_REQUESTS in told:
        size = max(UNKNOWN_SIZE, told[RESOURCE_REQUESTS] + 1)
        return (Quota(f"requests: {draw.shape}", size, UNKNOWN_SECONDS, RESOURCE_REQUESTS), *untold)
    named = next((quotas for quotas in ARM.values() if any(quota.told in told for quota in quotas)), None)
    return current if named is None else (*named, *untold)
