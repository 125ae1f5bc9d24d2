"""What equal sections come to is worked out once for a resource group, and is what each app would have made of it."""

from pathlib import Path
from typing import Any

import pytest

from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.ids import ResourceId
from homeostat.core.model import Problem
from homeostat.core.sections import Part, Workshop
from homeostat.core.source import Pool, parse_documents
from remediators import REGISTRY

pytestmark = pytest.mark.unit

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
EXAMPLE = (Path(__file__).parents[2] / "examples" / "flask-app" / "homeostat.yaml").read_text(encoding="utf-8")
POOL = Pool()
(DATA,) = (source.data for source in parse_documents(EXAMPLE, "homeostat.yaml", POOL))

FIRST = ResourceId.of(SUBSCRIPTION, "rg-one", SITE.name, "first")
OTHERS = (
    ResourceId.of(SUBSCRIPTION, "rg-one", SITE.name, "second"),
    ResourceId.of(SUBSCRIPTION, "rg-one", SLOT.name, "first", "staging"),
    ResourceId.of(SUBSCRIPTION, "rg-two", SITE.name, "first"),
    ResourceId.of(SUBSCRIPTION.replace("1", "2"), "rg-one", SITE.name, "first"),
)


def worked_out(workshop: Workshop, app: ResourceId, data: Any = DATA) -> tuple[Part, ...]:
    problems: list[Problem] = []
    found = workshop.parts(data, app, problems)
    assert problems == []
    return found


def test_every_kind_is_in_the_example() -> None:
    assert {part.kind for part in worked_out(Workshop(REGISTRY), FIRST)} == set(REGISTRY)


@pytest.mark.parametrize("app", OTHERS, ids=str)
def test_what_was_worked_out_for_one_app_holds_for_another(app: ResourceId) -> None:
    warm = Workshop(REGISTRY)
    worked_out(warm, FIRST)
    for known, anew in zip(worked_out(warm, app), worked_out(Workshop(REGISTRY), app), strict=True):
        assert (known.kind, known.items, known.unmanaged, known.roots) == (
            anew.kind,
            anew.items,
            anew.unmanaged,
            anew.roots,
        )
        assert [item.root.text for item in known.items] == [item.root.text for item in anew.items]


def test_a_kind_whose_meaning_depends_on_a_neighbour_is_worked_out_anew_for_another_neighbour() -> None:
    other = dict(DATA) if isinstance(DATA, dict) else {}
    other["private_endpoints"] = POOL.pooled({"pe-other": {**other["private_endpoints"]["pe-sql"], "recreate": "true"}})
    warm = Workshop(REGISTRY)
    worked_out(warm, FIRST)
    by_kind = {part.kind: part for part in warm.parts(other, FIRST, [])}
    anew = {part.kind: part for part in Workshop(REGISTRY).parts(other, FIRST, [])}
    assert by_kind["backend_access"].items == anew["backend_access"].items
    assert by_kind["backend_access"].items != worked_out(warm, FIRST)[list(REGISTRY).index("backend_access")].items


def test_the_shared_parts_are_one_object_and_an_apps_own_are_not_kept() -> None:
    warm = Workshop(REGISTRY)
    one, other = worked_out(warm, FIRST), worked_out(warm, OTHERS[0])
    for first, second in zip(one, other, strict=True):
        assert (first is second) == first.shared
        assert first.shared == (FIRST not in first.roots)
    assert {part.kind for part in one if not part.shared} == {
        "identity",
        "vnet_integration",
        "route_all",
        "app_settings",
        "dns_resolution",
        "tcp_reachability",
    }


def test_no_kind_puts_anything_on_a_web_app_but_its_own() -> None:
    """So that what is wanted of a web app follows from its own documents alone."""
    for part in worked_out(Workshop(REGISTRY), FIRST):
        assert {root for root in part.roots if root.is_type(SITE.name) or root.is_type(SLOT.name)} <= {FIRST}
