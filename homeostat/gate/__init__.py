"""What the guards of `homeostat.core.gate` need to know: read, stored and changed here, judged there.

`situations` gathers it for one root. The other modules keep one subject each: approvals, drifting roots, rollouts of a
changed spec, reservations under the caps; `fleetwide` is the partition that they share.
"""
