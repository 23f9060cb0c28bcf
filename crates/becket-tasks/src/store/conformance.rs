//! The suite that every store passes: one function for each requirement of [`Store`](crate::Store), named as a sentence.
//!
//! A test file hands [`store_conformance!`](crate::store_conformance) an expression that makes a [`Factory`]; each
//! requirement becomes a test of its own. Stores that outlive their process hand
//! [`store_crash_conformance!`](crate::store_crash_conformance) a [`Reopen`] as well; that a store cannot be reopened is
//! thus said once, by a type, and no test passes by skipping.
//!
//! ```
//! becket_tasks::store_conformance!(becket_tasks::store::conformance::MemoryFactory);
//! ```
//!
//! Nothing here knows a particular store. Time is a manual [`Clock`](crate::Clock) that the factory puts at the store's
//! edge; only the few requirements about waiting use the system's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a requirement panics when it is not met"
)]

pub mod accepting;
pub mod announcing;
pub mod claiming;
pub mod crashing;
pub mod factory;
pub mod fairness;
pub mod families;
pub mod finishing;
pub mod intervening;
pub mod lanes;
pub mod leasing;
pub mod looking;
pub mod marking;
pub mod pruning;
pub mod scheduling;
pub mod stepping;
pub mod uniqueness;
mod world;

pub use factory::{Factory, MemoryFactory, Reopen};

