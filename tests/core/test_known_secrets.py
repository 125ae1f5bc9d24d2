"""What becomes of a secret's accepted value: seen first, kept, changed, unseen, rotated, no longer declared."""

from dataclasses import replace

import pytest

from homeostat.core.decision import Judged
from homeostat.core.known_secrets import NO_VALUE, compare, with_changes
from homeostat.core.model import GuardedSecret
from homeostat.core.record import KnownSecret, RootRecord, from_json, to_json
from homeostat.core.secret_value import MASK, Secret
from tests.remediators.world import resource

pytestmark = pytest.mark.unit

SITE = resource("Microsoft.Web/sites", "app-flask")
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
PASSWORD = GuardedSecret(SITE, ("properties", "DB_PASSWORD"), "DB_PASSWORD", Secret("hunter2"))
NAME = "app_settings/DB_PASSWORD"


def after_first_sight(secret: GuardedSecret = PASSWORD) -> dict[str, KnownSecret]:
    return dict(compare(SITE, [("app_settings", secret)], {}, KEY).known)


def test_what_is_seen_first_is_accepted_and_only_its_digest_remembered() -> None:
    first = compare(SITE, [("app_settings", PASSWORD)], {}, KEY)
    assert first.anew == (NAME,)
    assert first.changed == ()
    stored = to_json(RootRecord(secrets=first.known))
    assert "hunter2" not in str(stored)
    assert from_json(stored).secrets == first.known


def test_the_same_value_is_accepted_still() -> None:
    again = compare(SITE, [("app_settings", PASSWORD)], after_first_sight(), KEY)
    assert (again.anew, again.changed) == ((), ())
    assert again.known == after_first_sight()


def test_another_value_is_told_and_not_accepted_until_it_is_back() -> None:
    other = replace(PASSWORD, value=Secret("hunter3"))
    found = compare(SITE, [("app_settings", other)], after_first_sight(), KEY)
    assert found.changed == (("app_settings", other),)
    assert found.known == after_first_sight()
    assert compare(SITE, [("app_settings", PASSWORD)], found.known, KEY).changed == ()


def test_another_value_is_accepted_once_the_spec_says_that_it_was_rotated() -> None:
    rotated = replace(PASSWORD, value=Secret("hunter3"), rotated="2026-10-01")
    found = compare(SITE, [("app_settings", rotated)], after_first_sight(), KEY)
    assert (found.anew, found.changed) == ((NAME,), ())
    assert found.known != after_first_sight()


def test_what_cannot_be_seen_stays_remembered_and_what_is_not_declared_is_forgotten() -> None:
    unseen = compare(SITE, [("app_settings", replace(PASSWORD, value=None))], after_first_sight(), KEY)
    assert (unseen.anew, unseen.changed, unseen.known) == ((), (), after_first_sight())
    assert compare(SITE, [], after_first_sight(), KEY).known == {}


def test_a_digest_of_another_key_tells_nothing() -> None:
    found = compare(SITE, [("app_settings", PASSWORD)], after_first_sight(), OTHER_KEY)
    assert (found.anew, found.changed) == ((NAME,), ())


def test_two_roots_with_one_password_do_not_show_that_it_is_one() -> None:
    other = compare(resource("Microsoft.Web/sites", "app-two"), [("app_settings", PASSWORD)], {}, KEY)
    assert other.known != after_first_sight()


def test_a_changed_secret_is_drift_that_nobody_repairs_and_that_says_nothing_of_the_value() -> None:
    judged = with_changes(Judged(), [("app_settings", PASSWORD)])
    (drift,) = judged.drifts
    assert (drift.want, drift.have, drift.item) == (MASK, "changed", "DB_PASSWORD")
    assert [held.hold.code for held in judged.blocked] == [NO_VALUE]
    assert judged.edits == ()
