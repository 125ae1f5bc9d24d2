"""The network that the web apps are in, as probes see it."""

from typing import Protocol

from homeostat.core.probes import Probe, Probed, Result


class Prober(Protocol):
    async def probe(self, probe: Probe) -> Probed:
        """What the network answers, in bounded time. Every failure is an answer too."""
        ...


class NoProber:
    """The prober of a process that runs in no app's network."""

    async def probe(self, probe: Probe) -> Probed:  # noqa: ARG002 - nothing is asked
        return Probed(Result.ELSEWHERE)
