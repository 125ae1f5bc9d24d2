"""ARM's quotas: Homeostat keeps to its part, so that it is not refused. If it is refused, it waits.

The simulated ARM's own table says what a request draws on, and the draws are counted anew here.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from simulator.ids import address
from simulator.throttling import Limit, limits_of
from tests.nights import schedule
from tests.nights.azure import LIMITS
from tests.nights.evidence import Evidence
from tests.nights.trace import Call, Refused

ON_THE_WAY = 0.25
"""The most seconds that an answer is on its way, unless a fault strikes it."""


def homeostats_part_of_a_quota_is_not_exceeded(evidence: Evidence) -> Iterator[str]:
    """In no span of time does an instance send more than its part of a quota holds and regains."""
    for quotas in evidence.entries(schedule.Quotas):
        for (who, name), times in _draws(evidence).items():
            limit = LIMITS[name]
            ours = max(1.0, limit.size * (1 - quotas.share_left))
            if (most := _beyond(limit, ours, times)) is not None:
                yield f"{who} sent more at {most:.1f} s than its {ours:.1f} of {name}"


def _draws(evidence: Evidence) -> Mapping[tuple[str, str], list[float]]:
    """The times at which requests that draw on a quota were sent, by instance and quota."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _, call in evidence.of(Call):
        for limit in limits_of(call.method, address(call.path)):
            if limit.name in LIMITS:
                found[call.who, limit.name].append(call.sent_at)
    return {key: sorted(times) for key, times in found.items()}


def _beyond(limit: Limit, ours: float, times: Sequence[float]) -> float | None:
    """When the part was first exceeded. None if it never was."""
    if limit.window:
        most = math.floor(ours + 1e-6)
        late = (at for earlier, at in zip(times, times[most:], strict=False) if at - earlier < limit.seconds)
        return next(late, None)
    tokens, before = ours, 0.0
    for at in times:
        tokens, before = min(ours, tokens + (at - before) * ours / limit.seconds) - 1, at
        if tokens < -1e-6:
            return at
    return None


def nothing_is_refused_for_a_quota(evidence: Evidence) -> Iterator[str]:
    """While other tools keep to the owner's share of a quota, ARM refuses no request of Homeostat's because of it."""
    for quotas in evidence.entries(schedule.Quotas):
        spends = evidence.entries(schedule.Spend)
        for place, refused in evidence.of(Refused):
            since = refused.at - 2 * LIMITS[refused.quota].seconds
            others = sum(each.part for each in spends if each.quota == refused.quota and since < each.at <= refused.at)
            lives = {call.who for at, call in evidence.of(Call) if at < place}
            if others + 2 * len(lives) * (1 - quotas.share_left) < 1:
                yield f"{refused.work} was refused at {refused.at:.1f} s for {refused.quota}"


def what_is_refused_is_not_sent_again_too_soon(evidence: Evidence) -> Iterator[str]:
    """A refused instance sends nothing that draws on that quota before the time that ARM named."""
    draws = _draws(evidence)
    for place, refused in evidence.of(Refused):
        call = evidence.trace.seen[place - 1]
        if isinstance(call, Call) and call.struck:
            continue  # its answer came later, or was another
        first, last = refused.at + ON_THE_WAY, refused.at + refused.seconds
        if early := [at for at in draws[refused.who, refused.quota] if first < at < last]:
            yield f"{refused.who} was refused at {refused.at:.1f} s for {refused.quota} until {last:.1f} s: {early}"
