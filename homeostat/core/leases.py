"""How long the right to write to a root lasts, and what must fit into that time. Pure.

A lease protects what is remembered: a record is only changed by compare-and-swap, and a token tells owners apart. It
cannot protect ARM, which does not know it and carries out a write whenever that arrives. So an owner sends nothing that
could still take effect when, by another instance's clock, its lease may have ended:

    |<------------------------------------ lasts ------------------------------------>|
    |                          sending is allowed          |<-- lands -->|<-- skew -->|

What follows after ARM has accepted a write (a long-running operation) needs no lease: the next owner finds the resource
being updated, and waits.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """lasts: how long an owner may go on without renewing.
    waits: how long a write may take until it is sent: a read before it, a token, retries of what was refused.
    lands: how long after it was sent it may take effect: ten seconds to connect, and ARM gives a provider sixty.
    skew: by how much two instances' clocks may differ. Azure keeps those of its hosts within about a second of UTC.
    """

    lasts: timedelta = timedelta(minutes=5)
    waits: timedelta = timedelta(seconds=40)
    lands: timedelta = timedelta(seconds=80)
    skew: timedelta = timedelta(seconds=30)

    @property
    def for_a_write(self) -> timedelta:
        """What must be left of a lease when a write begins; with less it is renewed first."""
        return self.waits + self.lands + self.skew

    @property
    def after_sending(self) -> timedelta:
        """What must be left of it when the write is sent; with less it is not sent."""
        return self.lands + self.skew

    def shortened(self, lasts: timedelta) -> "LeaseTerms":
        """The same terms, scaled to another duration."""
        part = lasts / self.lasts
        return LeaseTerms(lasts, self.waits * part, self.lands * part, self.skew * part)


DEFAULT_TERMS = LeaseTerms()
