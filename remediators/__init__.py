"""WHAT can drift: one pure module per kind, and the registry that names them.

Adding a kind adds one module here, one line below, and one test module. Modules that no line names are shared by kinds:
`common` and `children` hold what several kinds have in common, others one thing as it is declared, compared and written
(`security_rule`, `route`). Nothing here talks to Azure or knows the loop.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from homeostat.core.model import AnyRemediator, Registry

_KINDS = (
    "zones",
    "dns_links",
    "nsg",
    "nsg_rules",
    "route_table",
    "subnet",
    "flow_logs",
    "private_endpoints",
    "identity",
    "vnet_integration",
    "route_all",
    "app_settings",
    "backend_access",
    "dns_resolution",
    "tcp_reachability",
)
PROBES = frozenset({"dns_resolution", "tcp_reachability"})
"""The kinds that ask the network itself, and so can only be judged by a process inside it."""


class _LazyRegistry(Mapping[str, AnyRemediator]):
    """Kinds, in the order given. A kind's module is imported on first use."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = kinds

    def __getitem__(self, kind: str) -> AnyRemediator:
        if kind not in self._kinds:
            raise KeyError(kind)
        return cast("AnyRemediator", import_module(f"remediators.{kind}").REMEDIATOR)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


REGISTRY: Registry = _LazyRegistry(_KINDS)
WITHOUT_PROBES: Registry = _LazyRegistry(tuple(kind for kind in _KINDS if kind not in PROBES))
