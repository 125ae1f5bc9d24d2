"""What Homeostat promises, each as one small function over the evidence of a night.

A promise yields one sentence for each time that it was broken. To add one, write it in the module where it belongs, and
add it to `PROMISES`. Reports show its name; its docstring says what it means.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.nights.evidence import Evidence
from tests.nights.night import Dawn
from tests.nights.promises import (
    coming_right,
    containers,
    gate,
    nothing_lost,
    quotas,
    retests,
    rollbacks,
    telling,
    writes,
)

type Promise = Callable[[Evidence], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Breach:
    promise: str
    how: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.how}"


def breaches(dawn: Dawn) -> tuple[Breach, ...]:
    evidence = Evidence(dawn)
    return tuple(Breach(name, how) for name, promise in PROMISES.items() for how in promise(evidence))


PROMISES: Final[Mapping[str, Promise]] = {
    promise.__name__.replace("_", " "): promise
    for promise in (
        coming_right.converges_once_faults_stop,
        coming_right.converges_without_a_sweep,
        coming_right.a_retest_ends_by_itself,
        nothing_lost.nothing_unowned_is_touched_in_network_and_dns,
        nothing_lost.no_setting_is_lost_in_silence,
        nothing_lost.no_container_is_replaced_in_silence,
        writes.no_network_write_without_a_precondition,
        writes.settings_are_read_again_before_they_are_written,
        writes.no_setting_is_written_amid_a_swap,
        writes.no_write_while_held,
        writes.no_write_beyond_the_mode,
        writes.every_write_has_its_intent,
        writes.one_writer_at_a_time,
        writes.a_reconcile_writes_a_few_times_at_most,
        gate.writes_stay_within_the_caps,
        gate.a_drift_that_comes_back_is_left_alone,
        gate.a_fight_is_told_with_the_other_writer,
        gate.no_write_under_a_pause_tag,
        gate.no_write_in_a_shut_window,
        gate.no_write_while_a_deployment_runs,
        gate.every_write_has_its_snapshot,
        gate.healing_does_not_trigger_itself,
        containers.a_container_is_made_on_a_word_alone,
        containers.a_container_is_made_when_it_was_missed_twice,
        quotas.homeostats_part_of_a_quota_is_not_exceeded,
        quotas.nothing_is_refused_for_a_quota,
        quotas.what_is_refused_is_not_sent_again_too_soon,
        rollbacks.a_rollback_puts_back_what_was_there,
        rollbacks.what_a_person_put_back_stays,
        rollbacks.a_refused_rollback_changes_nothing,
        retests.routing_is_off_for_a_stored_while,
        retests.routing_is_switched_off_by_a_retest_alone,
        retests.routing_stays_off_while_a_retest_runs,
        retests.a_refused_retest_changes_nothing,
        telling.healed_is_said_only_of_what_was_right,
        telling.a_difference_is_told_only_where_there_was_one,
        telling.the_ledger_says_written_only_of_what_was,
        telling.one_id_per_transition,
        telling.every_end_is_told,
        telling.every_alert_is_sent,
        telling.no_secret_gets_out,
        telling.nothing_fails_by_mistake,
    )
}
