"""Every way in which tests break the guide's world really breaks it, as the CLI itself sees it."""

import pytest

from tests.support.azure_cli import AzureCli
from tests.support.breakages import BREAKAGES, Breakage, page
from tests.support.function_app import PROJECT

pytestmark = pytest.mark.cli


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.name.replace(" ", "-"))
def test_a_breakage_shows_through_the_cli_and_touches_nothing_beside(az: AzureCli, breakage: Breakage) -> None:
    healthy = breakage.show(az)
    assert not breakage.is_visible(az)

    breakage.apply(az)

    broken = breakage.show(az)
    assert breakage.is_visible(az), broken
    own = {name.partition(".")[0] for name in breakage.broken}
    beside = {name: value for name, value in healthy.items() if name.partition(".")[0] not in own}
    assert {name: broken.get(name) for name in beside} == beside


def test_the_page_of_breakages_is_the_one_that_the_table_makes() -> None:
    assert (PROJECT / "docs" / "breakages.md").read_text(encoding="utf-8") == page()
