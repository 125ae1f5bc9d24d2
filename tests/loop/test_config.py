"""The environment is checked at once: every wrong variable is named, with what to do about it."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.config import IN_AZURE, TEST_LEASE, ConfigError, load
from homeostat.core.access import DEFAULT_ACCESS, Access, Auth, Rate
from homeostat.core.model import Mode
from homeostat.core.record import DEFAULT_SETTLE, Settle

pytestmark = pytest.mark.unit

HOME = Path("/app")


def test_an_empty_environment_has_sensible_defaults() -> None:
    config = load({}, home=HOME)
    assert config.mode is Mode.ENFORCE
    assert config.settle == DEFAULT_SETTLE
    assert config.settle_by_kind == {}
    assert (config.spec_folder, config.spec_container) == (HOME / "specs", "")
    assert not config.in_memory
    assert config.access == DEFAULT_ACCESS


def test_every_wrong_variable_is_named_at_once_with_its_value() -> None:
    wrong = {
        "HOMEOSTAT_MODE": "sometimes",
        "HOMEOSTAT_SETTLE_SECONDS": "soon",
        "HOMEOSTAT_SETTLE_MAX_SECONDS": "-1",
        "HOMEOSTAT_SETTLE_SECONDS_NSG_RULES": "4000",
        "AZURE_SUBSCRIPTION_ID": "my-subscription",
        "HOMEOSTAT_STATE": "disk",
        "HOMEOSTAT_AUTH": "everybody",
        "HOMEOSTAT_READS_PER_MINUTE": "0",
        "HOMEOSTAT_WRITES_PER_MINUTE": "-5",
        "HOMEOSTAT_PUBLIC_URL": "https://[homeostat.example",
        "HOMEOSTAT_OWN_RESOURCES": "sthomeostat",
        "HOMEOSTAT_RETENTION_DAYS": "0",
        "HOMEOSTAT_ARM_SHARE_LEFT": "91",
    }
    with pytest.raises(ConfigError) as raised:
        load(wrong, home=HOME)
    assert len(raised.value.problems) == len(wrong)
    for name, value in wrong.items():
        assert any(name in problem and repr(value) in problem for problem in raised.value.problems)


@pytest.mark.parametrize(("text", "mode"), [("alert", Mode.ALERT), (" IGNORE ", Mode.IGNORE), ("", Mode.ENFORCE)])
def test_a_mode_is_read_in_any_case(text: str, mode: Mode) -> None:
    assert load({"HOMEOSTAT_MODE": text}, home=HOME).mode is mode


@pytest.mark.parametrize("text", ["enforced", "on", "true", "0"])
def test_a_mode_that_is_not_understood_is_never_full_power(text: str) -> None:
    with pytest.raises(ConfigError, match="enforce, alert or ignore"):
        load({"HOMEOSTAT_MODE": text}, home=HOME)


def test_a_kind_may_settle_otherwise_than_the_rest() -> None:
    environment = {"HOMEOSTAT_SETTLE_SECONDS": "5", "HOMEOSTAT_SETTLE_SECONDS_APP_SETTINGS": "0.5"}
    config = load(environment, home=HOME)
    assert config.settle == Settle(timedelta(seconds=5), DEFAULT_SETTLE.at_most)
    assert config.settle_by_kind == {"app_settings": Settle(timedelta(seconds=0.5), DEFAULT_SETTLE.at_most)}


def test_leases_are_shortened_for_tests_alone_and_keep_their_proportions() -> None:
    terms = load({TEST_LEASE: "4"}, home=HOME).terms
    assert (terms.lasts, terms.for_a_write) == (timedelta(seconds=4), timedelta(seconds=2))
    with pytest.raises(ConfigError, match="unsafe here"):
        load({TEST_LEASE: "4", IN_AZURE: "func-homeostat"}, home=HOME)
    with pytest.raises(ConfigError, match="leave it out"):
        load({TEST_LEASE: "0"}, home=HOME)


def test_how_often_selectors_are_resolved_is_whole_minutes() -> None:
    assert load({}, home=HOME).select_every == timedelta(minutes=15)
    assert load({"HOMEOSTAT_SELECT_MINUTES": "60"}, home=HOME).select_every == timedelta(hours=1)
    for wrong in ("0", "1441", "1.5", "often"):
        with pytest.raises(ConfigError, match="HOMEOSTAT_SELECT_MINUTES"):
            load({"HOMEOSTAT_SELECT_MINUTES": wrong}, home=HOME)


def test_the_share_of_arms_quotas_that_is_left_to_the_owner_is_whole_percent() -> None:
    assert load({}, home=HOME).arm_share_left == 0.25
    assert load({"HOMEOSTAT_ARM_SHARE_LEFT": " 40 "}, home=HOME).arm_share_left == 0.4
    for wrong in ("91", "-1", "0.25", "25%", "half"):
        with pytest.raises(ConfigError, match="whole number of percent from 0 to 90"):
            load({"HOMEOSTAT_ARM_SHARE_LEFT": wrong}, home=HOME)


def test_a_settle_time_of_zero_is_allowed() -> None:
    assert load({"HOMEOSTAT_SETTLE_SECONDS": "0"}, home=HOME).settle.after == timedelta()


def test_a_settle_time_over_the_default_bound_lifts_it_and_one_over_a_given_bound_is_wrong() -> None:
    assert load({"HOMEOSTAT_SETTLE_SECONDS": "600"}, home=HOME).settle.at_most == timedelta(seconds=600)
    with pytest.raises(ConfigError, match="longer than HOMEOSTAT_SETTLE_MAX_SECONDS"):
        load({"HOMEOSTAT_SETTLE_SECONDS": "600", "HOMEOSTAT_SETTLE_MAX_SECONDS": "60"}, home=HOME)


def test_a_kinds_settle_time_that_is_longer_than_the_bound_is_not_cut_by_it() -> None:
    config = load({"HOMEOSTAT_SETTLE_SECONDS_APP_SETTINGS": "300"}, home=HOME)
    assert config.settle_by_kind["app_settings"].at_most >= timedelta(seconds=300)


def test_a_configuration_that_is_shown_shows_no_connection_string() -> None:
    assert "secret" not in repr(load({"AzureWebJobsStorage": "AccountKey=secret"}, home=HOME))


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "HOMEOSTAT_MODE",
                "HOMEOSTAT_SETTLE_SECONDS",
                "HOMEOSTAT_SETTLE_SECONDS_X",
                "HOMEOSTAT_SETTLE_MAX_SECONDS",
                "AZURE_SUBSCRIPTION_ID",
                "HOMEOSTAT_STATE",
            ]
        ),
        st.text(max_size=12) | st.sampled_from(["0", "15", "1e3", "nan", "inf", "-0", "٣", "99999"]),
    )
)
def test_whatever_the_environment_holds_is_a_configuration_or_a_list_of_problems(environment: dict[str, str]) -> None:
    try:
        config = load(environment, home=HOME)
    except ConfigError:
        return
    for settle in (config.settle, *config.settle_by_kind.values()):
        assert timedelta() <= settle.after <= settle.at_most


# --- who may ask ---


def test_sign_in_is_asked_for_where_app_service_vouches_for_principals() -> None:
    environment = {"HOMEOSTAT_AUTH": "Entra", "WEBSITE_AUTH_ENABLED": "True", "HOMEOSTAT_READS_PER_MINUTE": "7"}
    config = load(environment, home=HOME)
    assert config.access == Access(Auth.ENTRA, Rate(7), DEFAULT_ACCESS.writes)


@pytest.mark.parametrize("enabled", [{}, {"WEBSITE_AUTH_ENABLED": "False"}, {"WEBSITE_AUTH_ENABLED": ""}])
@pytest.mark.parametrize("place", [{}, {"WEBSITE_SITE_NAME": "func-homeostat"}], ids=["elsewhere", "in Azure"])
def test_principals_that_nobody_vouches_for_are_refused_before_anything_starts(
    enabled: dict[str, str], place: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match="anybody could claim to be anyone"):
        load({"HOMEOSTAT_AUTH": "entra", **enabled, **place}, home=HOME)


@pytest.mark.parametrize("text", ["1.5", "many", "100001", "٣", "²"])
def test_a_rate_is_a_whole_number_in_its_range(text: str) -> None:
    with pytest.raises(ConfigError, match="HOMEOSTAT_WRITES_PER_MINUTE"):
        load({"HOMEOSTAT_WRITES_PER_MINUTE": text}, home=HOME)


@pytest.mark.parametrize(("text", "days"), [("", 90), ("1", 1), ("3650", 3650)])
def test_the_past_is_kept_for_a_bounded_number_of_days(text: str, days: int) -> None:
    assert load({"HOMEOSTAT_RETENTION_DAYS": text}, home=HOME).retention_period == timedelta(days=days)


@pytest.mark.parametrize("text", ["0", "3651", "1.5", "-1", "for ever", "\u0663"])
def test_a_number_of_days_out_of_range_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="whole days from 1 to 3650"):
        load({"HOMEOSTAT_RETENTION_DAYS": text}, home=HOME)
