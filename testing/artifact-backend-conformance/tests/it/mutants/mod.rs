//! Deliberately broken backends. Each deviates in one thing and must fail the cases named here.

mod backend;
mod mutation;
mod storage;
mod upload;

use std::time::Duration;

use artifact_backend_conformance::{Report, Suite, Verdict};

use self::mutation::Mutation;
use self::storage::{locked_storage, storage};

/// Returns the suite for a mutant, with the smallest sizes and a time limit that a map in memory never reaches.
fn suite(mutation: Mutation) -> Suite {
    Suite::new(move || async move { Ok(storage(mutation)) })
        .with_large_blob(Suite::MIN_LARGE_BLOB)
        .with_time_limit(Duration::from_secs(8))
}

fn verdict<'r>(report: &'r Report, name: &str) -> &'r Verdict {
    let case = report.cases().iter().find(|case| case.name == name);
    &case
        .unwrap_or_else(|| panic!("no case has the name {name}"))
        .verdict
}

/// Runs the suite and checks that each named case fails with a reason that contains the given text.
async fn must_fail(mutation: Mutation, by: &[(&str, &str)]) {
    // A leak takes a quarter of the time limit in each of many cases.
    let quick = Duration::from_secs(4);
    let suite = match mutation {
        Mutation::SweepKeepsStaged | Mutation::SweepMissesStaged | Mutation::LosingStoreLeaks => {
            suite(mutation)
                .with_time_limit(quick)
                .only("all-or-nothing::a_")
        }
        _ if by.iter().all(|(name, _)| name.starts_with("ordered::")) => {
            suite(mutation).only("ordered::")
        }
        Mutation::CountsMarker => suite(mutation).with_time_limit(quick).only("inventory::"),
        _ => suite(mutation),
    };
    let report = suite.run().await;
    for (name, text) in by {
        match verdict(&report, name) {
            Verdict::Failed(reason) => assert!(
                reason.contains(text),
                "{mutation:?} fails {name}, but with {reason:?}, not with {text:?}"
            ),
            other => panic!("{mutation:?} is not rejected by {name}: {other:?}"),
        }
    }
    // A mutant deviates in one thing, so unrelated cases still pass.
    let failed = report.failures().count();
    assert!(
        failed < report.cases().len(),
        "{mutation:?} fails every case"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_backend_passes_every_case() {
    let report = suite(Mutation::Sound).run().await;
    report.assert_passed();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

/// Defines one test for each mutation, with the cases that must fail and a part of their reasons.
macro_rules! mutants {
    ($($test:ident: $mutation:ident => $($name:literal ~ $text:literal),+;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            must_fail(Mutation::$mutation, &[$(($name, $text)),+]).await;
        }
    )+};
}

mutants! {
    stores_overwrite_existing_blobs: Overwrites =>
        "exclusive::a_second_store_returns_already_exists" ~ "it succeeded",
        "exclusive::a_store_over_an_upload_returns_already_exists" ~ "it succeeded";
    existence_is_checked_before_a_separate_write: ChecksThenActs =>
        "exclusive::a_race_of_64_stores_has_one_winner" ~ "returned Ok";
    the_last_commit_wins: LastCommitWins =>
        "exclusive::the_first_of_two_commits_wins" ~ "it succeeded",
        "exclusive::an_upload_does_not_reserve_its_id" ~ "it succeeded";
    uploads_reserve_their_id: ReservesId =>
        "exclusive::an_upload_does_not_reserve_its_id" ~ "already exists";
    uploads_are_visible_before_their_commit: PublishesEarly =>
        "atomic::an_upload_is_invisible_until_its_commit" ~ "it succeeded";
    stores_publish_half_of_the_blob_first: StoresInTwoSteps =>
        "atomic::readers_during_a_store_see_nothing_or_the_whole_blob" ~ "not a whole blob",
        "all-or-nothing::a_store_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob" ~ "await point 1";
    blobs_are_lost_on_a_reopen: NotDurable =>
        "durable::a_stored_blob_outlives_its_handle" ~ "not found",
        "durable::an_uploaded_blob_outlives_its_handle" ~ "not found",
        "store-id::the_store_id_outlives_its_handle" ~ "returned None";
    deletes_are_undone_by_a_reopen: DeleteNotDurable =>
        "durable::a_delete_outlives_its_handle" ~ "it succeeded";
    absence_is_cached: CachesAbsence =>
        "durable::a_second_handle_sees_acknowledged_changes_at_once" ~ "not found",
        "concurrent::random_operations_through_two_handles_agree_with_a_model" ~ "NotFound after";
    empty_blobs_are_not_stored: ForgetsEmpty =>
        "exact::an_empty_store_creates_an_empty_blob" ~ "not found";
    large_blobs_are_truncated: TruncatesLarge =>
        "exact::stores_of_every_size_are_read_back_exactly" ~ "expected 65536 bytes, got 65535";
    downloads_and_loads_return_different_bytes: DownloadsOtherBytes =>
        "exact::stores_of_every_size_are_read_back_exactly" ~ "download of a blob of 262145 bytes";
    empty_chunks_end_an_upload: EmptyChunkEnds =>
        "exact::empty_chunks_change_nothing" ~ "expected 10000 bytes, got";
    the_expected_size_is_a_limit: TrustsSizeHint =>
        "exact::the_expected_size_is_only_a_hint" ~ "an upload announced as 0 bytes";
    half_of_the_id_is_ignored: UsesHalfOfId =>
        "exact::ids_that_differ_in_one_bit_do_not_mix" ~ "load of an absent id that is similar to stored ones";
    absent_blobs_return_already_exists: AlreadyExistsForNotFound =>
        "absent::an_id_that_was_never_stored_is_not_found" ~ "got AlreadyExists";
    lost_storages_return_not_found: NotFoundForLostStorage =>
        "absent::a_lost_storage_never_returns_not_found" ~ "returns NotFound";
    the_range_is_checked_before_the_blob: RangeBeforeBlob =>
        "absent::every_range_of_an_absent_blob_is_not_found" ~ "got InvalidRange";
    dropped_uploads_are_committed: CommitsOnDrop =>
        "all-or-nothing::a_dropped_upload_leaves_nothing" ~ "it succeeded";
    aborted_uploads_are_committed: CommitsOnAbort =>
        "all-or-nothing::an_aborted_upload_leaves_nothing" ~ "it succeeded";
    sweep_never_removes_dropped_uploads: SweepKeepsStaged =>
        "all-or-nothing::a_dropped_upload_leaves_nothing" ~ "kept: 4";
    sweep_misses_dropped_uploads: SweepMissesStaged =>
        "all-or-nothing::a_dropped_upload_leaves_nothing" ~ "the storage holds 4 leftovers";
    losing_stores_leave_leftovers: LosingStoreLeaks =>
        "all-or-nothing::a_losing_store_leaves_no_leftover" ~ "the storage holds";
    uploads_continue_after_a_dropped_write: IgnoresDroppedWrite =>
        "all-or-nothing::a_dropped_write_breaks_its_upload" ~ "it succeeded";
    unknown_outcomes_return_ok: OkForAmbiguous =>
        "honest::a_store_of_unknown_outcome_is_ambiguous" ~ "it succeeded",
        "honest::a_commit_of_unknown_outcome_is_ambiguous" ~ "it succeeded";
    unknown_outcomes_return_already_exists: AlreadyExistsForAmbiguous =>
        "honest::a_store_of_unknown_outcome_is_ambiguous" ~ "got AlreadyExists";
    retries_report_their_own_blob_as_already_existing: RetryFindsOwnBlob =>
        "honest::a_create_without_rivals_never_gets_already_exists" ~ "already exists",
        "honest::bytes_of_a_failed_create_are_never_read" ~ "but its bytes are stored";
    uploads_are_held_in_memory: HoldsUpload =>
        "bounded::an_upload_does_not_hold_the_blob_in_memory" ~ "were held at once";
    downloads_arrive_in_one_chunk: OneChunk =>
        "bounded::a_download_arrives_in_chunks" ~ "a chunk of a download has",
        "bounded::a_range_of_a_large_blob_arrives_in_chunks" ~ "a chunk of a download has";
    the_last_byte_of_a_range_is_excluded: ExcludesLastByte =>
        "range::ranges_of_ten_bytes_match_the_table" ~ "FromTo { first: 0, last: 8 }",
        "range::ranges_at_every_edge_agree_with_resolve" ~ "FromTo";
    suffixes_are_taken_from_the_start: SuffixFromStart =>
        "range::ranges_of_ten_bytes_match_the_table" ~ "Suffix(1)";
    ranges_past_the_end_are_rejected: RejectsRangePastEnd =>
        "range::ranges_of_ten_bytes_match_the_table" ~ "FromTo { first: 0, last: 10 }";
    invalid_range_errors_lack_the_blob_size: NoSizeInError =>
        "range::an_invalid_range_error_carries_the_blob_size" ~ "carries the size None";
    range_downloads_report_a_wrong_blob_size: SizeOfRange =>
        "range::a_range_download_reports_the_size_of_the_whole_blob" ~ "reports a blob of 10 bytes";
    planted_objects_are_read: ReadsPlant =>
        "contained::planted_objects_are_never_read" ~ "bytes that were never stored";
    planted_objects_are_written_through: WritesPlant =>
        "contained::planted_objects_are_never_written_through" ~ "an object outside the storage was touched";
    planted_objects_are_listed: ListsPlant =>
        "contained::planted_objects_are_not_treated_as_blobs" ~ "list shows the planted object";
    list_hides_damaged_blobs: HidesDamage =>
        "inventory::list_reports_a_damaged_blob_and_goes_on" ~ "list does so 0 times";
    list_ends_at_a_damaged_blob: EndsListAtDamage =>
        "inventory::list_reports_a_damaged_blob_and_goes_on" ~ "does not show 64 of 64 blobs";
    list_goes_on_after_an_error: ListGoesOnAfterLoss =>
        "inventory::a_list_ends_after_an_error_that_is_not_a_damaged_blob" ~ "the list goes on";
    list_shows_blobs_twice: ListsTwice =>
        "inventory::list_shows_each_blob_once_with_its_size" ~ "twice";
    list_shows_only_one_page: ListsOnePage =>
        "inventory::list_shows_each_blob_once_with_its_size" ~ "150 of 1150";
    list_shows_unfinished_uploads: ListsUploads =>
        "inventory::list_does_not_show_unfinished_uploads" ~ "list shows 5 blobs",
        "atomic::an_upload_is_invisible_until_its_commit" ~ "list shows";
    list_shows_the_format_marker: ListsMarker =>
        "inventory::an_empty_storage_lists_nothing" ~ "lists 1 blobs";
    shards_are_of_another_digit: ShardsByLastDigit =>
        "ordered::the_shards_together_list_each_blob_once" ~ "the list of shard 0 shows";
    shards_overlap: ShardsOverlap =>
        "ordered::the_shards_together_list_each_blob_once" ~ "the list of shard 0 shows",
        "ordered::a_shard_of_many_blobs_is_listed_in_order" ~ "shows blobs of others";
    a_shard_is_not_in_order: ShardUnordered =>
        "ordered::the_shards_together_list_each_blob_once" ~ "not in ascending order",
        "ordered::a_shard_of_many_blobs_is_listed_in_order" ~ "not in ascending order";
    a_shard_has_only_one_page: ShardOnePage =>
        "ordered::a_shard_of_many_blobs_is_listed_in_order" ~ "150 of 1150";
    a_resumed_list_repeats_its_last_id: ShardRepeatsAfter =>
        "ordered::a_list_resumes_after_each_id" ~ "shows it again";
    a_resumed_list_needs_its_last_id: ShardNeedsAfter =>
        "ordered::a_list_resumes_after_an_id_that_does_not_exist" ~ "a deleted id shows 0 blobs instead of 10";
    a_list_after_the_shard_begins_again: ShardWrapsAround =>
        "ordered::a_list_resumes_after_an_id_that_does_not_exist" ~ "a later shard shows 19 blobs instead of 0";
    // It shows some ids twice or not at all, by what changes first.
    a_list_is_resumed_by_position: ShardByPosition =>
        "ordered::a_shard_shows_every_permanent_blob_while_others_change" ~ " change";
    damage_is_before_its_place: ShardDamageFirst =>
        "ordered::damage_is_in_its_place" ~ "not in ascending order";
    damage_is_hidden_in_a_shard: ShardHidesDamage =>
        "ordered::damage_is_in_its_place" ~ "shows the damaged blob 0 times";
    a_shard_ends_at_damage: ShardEndsAtDamage =>
        "ordered::damage_is_in_its_place" ~ "items";
    a_shard_goes_on_after_an_error: ShardGoesOnAfterLoss =>
        "ordered::a_shard_ends_after_an_error_that_is_not_a_damaged_blob" ~ "goes on";
    delete_of_an_absent_blob_fails: DeleteNotIdempotent =>
        "inventory::delete_is_idempotent" ~ "not found";
    delete_does_nothing: DeleteDoesNothing =>
        "inventory::delete_removes_one_blob_and_spares_others" ~ "it succeeded";
    the_modification_time_is_never_set: NoModifiedTime =>
        "inventory::stat_agrees_with_the_blob_and_with_list" ~ "a grace period would end";
    sweep_removes_blobs: SweepsBlobs =>
        "inventory::sweep_spares_every_blob" ~ "not found";
    sweep_breaks_uploads: SweepsUploads =>
        "inventory::sweep_spares_uploads_in_flight" ~ "after a sweep",
        "inventory::sweep_by_another_handle_spares_uploads_in_flight" ~ "after a sweep";
    sweep_counts_the_format_marker: CountsMarker =>
        "inventory::sweep_of_an_empty_storage_finds_nothing" ~ "kept: 1";
    acknowledged_blobs_vanish_during_stores: VanishesDuringStores =>
        "concurrent::random_operations_agree_with_a_model" ~ "with_seed(0x5eed): NotFound after";
    the_store_id_is_overwritten: StoreIdChanges =>
        "store-id::the_first_create_decides" ~ "instead of",
        "store-id::a_race_of_16_creates_has_one_winner" ~ "two creates of a race";
    the_store_id_is_kept_as_a_blob: StoreIdIsBlob =>
        "store-id::the_store_id_is_not_a_blob" ~ "list shows";
    sweep_removes_the_store_id: SweepsStoreId =>
        "store-id::deletes_and_sweeps_spare_the_store_id" ~ "after a sweep returned None";
    a_lost_storage_has_no_store_id: NoStoreIdForLostStorage =>
        "store-id::a_lost_storage_is_an_error_and_not_a_missing_store_id" ~ "returned Ok(None)";
    stat_panics: Panics =>
        "inventory::stat_agrees_with_the_blob_and_with_list" ~ "panicked: index out of bounds in stat";
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_opens_only_once_is_closed_before_it_is_reopened() {
    let suite = |mutation| Suite::new(move || async move { locked_storage(mutation) });
    for clause in ["durable::", "exclusive::a_race_across", "store-id::"] {
        let report = suite(Mutation::Sound).only(clause).run().await;
        let two_handles = ["durable::a_second_handle_sees_acknowledged_changes_at_once"];
        for skipped in report.skipped() {
            let known = skipped.name.contains("a_race_across_two_handles")
                || skipped.name.contains("a_lost_storage")
                || two_handles.contains(&skipped.name);
            assert!(known, "{skipped}");
        }
        assert_eq!(report.failures().count(), 0, "{report}");
    }
    let report = suite(Mutation::NotDurable).only("durable::").run().await;
    let failed = verdict(&report, "durable::a_stored_blob_outlives_its_handle");
    assert!(matches!(failed, Verdict::Failed(_)), "{failed:?}");
}

/// Runs only three cases, because each failure takes the whole time limit.
#[tokio::test(flavor = "multi_thread")]
async fn reads_of_absent_blobs_hang() {
    let report = suite(Mutation::Hangs)
        .with_time_limit(Duration::from_millis(300))
        .only("absent::an_")
        .run()
        .await;
    let found: Vec<_> = report.failures().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "FAILED   absent::an_id_that_was_never_stored_is_not_found: \
             did not finish within 300ms",
            "FAILED   absent::an_absent_id_is_not_found_beside_stored_blobs: \
             did not finish within 300ms",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "the contract is broken:")]
async fn assert_passed_panics_with_the_report() {
    let report = suite(Mutation::ExcludesLastByte)
        .only("range::")
        .run()
        .await;
    report.assert_passed();
}
