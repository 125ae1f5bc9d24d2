"""A secret without a declared value: its change is told and held, never repaired, and never shown."""

from homeostat.core.outcome import Status
from tests.loop.conftest import Make
from tests.loop.stand import Stand

SPEC = """
target: app-flask
web_app: app-flask
resource_group: rg-flask
mode: enforce
app_settings:
  settings:
    REDIS_PORT: 6380
    DB_PASSWORD: {secret: true}
"""
FIRST, SECOND = "planted-first-0Vn3Zq81", "planted-second-77Lw0pXe"


def declared(stand: Stand, text: str = SPEC) -> Stand:
    stand.specs.by_name["homeostat.yaml"] = text
    stand.change_settings(DB_PASSWORD=FIRST)
    return stand


async def test_a_changed_secret_is_drift_that_is_held(new_stand: Make) -> None:
    stand = declared(new_stand())
    assert (await stand.reconcile("site")).status is Status.IN_SYNC
    stand.change_settings(DB_PASSWORD=SECOND, REDIS_PORT="1")

    outcome = await stand.reconcile("site")

    assert outcome.status is Status.HELD
    assert [(drift.item, drift.have) for drift in outcome.plan.drifts] == [("DB_PASSWORD", "changed")]
    assert [held.hold.code for held in outcome.plan.held] == ["no-secret-value"]
    assert stand.settings()["DB_PASSWORD"] == SECOND
    assert stand.settings()["REDIS_PORT"] == "6380", "its neighbour is repaired all the same"
    assert ("Held", "app_settings") in stand.inbox.told()


async def test_the_change_is_told_once_and_ends_when_the_former_value_is_back(new_stand: Make) -> None:
    stand = declared(new_stand())
    await stand.reconcile("site")
    stand.change_settings(DB_PASSWORD=SECOND)
    await stand.reconcile("site")
    await stand.reconcile("site")
    assert stand.inbox.told().count(("Held", "app_settings")) == 1
    stand.change_settings(DB_PASSWORD=FIRST)
    assert (await stand.reconcile("site")).status is Status.IN_SYNC


async def test_a_rotation_that_the_spec_declares_is_accepted(new_stand: Make) -> None:
    stand = declared(new_stand())
    await stand.reconcile("site")
    stand.change_settings(DB_PASSWORD=SECOND)
    declared_anew = SPEC.replace("{secret: true}", "{secret: true, rotated: 2026-10-01}")
    stand.specs.by_name["homeostat.yaml"] = declared_anew
    stand.pass_time(minutes=10)
    assert (await stand.reconcile("site")).status is Status.IN_SYNC
    assert (await stand.reconcile("site")).status is Status.IN_SYNC
    stand.change_settings(DB_PASSWORD=FIRST)
    assert (await stand.reconcile("site")).status is Status.HELD


async def test_a_dry_run_accepts_nothing(new_stand: Make) -> None:
    stand = declared(new_stand())
    await stand.reconcile("site", dry_run=True)
    assert (await stand.record("site")).secrets == {}


async def test_all_instances_recognise_a_secret_by_one_key(new_stand: Make) -> None:
    stand = declared(new_stand())
    await stand.reconcile("site")
    assert await stand.engine.store.digest_key() == await stand.second().engine.store.digest_key()
    assert (await stand.second().reconcile("site")).status is Status.IN_SYNC


async def test_a_secret_that_went_missing_is_still_recognised_when_it_is_back(new_stand: Make) -> None:
    stand = declared(new_stand())
    await stand.reconcile("site")
    stand.change_settings(DB_PASSWORD=None)
    assert (await stand.reconcile("site")).status is Status.HELD
    stand.change_settings(DB_PASSWORD=SECOND)
    (drift,) = (await stand.reconcile("site")).plan.drifts
    assert drift.have == "changed"


async def test_no_trace_of_the_values_is_stored_or_sent(new_stand: Make) -> None:
    stand = declared(new_stand())
    await stand.reconcile("site")
    stand.change_settings(DB_PASSWORD=SECOND)
    await stand.reconcile("site")
    told = f"{stand.inbox.events} {await stand.history('site')} {await stand.record('site')}"
    assert FIRST not in told
    assert SECOND not in told
