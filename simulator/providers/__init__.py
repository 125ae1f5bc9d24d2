"""Every provider, one module each. A module lists TYPES and, for URLs that are no resource, FUNCTIONS.

Adding a provider is adding its name here.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from simulator.arm import Registry

MODULES = ("resources", "network", "privatedns", "web", "backends", "eventgrid")


@cache
def registry() -> Registry:
    """The registry of all providers, made once a process."""
    found = [f"{__name__}.{name}" for name in MODULES if find_spec(f"{__name__}.{name}")]
    modules = [import_module(name) for name in found]
    types = [each for module in modules for each in module.TYPES]
    functions = [each for module in modules for each in getattr(module, "FUNCTIONS", ())]
    return Registry(types, functions)
