"""The fleet's policy: how boldly Homeostat may write, whatever the targets declare. One document for a deployment.

Its sections stand in the modules of the guards that they steer. Without the document, or a section of it, the defaults
hold, and they are cautious.
"""

from typing import Final, Literal

from pydantic import Field

from homeostat.core.model import Section


class Policy(Section):
    """A document that declares no web app, but limits what is written for all of them."""

    policy: Literal["fleet"] = Field(description="Marks the document: `policy: fleet`. There is at most one.")


DEFAULT_POLICY: Final = Policy(policy="fleet")
