"""ARM's quotas: how many requests it accepts from whom, what it says is left, and how it refuses the rest.

ARM keeps a token bucket for each region of its front end, subscription, principal and kind of request, and one of
fifteen times the size for all principals of a subscription together. Providers add quotas of their own: some take the
place of ARM's bucket and are shown in `resource-requests`. Microsoft.Network's come on top and are shown nowhere.
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests

One thing is assumed, since it is not documented: the 12,000 listings of app settings and the 800 writes of sites, which
Azure's answers show as the most that remains, refill evenly within an hour.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from simulator.errors import ArmError
from simulator.ids import Address
from simulator.messages import Json, Principal

GLOBAL_FACTOR: Final = 15
REMAINING: Final = "x-ms-ratelimit-remaining-"
USER_QUOTA: Final = "x-ms-user-quota-remaining"
USER_QUOTA_RESETS: Final = "x-ms-user-quota-resets-after"

_KINDS: Final = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
_NETWORK: Final = "microsoft.network/"
_PRIVATE_DNS: Final = "microsoft.network/privatednszones"
_GRAPH: Final = "microsoft.resourcegraph/resources"
_SITES: Final = frozenset({"microsoft.web/sites", "microsoft.web/sites/slots"})


@dataclass(frozen=True, slots=True)
class Limit:
    """One documented number. A bucket of `size` tokens that fills evenly in `seconds`; or, as a `window`, at most so
    many requests in any so many seconds.

    told: the end of the header in which answers say what is left; "" for one that they do not mention.
    shared: whether all principals draw on the same. regional: whether each region of ARM's front end has its own.
    """

    name: str
    size: int
    seconds: float
    told: str = ""
    window: bool = False
    shared: bool = False
    regional: bool = True


def _arm(scope: str, kind: str, size: int, refill: int) -> tuple[Limit, Limit]:
    name = f"{scope}-{kind}"
    everyone = Limit(
        f"{scope}-global-{kind}", GLOBAL_FACTOR * size, size / refill, f"{scope}-global-{kind}", shared=True
    )
    return Limit(name, size, size / refill, name), everyone


ARM: Final = {
    (scope, kind): _arm(scope, kind, size, refill)
    for scope in ("subscription", "tenant")
    for kind, size, refill in (("reads", 250, 25), ("writes", 200, 10), ("deletes", 200, 10))
}
SETTINGS: Final = Limit("app-settings-listings", 12_000, 3600, "subscription-resource-requests")
SITE_WRITES: Final = Limit("site-writes", 800, 3600, "subscription-resource-requests")
PRIVATE_DNS_READS: Final = Limit("private-dns-reads", 500, 300, "subscription-resource-requests", window=True)
NETWORK_READS: Final = Limit("network-reads", 10_000, 300, window=True, shared=True, regional=False)
NETWORK_WRITES: Final = Limit("network-writes", 1_000, 300, window=True, shared=True, regional=False)
QUERIES: Final = Limit("resource-graph-queries", 15, 5, "tenant-resource-requests", window=True, regional=False)


def limits_of(method: str, address: Address) -> tuple[Limit, ...]:
    """The limits that a request draws on, in order."""
    shape = address.shape
    kind = _KINDS.get(method, "writes")
    if shape == _GRAPH:
        return (QUERIES,)
    if method == "POST" and shape.endswith("/config/list") and "/config/appsettings/" in address.key:
        return (SETTINGS,)
    if method in {"PUT", "PATCH"} and shape in _SITES:
        return (SITE_WRITES,)
    if kind == "reads" and shape.startswith(_PRIVATE_DNS):
        return (PRIVATE_DNS_READS,)
    found = ARM["subscription" if address.subscription else "tenant", kind]
    if shape.startswith(_NETWORK):
        return (*found, NETWORK_READS if kind == "reads" else NETWORK_WRITES)
    return found


class _Store(Protocol):
    """Some tokens at some time. `wait` is the seconds until there is one again."""

    def left(self, now: datetime) -> float: ...
    def take(self, now: datetime, tokens: int = 1) -> None: ...
    def wait(self, now: datetime) -> float: ...


class _Bucket:
    def __init__(self, limit: Limit, now: datetime) -> None:
        self._size, self._refill = float(limit.size), limit.size / limit.seconds
        self._tokens, self._at = self._size, now

    def left(self, now: datetime) -> float:
        passed = max(0.0, (now - self._at).total_seconds())
        self._tokens, self._at = min(self._size, self._tokens + passed * self._refill), max(now, self._at)
        return self._tokens

    def take(self, now: datetime, tokens: int = 1) -> None:
        self._tokens = self.left(now) - tokens

    def wait(self, now: datetime) -> float:
        return max(0.0, (1 - self.left(now)) / self._refill)


class _Window:
    def __init__(self, limit: Limit) -> None:
        self._size, self._length = limit.size, timedelta(seconds=limit.seconds)
        self._taken: deque[datetime] = deque()

    def left(self, now: datetime) -> float:
        while self._taken and self._taken[0] <= now - self._length:
            self._taken.popleft()
        return self._size - len(self._taken)

    def take(self, now: datetime, tokens: int = 1) -> None:
        self._taken.extend([now] * tokens)

    def wait(self, now: datetime) -> float:
        self.left(now)
        return ((self._taken[0] if self._taken else now) + self._length - now).total_seconds()


@dataclass(slots=True)
class Tally:
    """How much one bucket gave and how often it refused. Until `shut` it refuses whoever did not wait."""

    limit: Limit
    store: _Store
    drawn: int = 0
    refused: int = 0
    shut: datetime | None = None

    def refusal(self, now: datetime) -> int | None:
        """Seconds to wait, in whole ones as Retry-After has them; None where there is a token."""
        shut = (self.shut - now).total_seconds() if self.shut is not None else 0.0
        wait = shut if shut > 0 else self.store.wait(now) if self.store.left(now) < 1 - 1e-9 else 0.0
        return max(1, math.ceil(wait)) if wait > 0 else None


type _Key = tuple[str, str, str, str]  # limit, region, subscription or tenant, principal


@dataclass(slots=True)
class Throttling:
    """The quotas of one cloud. Resource Graph's always holds; ARM's and the other providers' only when `on`.

    region: where ARM's front end is that requests come to, as `x-ms-routing-request-id` names it.
    """

    on: bool = False
    region: str = "WESTEUROPE"
    _tallies: dict[_Key, Tally] = field(default_factory=dict)

    def admit(self, method: str, address: Address, caller: Principal, now: datetime) -> dict[str, str]:
        """Draws on all quotas of a request, and gives the headers that its answer carries, whatever the answer is.

        Raises the ArmError of a 429, drawing on none of them, when one has nothing left.
        """
        if not self.on and address.shape != _GRAPH:
            return {}
        limits = limits_of(method, address)
        tallies = [self._tally(limit, address.subscription.lower(), caller, now) for limit in limits]
        waits = [(wait, tally) for tally in tallies if (wait := tally.refusal(now)) is not None]
        if waits:
            wait, empty = max(waits, key=lambda each: each[0])
            empty.refused += 1
            empty.shut = now + timedelta(seconds=wait)
            raise _refusal(empty.limit, wait, address, self._headers(tallies, now))
        for tally in tallies:
            tally.drawn += 1
            tally.store.take(now)
        return self._headers(tallies, now)

    def spend(self, limit: Limit, part: float, subscription: str, caller: Principal, now: datetime) -> None:
        """Another tool of the same principal draws so large a part of a limit at once, as far as it is there."""
        store = self._tally(limit, subscription.lower(), caller, now).store
        store.take(now, max(0, min(math.floor(part * limit.size), math.floor(store.left(now)))))

    def _tally(self, limit: Limit, subscription: str, caller: Principal, now: datetime) -> Tally:
        region = self.region if limit.regional else ""
        key = (limit.name, region, subscription, "" if limit.shared else caller.object_id)
        found = self._tallies.get(key)
        if found is None:
            store = _Window(limit) if limit.window else _Bucket(limit, now)
            found = self._tallies[key] = Tally(limit, store)
        return found

    def _headers(self, tallies: list[Tally], now: datetime) -> dict[str, str]:
        headers = {
            f"{REMAINING}{tally.limit.told}": str(max(0, math.floor(tally.store.left(now) + 1e-9)))
            for tally in tallies
            if tally.limit.told and (self.on or tally.limit is not QUERIES)
        }
        for tally in tallies:
            if tally.limit is QUERIES:
                resets = timedelta(seconds=math.ceil(tally.store.wait(now)))
                headers[USER_QUOTA] = str(max(0, math.floor(tally.store.left(now))))
                headers[USER_QUOTA_RESETS] = str(resets).rjust(8, "0")
        return headers

    def __iter__(self) -> Iterator[tuple[_Key, Tally]]:
        return iter(self._tallies.items())

    @property
    def refused(self) -> int:
        return sum(tally.refused for tally in self._tallies.values())

    def drawn(self, limit: Limit, subscription: str = "") -> int:
        """Tokens drawn on one limit, by all principals and in all regions; of one subscription if it is given."""
        return sum(
            tally.drawn
            for (name, _, owner, _), tally in self._tallies.items()
            if name == limit.name and owner.startswith(subscription.lower())
        )

    def shown(self) -> list[Json]:
        return [
            {
                "quota": name, "region": region, "subscription": owner, "principal": principal,
                "drawn": tally.drawn, "refused": tally.refused,
            }
            for (name, region, owner, principal), tally in self._tallies.items()
        ]  # fmt: skip

    def forget(self) -> None:
        self._tallies.clear()


def _refusal(limit: Limit, wait: int, address: Address, headers: dict[str, str]) -> ArmError:
    if limit is QUERIES:
        message = "Please provide below info when asking for support: the user's query quota is used up."
        return ArmError(429, "RateLimiting", message, headers=headers)
    headers = {**headers, "retry-after": str(wait)}
    scope = f"subscription '{address.subscription}'" if address.subscription else "tenant"
    if limit in (SITE_WRITES, SETTINGS):
        message = (
            f"Operation on subscriptions/{{subscriptionId}}/resourceGroups/{{resourceGroupName}}/providers/"
            f"Microsoft.Web/sites/{{name}} Endpoint is currently throttled for {address.subscription} Subscription. "
            "Please retry after some time."
        )
        return ArmError(429, "429", message, headers=headers)
    if limit in (NETWORK_READS, NETWORK_WRITES, PRIVATE_DNS_READS):
        message = f"Number of requests for {scope} exceeded the limit of {limit.size} for time interval '00:05:00'."
        return ArmError(
            429, "ResourceRequestsThrottled", f"{message} Please try again after '{wait}' seconds.", headers=headers
        )
    code = "SubscriptionRequestsThrottled" if address.subscription else "TenantRequestsThrottled"
    message = f"Number of requests for {scope} and operation '{limit.name}' exceeded the bucket's size and refill rate."
    return ArmError(429, code, f"{message} Please try again after '{wait}' seconds.", headers=headers, gateway=True)
