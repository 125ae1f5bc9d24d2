"""infra/role.json holds every action that Homeostat needs, and none that it does not."""

import asyncio
import json
from functools import cache

import pytest

from homeostat.core.arm_types import ARM_TYPES
from homeostat.core.backends import BACKENDS
from homeostat.core.outcome import Status
from simulator.providers import registry
from tests.access.scenarios import SCENES, Played, Scene
from tests.support.role import ROLE, ROLE_FILE

pytestmark = pytest.mark.wire

NOT_SIMULATED = sorted(
    {row.type.name for row in BACKENDS.values()} - {each.name for each in registry().by_name.values()}
)
"""Backends whose providers the simulated Azure has not; what is needed of them is what is needed of the others."""


def of_a_backend(name: str) -> frozenset[str]:
    """To see whether its public door is open, and to let an endpoint connect to it."""
    return frozenset({f"{name}/read".lower(), f"{name}/privateEndpointConnectionsApproval/action".lower()})


UNPLAYED = frozenset[str]().union(*map(of_a_backend, NOT_SIMULATED))

DONE_WITHOUT = {
    "microsoft.resourcegraph/resources/read",  # whoever made a change is unknown then
    "microsoft.network/locations/operations/read",  # how a write goes on: the look after it tells
    "microsoft.network/privatednsoperationstatuses/read",
}
"""Refused, they change no status, and are named all the same."""


@cache
def played() -> dict[Scene, Played]:
    """Every scene once, under the whole role."""
    return {scene: asyncio.run(scene(ROLE)) for scene in SCENES}


def test_the_role_suffices_for_everything_that_is_played() -> None:
    assert [scene.__name__ for scene, told in played().items() if not told.is_whole] == []


def test_the_role_has_what_is_needed_and_nothing_else() -> None:
    needed = UNPLAYED.union(*(told.asked for told in played().values()))
    assert (sorted(set(ROLE.actions) - needed), sorted(needed - set(ROLE.actions))) == ([], [])
    assert ROLE.not_actions == ()


def test_what_is_needed_of_a_backend_is_the_same_for_all() -> None:
    asked = frozenset[str]().union(*(told.asked for told in played().values()))
    simulated = {row.type.name for row in BACKENDS.values()} - set(NOT_SIMULATED)
    assert len(simulated) >= 4
    for name in simulated:
        assert {each for each in asked if each.startswith(f"{name.lower()}/")} == of_a_backend(name)


@pytest.mark.parametrize("action", sorted(set(ROLE.actions) - UNPLAYED))
def test_without_any_one_action_something_is_refused_and_told(action: str) -> None:
    """In the smallest scene that needs it. What could not be read is unknown, what could not be written has failed.

    What nothing depended on is named, where all else is as it would be.
    """
    needing = [scene for scene, told in played().items() if action in told.asked]
    scene = min(needing, key=lambda each: len(played()[each].asked))
    told = asyncio.run(scene(ROLE.without(action)))
    assert told.refusals
    shows = bool(told.told & {Status.FAILED, Status.UNKNOWN, Status.HELD} or told.unread)
    assert shows or told.lacking == {action}
    assert shows is (action not in DONE_WITHOUT)
    assert not told.is_whole


def test_each_action_stands_there_once_and_without_wildcards() -> None:
    definition = json.loads(ROLE_FILE.read_text(encoding="utf-8"))
    actions = [each.lower() for each in definition["Actions"]]
    assert len(actions) == len(set(actions))
    assert not [each for each in actions if "*" in each]
    assert definition["NotActions"] == definition["DataActions"] == definition["NotDataActions"] == []


def test_nothing_that_holds_other_things_can_be_deleted_and_no_backend_written() -> None:
    containers = [f"{row.name}/delete" for row in ARM_TYPES.values() if row.container]
    backends = [f"{row.type.name}/{verb}" for row in BACKENDS.values() for verb in ("write", "delete")]
    assert [each for each in (*containers, *backends) if ROLE.allows(each)] == []
