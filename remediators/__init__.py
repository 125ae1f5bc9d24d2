"""WHAT can drift: one pure module per kind, and the registry that names them.

Adding a kind adds one module here, one line below, and one test module. `common` holds what several kinds say in the
same way; nothing here talks to Azure or knows the loop.
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
)


class _LazyRegistry(Mapping[str, AnyRemediator]):
    """The kinds in the order of `_KINDS`. A kind's module is imported when it is first asked for."""

    def __getitem__(self, kind: str) -> AnyRemediator:
        if kind not in _KINDS:
            raise KeyError(kind)
        return cast("AnyRemediator", import_module(f"remediators.{kind}").REMEDIATOR)

    def __iter__(self) -> Iterator[str]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)


REGISTRY: Registry = _LazyRegistry()