/// Makes a test of each requirement on any store: `store_conformance!(expression that makes a Factory)`.
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr) => {
        $crate::store_requirements! { $factory;
            accepting::{
                accepted_submission_has_its_tasks_queued,
                submission_may_have_no_tasks,
                redelivered_submission_creates_no_second_task,
                duplicate_inside_one_call_is_known_as_one,
                same_key_from_another_source_is_another_submission,
                submissions_without_a_key_are_never_duplicates,
                duplicate_names_only_the_tasks_that_are_left,
                concurrent_redeliveries_are_accepted_once,
                answers_come_in_the_order_given,
                ids_grow_when_the_clock_goes_back,
                zero_attempts_count_as_one,
                due_times_are_resolved_by_the_clock_of_the_store,
                started_task_is_running_and_held_by_its_worker,
                redelivery_of_a_started_submission_starts_nothing,
                appended_tasks_join_their_submission,
                appending_to_an_unknown_submission_changes_nothing,
                started_tasks_can_be_appended,
            },
            claiming::{
                claimed_task_brings_all_that_a_handler_needs,
                claims_are_ordered_by_priority_then_due_time_then_age,
                claim_takes_only_the_kinds_it_asks_for,
                claim_takes_no_more_than_its_limit,
                tasks_of_a_batch_count_as_one,
                task_that_is_not_due_is_claimed_once_it_is,
                running_task_is_not_claimed_again,
                concurrent_claimers_never_share_an_attempt,
                parked_claim_is_answered_by_an_insert,
                parked_claim_is_answered_by_a_requeue,
                parked_claim_is_answered_when_a_retry_becomes_due,
                parked_claim_is_answered_when_the_clock_jumps_forwards,
                parked_claim_ends_empty_when_nothing_comes,
                every_one_of_many_parked_claims_is_answered,
            },
            lanes::{
                g5_tasks_of_a_lane_run_one_at_a_time_in_order_of_acceptance,
                tasks_of_different_kinds_share_a_lane,
                g5_batch_holds_one_task_of_a_lane,
                retrying_task_holds_its_lane,
                task_that_is_not_due_holds_its_lane,
                retrying_task_lets_its_lane_pass_when_told_to,
                failed_or_cancelled_task_leaves_its_lane,
                cancelled_attempt_keeps_its_lane_until_it_is_over,
                requeued_task_is_the_first_of_its_lane_again,
                task_starts_at_once_only_when_its_lane_is_free,
                latest_task_replaces_those_that_wait,
                latest_task_stops_the_running_one_when_told_to,
                debounced_task_waits_for_quiet_and_the_last_one_runs,
            },
            fairness::{
                tenants_take_turns,
                tenants_take_turns_by_their_weight,
                priority_comes_before_turns,
                no_more_of_a_kind_run_at_once_than_allowed,
                no_more_of_a_key_run_at_once_than_allowed,
                key_that_is_free_goes_to_the_next_that_is_left,
                limits_count_what_runs,
                no_more_start_in_a_time_than_allowed,
                parked_claim_is_answered_when_a_rate_allows,
                parked_claim_is_answered_when_a_key_is_free,
                changed_limits_hold_for_what_is_queued_already,
                paused_kind_or_source_rests_until_it_is_resumed,
                pausing_one_thing_leaves_the_others_alone,
            },
            families::{
                appended_task_can_wait_for_one_of_the_same_call,
                child_is_queued_when_all_its_parents_have_completed,
                child_is_not_due_before_its_time,
                child_waits_while_its_parent_is_under_way,
                graph_is_accepted_in_one_call,
                children_are_cancelled_with_a_parent_that_ends_badly,
                surviving_child_runs_after_parents_that_ended_badly,
                parents_that_have_ended_already_are_not_waited_for,
                child_of_a_parent_that_ended_badly_never_begins,
                parents_that_cannot_be_waited_for_are_refused,
                child_of_a_duplicate_waits_for_the_first,
                parent_that_is_run_again_changes_nothing_for_its_children,
                parent_is_kept_until_its_children_have_ended,
                long_chain_is_cancelled_as_a_whole,
            },
            uniqueness::{
                task_under_way_stands_for_another_with_its_key,
                concurrent_callers_get_the_same_task,
                other_keys_and_kinds_are_their_own,
                result_stands_for_another_while_it_is_fresh,
                task_that_ended_badly_stands_for_nothing,
                delivery_is_kept_though_its_task_is_known,
                appended_task_is_listed_though_it_stands_for_the_next,
                delivery_goes_with_the_task_that_stood_for_its_own,
            },
            leasing::{
                renewed_lease_lasts_longer,
                unrenewed_lease_is_reclaimed_and_the_attempt_counts,
                lease_of_an_ended_attempt_is_not_renewed,
                one_lost_lease_does_not_hinder_the_renewal_of_others,
                task_that_crashes_its_worker_again_and_again_ends_failed,
                crash_of_a_task_without_retries_is_retried,
                error_after_a_crash_fails_a_task_without_retries,
                failure_and_silence_use_up_attempts_alike,
                release_gives_back_only_what_the_worker_holds,
                lease_survives_a_clock_that_goes_back,
                lease_survives_a_clock_that_jumps_forwards,
            },
            finishing::{
                completed_task_keeps_its_result,
                result_is_answered_until_its_time_to_live_ends,
                failed_attempt_is_retried_when_asked,
                task_fails_when_its_attempts_are_used_up,
                giving_up_fails_at_once,
                parking_uses_up_no_attempt,
                releasing_uses_up_no_attempt,
                success_clears_the_error_of_earlier_attempts,
                every_attempt_is_kept,
                overlong_errors_and_reasons_lose_their_end,
                g4_finish_from_a_lost_lease_changes_nothing,
                second_finish_changes_nothing,
                finishes_are_answered_in_order_and_independently,
            },
            intervening::{
                unfinished_tasks_can_be_cancelled,
                finished_tasks_cannot_be_cancelled,
                cancelled_attempt_can_neither_renew_nor_finish,
                task_is_cancelled_once_in_a_call,
                requeue_forgives_earlier_attempts,
                requeue_forgives_earlier_crashes,
                requeue_runs_any_task_but_a_waiting_or_running_one,
                requeue_makes_a_waiting_task_due_at_once,
                requeue_fences_attempts_from_before,
                requeue_drops_the_old_result,
                purge_deletes_finished_tasks_only,
                purged_task_is_unknown_to_its_worker,
                erased_payload_is_gone_for_good,
                erasing_one_payload_leaves_those_beside_it,
            },
            pruning::{
                finished_tasks_go_when_they_are_too_old,
                unfinished_tasks_never_go,
                age_counts_from_the_end_of_a_task,
                only_the_newest_finished_tasks_are_kept,
                expired_results_go_and_their_tasks_stay,
                submissions_go_after_their_tasks,
                redelivery_is_recognised_as_long_as_the_age,
                payload_goes_with_the_last_task_that_is_kept,
                pruning_in_slices_comes_to_an_end,
                payloads_beside_a_pruned_one_stay,
            },
            scheduling::{
                what_is_kept_of_schedules_is_listed_by_name,
                schedule_only_ever_moves_forwards,
                paused_schedule_stays_paused_while_it_advances,
                what_is_kept_of_schedules_outlives_pruning,
            },
            looking::{
                task_tells_all_that_is_known_of_it,
                unknown_ids_are_answered_with_none,
                each_task_filter_holds,
                each_submission_filter_holds,
                pages_have_no_gap_and_no_repeat_while_rows_are_added,
                page_is_never_longer_than_the_limit,
                counts_tell_each_state_and_the_longest_waiting,
                payload_is_read_back_unchanged,
                large_payload_is_read_back_unchanged,
                probe_leaves_nothing_behind,
                closed_store_takes_nothing_more,
            },
            stepping::{
                saved_steps_are_read_back_unchanged,
                saved_step_keeps_what_it_was_first,
                steps_of_one_task_are_not_those_of_another,
                step_from_a_lost_lease_is_not_kept,
                step_of_a_task_that_does_not_run_is_not_kept,
                step_of_an_unknown_task_is_not_kept,
                steps_stay_however_attempts_end,
                requeue_keeps_the_steps_of_a_task_that_has_not_completed,
                requeue_of_a_completed_task_forgets_its_steps,
                steps_go_with_a_purged_task,
                steps_go_with_an_outdated_task,
            },
            marking::{
                marks_of_one_name_are_added_up,
                mark_with_a_name_that_is_too_long_is_refused,
            },
            announcing::{
                transitions_are_announced_in_order,
                announced_change_can_be_read,
                refused_changes_are_not_announced,
                running_attempt_that_is_cancelled_is_told,
                started_task_is_announced_once_as_running,
            },
        }
    };
}

