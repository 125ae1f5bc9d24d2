"""Whether ARM is still working on a resource, according to its body.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations#provisioningstate-values
"""

from homeostat.core import json
from homeostat.core.json import Json
from homeostat.core.model import Facts, Found

_UNDER_WAY = frozenset({"creating", "updating", "deleting"})


def being_written(body: Json) -> bool:
    """Whether a long-running write to a network resource, its creation included, is still under way."""
    return json.text_at(body, "properties", "provisioningState").lower() in _UNDER_WAY


def anything_being_written(facts: Facts) -> bool:
    return any(isinstance(fact, Found) and being_written(fact.body) for fact in facts.values())
