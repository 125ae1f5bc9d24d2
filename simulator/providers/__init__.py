"""Every provider, a module or package each. A module lists TYPES and, for URLs that are no resource, FUNCTIONS.

Adding a provider is adding its name here.
"""

from functools import cache
from importlib import import_module

from simulator.arm import Registry

MODULES = (
    "resources",
    "locks",
    "deployments",
    "network",
    "privatedns",
    "web",
    "backends",
    "eventgrid",
    "resourcegraph",
)


@cache
def registry() -> Registry:
    """The registry of all providers, made once a process."""
    modules = [import_module(f"{__name__}.{name}") for name in MODULES]
    types = [each for module in modules for each in module.TYPES]
    functions = [each for module in modules for each in getattr(module, "FUNCTIONS", ())]
    return Registry(types, functions)