/// Makes a test of each requirement on a store that outlives its process:
/// `store_crash_conformance!(expression that makes a Reopen)`.
#[macro_export]
macro_rules! store_crash_conformance {
    ($factory:expr) => {
        $crate::store_requirements! { $factory;
            crashing::{
                acknowledged_submissions_survive_a_crash,
                redelivery_after_a_crash_is_recognised,
                what_ended_before_a_crash_stays_ended,
                saved_steps_survive_a_crash,
                running_tasks_are_retried_at_once_after_a_crash,
                crash_of_a_task_without_retries_is_retried,
                error_after_a_crash_fails_a_task_without_retries,
                crash_uses_up_the_last_attempt,
                task_that_crashes_its_process_again_and_again_ends_failed,
                worker_from_before_a_crash_is_fenced,
                waiting_tasks_keep_their_time_over_a_crash,
                ids_grow_over_a_crash_and_a_clock_that_went_back,
                orderly_closed_store_opens_with_everything_in_it,
                lane_of_a_cancelled_attempt_is_free_after_a_crash,
                what_ties_tasks_to_others_survives_a_crash,
                rate_is_kept_over_a_crash,
                what_is_kept_of_schedules_survives_a_crash,
                marks_survive_a_crash,
            },
        }
    };
}

/// What the two macros above share; not for use elsewhere.
#[doc(hidden)]
#[macro_export]
macro_rules! store_requirements {
    ($factory:expr; $($topic:ident::{ $($requirement:ident),* $(,)? }),* $(,)?) => {
        $(
            mod $topic {
                #[allow(unused_imports, reason = "the factory may be named by its full path")]
                use super::*;
                $(
                    #[tokio::test]
                    async fn $requirement() {
                        $crate::store::conformance::$topic::$requirement(&$factory).await;
                    }
                )*
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    const TOPICS: [(&str, &str); 16] = [
        ("accepting", include_str!("conformance/accepting.rs")),
        ("announcing", include_str!("conformance/announcing.rs")),
        ("claiming", include_str!("conformance/claiming.rs")),
        ("crashing", include_str!("conformance/crashing.rs")),
        ("fairness", include_str!("conformance/fairness.rs")),
        ("families", include_str!("conformance/families.rs")),
        ("finishing", include_str!("conformance/finishing.rs")),
        ("intervening", include_str!("conformance/intervening.rs")),
        ("lanes", include_str!("conformance/lanes.rs")),
        ("marking", include_str!("conformance/marking.rs")),
        ("leasing", include_str!("conformance/leasing.rs")),
        ("looking", include_str!("conformance/looking.rs")),
        ("pruning", include_str!("conformance/pruning.rs")),
        ("stepping", include_str!("conformance/stepping.rs")),
        ("uniqueness", include_str!("conformance/uniqueness.rs")),
        ("scheduling", include_str!("conformance/scheduling.rs")),
    ];

    #[test]
    fn every_requirement_is_run_by_a_macro() {
        let list = include_str!("conformance.rs");
        for (topic, source) in TOPICS {
            assert!(list.contains(&format!("{topic}::{{")), "{topic} is run by no macro");
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
                let name = rest.split(['<', '(']).next().unwrap();
                assert!(list.contains(&format!("                {name},\n")), "{topic}::{name} is run by no macro");
            }
        }
    }
}
