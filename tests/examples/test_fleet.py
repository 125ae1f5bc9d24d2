"""examples/fleet is valid, and comes to what it says."""

from pathlib import Path

import pytest

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE
from homeostat.core.ids import ResourceId
from homeostat.core.model import Mode
from homeostat.core.selectors import SelectedApp
from homeostat.core.spec import Fleet, Specs
from homeostat.fleet.specs import SpecFiles
from remediators import REGISTRY

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "examples" / "fleet"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"


async def fleet(**apps: str) -> Fleet:
    """apps: the value of the tag `homeostat` by name."""
    specs = Specs(REGISTRY)
    specs.update(await SpecFiles((FOLDER,)).texts())
    selection = {
        wanted.criteria.key: tuple(
            SelectedApp(ResourceId.of(SUBSCRIPTION, f"rg-{name}", SITE.name, name), {"team": name})
            for name, value in apps.items()
            if wanted.criteria.takes(ResourceId.of(SUBSCRIPTION, "rg", SITE.name, name), {"homeostat": value})
        )
        for wanted in specs.wanted("")
    }
    return specs.fleet("", selection)


async def test_it_is_valid_whatever_is_selected() -> None:
    assert list((await fleet()).targets) == ["checkout"]


async def test_tagged_apps_are_targets_in_the_mode_of_their_tag() -> None:
    declared = await fleet(shop="enforce", stock="observe", other="no")
    assert (list(declared.targets), declared.left_out) == (["checkout", "shop", "stock"], ())
    modes = {
        name: declared.roots[declared.targets[name].web_app].wants["app_settings"].mode_of("TEAM")
        for name in ("shop", "stock")
    }
    assert modes == {"shop": Mode.ENFORCE, "stock": Mode.ALERT}


async def test_the_nsg_of_a_region_is_one_root_for_all_its_apps() -> None:
    declared = await fleet(shop="enforce", cart="enforce")
    groups = {
        root.id.name: root.targets for root in declared.roots.values() if root.id.is_type(NETWORK_SECURITY_GROUP.name)
    }
    assert groups == {"nsg-apps-westeurope": ("cart", "shop"), "nsg-apps-northeurope": ("checkout",)}
