//! One `#[test]` for each case.

use crate::report::Verdict;
use crate::suite::Suite;

/// Defines one `#[test]` for each case of the suite, in a module for each clause, so that `cargo test` names the
/// cases: `inventory::delete_is_idempotent`.
///
/// The first argument is an expression that makes the [`Suite`](crate::Suite). It is evaluated once for each case, and
/// the tests run in parallel, each on a tokio runtime of its own. The names after `may_skip:` begin those of the
/// cases that may be skipped, because the storage has no hook for them. Any other skipped case fails.
///
/// ```
/// use artifact_backend_conformance::Suite;
/// # use artifact_backend_mem::MemBackend as MyBackend;
///
/// fn suite() -> Suite {
///     Suite::new(|| async { Ok(MyBackend::default()) }).volatile("it keeps its blobs in memory")
/// }
///
/// mod contract {
///     artifact_backend_conformance::conformance_tests! {
///         super::suite(),
///         may_skip: ["absent::a_lost_storage", "bounded::an_upload", "contained::", "durable::", "honest::"]
///     }
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance_tests {
    (@clauses $($module:ident $clause:literal [$($case:ident)+])+) => {$(
        mod $module {
            $(
                #[test]
                fn $case() {
                    super::conformance_case(concat!($clause, "::", stringify!($case)));
                }
            )+
        }
    )+};
    ($suite:expr $(, may_skip: [$($skip:literal),* $(,)?])? $(,)?) => {
        /// Runs one case.
        #[cfg(test)]
        fn conformance_case(name: &str) {
            $crate::run_as_test($suite, name, &[$($($skip),*)?]);
        }

        $crate::conformance_tests! { @clauses
            exclusive "exclusive" [
                a_second_store_returns_already_exists
                storing_the_same_bytes_again_returns_already_exists
                an_empty_blob_is_not_overwritten
                a_store_over_an_upload_returns_already_exists
                an_upload_over_a_store_returns_already_exists
                an_upload_does_not_reserve_its_id
                the_first_of_two_commits_wins
                a_race_of_64_stores_has_one_winner
                a_race_of_64_uploads_has_one_winner
                a_race_of_64_stores_and_uploads_has_one_winner
                a_race_across_two_handles_has_one_winner
            ]
            atomic "atomic" [
                an_upload_is_invisible_until_its_commit
                readers_during_a_store_see_nothing_or_the_whole_blob
                readers_during_an_upload_see_nothing_or_the_whole_blob
                readers_during_a_race_see_only_the_winning_blob
            ]
            durable "durable" [
                a_stored_blob_outlives_its_handle
                an_uploaded_blob_outlives_its_handle
                a_delete_outlives_its_handle
                a_reopened_storage_still_returns_already_exists
                a_dropped_upload_is_absent_after_a_reopen
                a_second_handle_sees_acknowledged_changes_at_once
            ]
            exact "exact" [
                an_empty_store_creates_an_empty_blob
                an_upload_without_a_write_creates_an_empty_blob
                an_upload_of_empty_chunks_creates_an_empty_blob
                empty_chunks_change_nothing
                stores_of_every_size_are_read_back_exactly
                uploads_of_every_size_are_read_back_exactly
                every_byte_value_is_preserved
                uploads_in_chunks_of_odd_sizes_are_read_back_exactly
                uploads_in_one_byte_chunks_are_read_back_exactly
                the_expected_size_is_only_a_hint
                only_the_given_slice_of_a_larger_buffer_is_stored
                ids_that_differ_in_one_bit_do_not_mix
            ]
            absent "absent" [
                an_id_that_was_never_stored_is_not_found
                every_range_of_an_absent_blob_is_not_found
                an_absent_id_is_not_found_beside_stored_blobs
                a_lost_storage_never_returns_not_found
            ]
            all_or_nothing "all-or-nothing" [
                an_aborted_upload_leaves_nothing
                a_dropped_upload_leaves_nothing
                an_id_can_be_stored_after_its_upload_was_aborted_or_dropped
                a_losing_commit_leaves_no_leftover
                a_losing_store_leaves_no_leftover
                committed_uploads_and_stores_leave_no_leftover
                a_store_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob
                an_upload_dropped_while_it_opens_leaves_nothing
                an_upload_dropped_during_a_write_leaves_nothing
                a_commit_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob
                an_abort_dropped_at_any_await_point_leaves_nothing
                a_load_dropped_at_any_await_point_changes_nothing
                a_download_dropped_at_any_await_point_loses_no_bytes
                a_dropped_write_breaks_its_upload
                a_broken_upload_can_be_aborted
                a_cancelled_store_leaves_nothing_or_the_whole_blob
            ]
            honest "honest" [
                a_create_without_rivals_never_gets_already_exists
                bytes_of_a_failed_create_are_never_read
                a_store_of_unknown_outcome_is_ambiguous
                a_commit_of_unknown_outcome_is_ambiguous
            ]
            bounded "bounded" [
                an_upload_does_not_hold_the_blob_in_memory
                a_download_arrives_in_chunks
                a_range_of_a_large_blob_arrives_in_chunks
            ]
            range "range" [
                ranges_of_an_empty_blob_match_the_table
                ranges_of_one_byte_match_the_table
                ranges_of_ten_bytes_match_the_table
                ranges_at_every_edge_agree_with_resolve
                ranges_around_buffer_sizes_agree_with_resolve
                an_invalid_range_error_carries_the_blob_size
                a_range_download_reports_the_size_of_the_whole_blob
            ]
            contained "contained" [
                planted_objects_are_never_read
                planted_objects_are_never_written_through
                planted_objects_are_not_treated_as_blobs
            ]
            inventory "inventory" [
                an_empty_storage_lists_nothing
                list_shows_each_blob_once_with_its_size
                list_does_not_show_unfinished_uploads
                list_shows_every_permanent_blob_while_others_change
                list_reports_a_damaged_blob_and_goes_on
                a_list_ends_after_an_error_that_is_not_a_damaged_blob
                stat_agrees_with_the_blob_and_with_list
                delete_removes_one_blob_and_spares_others
                delete_is_idempotent
                a_reader_of_a_deleted_blob_gets_its_bytes_or_an_error
                sweep_spares_every_blob
                sweep_spares_uploads_in_flight
                sweep_by_another_handle_spares_uploads_in_flight
                sweep_of_an_empty_storage_finds_nothing
            ]
            concurrent "concurrent" [
                random_operations_agree_with_a_model
                random_operations_through_two_handles_agree_with_a_model
            ]
            store_id "store-id" [
                a_new_storage_has_no_store_id
                the_first_create_decides
                a_race_of_16_creates_has_one_winner
                a_race_across_two_handles_has_one_winner
                the_store_id_outlives_its_handle
                a_dropped_create_leaves_no_id_or_the_whole_id
                the_store_id_is_not_a_blob
                deletes_and_sweeps_spare_the_store_id
                a_lost_storage_is_an_error_and_not_a_missing_store_id
            ]
            ordered "ordered" [
                the_shards_together_list_each_blob_once
                a_shard_of_many_blobs_is_listed_in_order
                a_list_resumes_after_each_id
                a_list_resumes_after_an_id_that_does_not_exist
                a_shard_shows_every_permanent_blob_while_others_change
                damage_is_in_its_place
                a_shard_ends_after_an_error_that_is_not_a_damaged_blob
            ]
            noted "noted" [
                a_note_comes_back_as_it_was_stored
                a_note_that_is_too_long_stores_nothing
                a_blob_without_a_note_is_shown_too
                a_refused_store_leaves_the_first_note
                a_deleted_blob_is_shown_as_deleted
                a_replay_after_a_position_shows_what_came_later
                notes_and_deletions_outlive_their_handle
                a_dropped_store_leaves_the_blob_with_its_note_or_neither
            ]
        }
    };
}

/// Runs one case for [`conformance_tests`](crate::conformance_tests).
///
/// # Panics
///
/// If the case fails, or is skipped and is not in `may_skip`.
#[doc(hidden)]
#[track_caller]
pub fn run_as_test(suite: Suite, name: &str, may_skip: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    let runtime = runtime.unwrap_or_else(|error| panic!("cannot start a runtime: {error}"));
    let report = runtime.block_on(suite.only_case(name).run());
    let [case] = report.cases() else {
        panic!("the suite has no case {name}");
    };
    match &case.verdict {
        Verdict::Passed => {}
        Verdict::Skipped(_) if may_skip.iter().any(|skip| name.starts_with(skip)) => {}
        Verdict::Skipped(reason) => panic!(
            "{name} was skipped: {reason}; enable it with a hook of `Storage`, or name it in `may_skip`"
        ),
        Verdict::Failed(reason) => panic!("the contract is broken: {name}: {reason}"),
    }
}

/// The threads of a runtime. Races need several, and many tests run at once.
const WORKERS: usize = 4;
