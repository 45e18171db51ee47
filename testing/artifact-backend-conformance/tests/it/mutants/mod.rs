//! Backends that are broken on purpose, each rejected by the case that it violates, by name.

mod backend;
mod mutation;
mod storage;
mod upload;

use std::time::Duration;

use artifact_backend_conformance::{Report, Suite, Verdict};

use self::mutation::Mutation;
use self::storage::storage;

/// The suite on a mutant: the smallest sizes, and a limit that a map never comes near to.
fn suite(mutation: Mutation) -> Suite {
    Suite::new(move || async move { Ok(storage(mutation)) })
        .with_large_blob(Suite::MIN_LARGE_BLOB)
        .with_time_limit(Duration::from_secs(8))
}

fn verdict<'r>(report: &'r Report, name: &str) -> &'r Verdict {
    let case = report.cases().iter().find(|case| case.name == name);
    &case
        .unwrap_or_else(|| panic!("there is no case {name}"))
        .verdict
}

/// Every named case fails, and what it says holds the given words.
async fn must_fail(mutation: Mutation, by: &[(&str, &str)]) {
    // A leak takes a quarter of the time limit to be sure of, in each of many cases.
    let quick = Duration::from_secs(4);
    let suite = match mutation {
        Mutation::SweepKeepsStaged | Mutation::SweepMissesStaged | Mutation::LosingStoreLeaks => {
            suite(mutation)
                .with_time_limit(quick)
                .only("all-or-nothing::a_")
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
    // It is broken in one way: what has nothing to do with that still passes.
    let failed = report.failures().count();
    assert!(
        failed < report.cases().len(),
        "{mutation:?} fails everything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sound_one_that_all_mutants_are_made_of_passes_every_case() {
    let report = suite(Mutation::Sound).run().await;
    report.assert_passed();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

/// One test a mutant: what is broken, and the cases that must say so with these words.
macro_rules! mutants {
    ($($test:ident: $mutation:ident => $($name:literal ~ $text:literal),+;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            must_fail(Mutation::$mutation, &[$(($name, $text)),+]).await;
        }
    )+};
}

mutants! {
    overwrites: Overwrites =>
        "exclusive::a_second_store_returns_already_exists" ~ "it succeeded",
        "exclusive::a_store_over_an_upload_returns_already_exists" ~ "it succeeded";
    checks_then_acts: ChecksThenActs =>
        "exclusive::a_race_of_64_stores_has_one_winner" ~ "were told Ok";
    the_last_commit_wins: LastCommitWins =>
        "exclusive::the_first_of_two_commits_wins" ~ "it succeeded",
        "exclusive::an_upload_does_not_reserve_its_id" ~ "it succeeded";
    an_upload_reserves_its_id: ReservesId =>
        "exclusive::an_upload_does_not_reserve_its_id" ~ "already exists";
    publishes_while_uploading: PublishesEarly =>
        "atomic::an_upload_is_invisible_until_its_commit" ~ "it succeeded";
    stores_in_two_steps: StoresInTwoSteps =>
        "atomic::readers_during_a_store_see_nothing_or_the_whole_blob" ~ "no whole blob",
        "all-or-nothing::a_store_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob" ~ "await point 1";
    not_durable: NotDurable =>
        "durable::a_stored_blob_outlives_its_handle" ~ "not found",
        "durable::an_uploaded_blob_outlives_its_handle" ~ "not found";
    a_delete_that_is_not_durable: DeleteNotDurable =>
        "durable::a_delete_outlives_its_handle" ~ "it succeeded";
    caches_that_a_blob_is_absent: CachesAbsence =>
        "durable::a_second_handle_sees_acknowledged_changes_at_once" ~ "not found",
        "concurrent::random_operations_through_two_handles_agree_with_a_model" ~ "NotFound after";
    forgets_empty_blobs: ForgetsEmpty =>
        "exact::an_empty_store_creates_an_empty_blob" ~ "not found";
    truncates_large_blobs: TruncatesLarge =>
        "exact::stores_of_every_size_are_read_back_exactly" ~ "65536 bytes were expected and 65535 came";
    downloads_other_bytes_than_it_loads: DownloadsOtherBytes =>
        "exact::stores_of_every_size_are_read_back_exactly" ~ "download of a blob of 262145 bytes";
    an_empty_piece_ends_an_upload: EmptyChunkEnds =>
        "exact::empty_chunks_change_nothing" ~ "10000 bytes were expected and";
    takes_the_expected_size_for_the_size: TrustsSizeHint =>
        "exact::the_expected_size_is_only_a_hint" ~ "an upload announced as 0 bytes";
    uses_half_of_the_id: UsesHalfOfId =>
        "exact::ids_that_differ_in_one_bit_do_not_mix" ~ "load of an id beside stored ones";
    already_exists_for_not_found: AlreadyExistsForNotFound =>
        "absent::an_id_that_was_never_stored_is_not_found" ~ "there came AlreadyExists";
    not_found_for_a_lost_storage: NotFoundForLostStorage =>
        "absent::a_lost_storage_never_returns_not_found" ~ "says NotFound";
    looks_at_the_range_before_the_blob: RangeBeforeBlob =>
        "absent::every_range_of_an_absent_blob_is_not_found" ~ "there came InvalidRange";
    commits_on_drop: CommitsOnDrop =>
        "all-or-nothing::a_dropped_upload_leaves_nothing" ~ "it succeeded";
    commits_on_abort: CommitsOnAbort =>
        "all-or-nothing::an_aborted_upload_leaves_nothing" ~ "it succeeded";
    sweep_never_removes_what_was_dropped: SweepKeepsStaged =>
        "all-or-nothing::a_dropped_upload_leaves_nothing" ~ "kept: 4";
    sweep_does_not_find_what_was_dropped: SweepMissesStaged =>
        "all-or-nothing::a_dropped_upload_leaves_nothing" ~ "4 leftovers are counted";
    a_lost_store_leaks: LosingStoreLeaks =>
        "all-or-nothing::a_losing_store_leaves_no_leftover" ~ "leftovers are counted";
    commits_after_a_dropped_write: IgnoresDroppedWrite =>
        "all-or-nothing::a_dropped_write_breaks_its_upload" ~ "it succeeded";
    ok_for_an_unknown_outcome: OkForAmbiguous =>
        "honest::a_store_of_unknown_outcome_is_ambiguous" ~ "it succeeded",
        "honest::a_commit_of_unknown_outcome_is_ambiguous" ~ "it succeeded";
    already_exists_for_an_unknown_outcome: AlreadyExistsForAmbiguous =>
        "honest::a_store_of_unknown_outcome_is_ambiguous" ~ "there came AlreadyExists";
    a_retry_meets_its_own_blob: RetryFindsOwnBlob =>
        "honest::a_create_without_rivals_never_gets_already_exists" ~ "already exists",
        "honest::bytes_of_a_failed_create_are_never_read" ~ "these very bytes";
    holds_the_whole_upload: HoldsUpload =>
        "bounded::an_upload_does_not_hold_the_blob_in_memory" ~ "were still held";
    downloads_in_one_piece: OneChunk =>
        "bounded::a_download_arrives_in_chunks" ~ "one piece of a download has",
        "bounded::a_range_of_a_large_blob_arrives_in_chunks" ~ "one piece of a download has";
    the_last_position_is_excluded: ExcludesLastByte =>
        "range::ranges_of_ten_bytes_match_the_table" ~ "FromTo { first: 0, last: 8 }",
        "range::ranges_at_every_edge_agree_with_resolve" ~ "FromTo";
    a_suffix_is_taken_from_the_start: SuffixFromStart =>
        "range::ranges_of_ten_bytes_match_the_table" ~ "Suffix(1)";
    a_range_past_the_end_is_refused: RejectsRangePastEnd =>
        "range::ranges_of_ten_bytes_match_the_table" ~ "FromTo { first: 0, last: 10 }";
    invalid_range_without_the_size: NoSizeInError =>
        "range::an_invalid_range_error_carries_the_blob_size" ~ "tells the size None";
    the_size_of_a_range_is_its_length: SizeOfRange =>
        "range::a_range_download_reports_the_size_of_the_whole_blob" ~ "the size is 10";
    reads_what_is_planted: ReadsPlant =>
        "contained::planted_objects_are_never_read" ~ "bytes that nobody stored";
    writes_through_what_is_planted: WritesPlant =>
        "contained::planted_objects_are_never_written_through" ~ "the outside was touched";
    takes_what_is_planted_for_a_blob: ListsPlant =>
        "contained::planted_objects_are_not_treated_as_blobs" ~ "list shows it";
    lists_twice: ListsTwice =>
        "inventory::list_shows_each_blob_once_with_its_size" ~ "twice";
    lists_one_page: ListsOnePage =>
        "inventory::list_shows_each_blob_once_with_its_size" ~ "150 of 1150";
    lists_uploads: ListsUploads =>
        "inventory::list_does_not_show_unfinished_uploads" ~ "list shows 5 blobs",
        "atomic::an_upload_is_invisible_until_its_commit" ~ "list shows";
    lists_its_format_marker: ListsMarker =>
        "inventory::an_empty_storage_lists_nothing" ~ "lists 1 blobs";
    delete_fails_where_there_is_nothing: DeleteNotIdempotent =>
        "inventory::delete_is_idempotent" ~ "not found";
    delete_does_nothing: DeleteDoesNothing =>
        "inventory::delete_removes_one_blob_and_spares_others" ~ "it succeeded";
    modified_is_never_set: NoModifiedTime =>
        "inventory::stat_agrees_with_the_blob_and_with_list" ~ "a grace period would be over";
    sweep_removes_blobs: SweepsBlobs =>
        "inventory::sweep_spares_every_blob" ~ "not found";
    sweep_breaks_uploads: SweepsUploads =>
        "inventory::sweep_spares_uploads_in_flight" ~ "after a sweep",
        "inventory::sweep_by_another_handle_spares_uploads_in_flight" ~ "after a sweep";
    sweep_counts_the_format_marker: CountsMarker =>
        "inventory::sweep_of_an_empty_storage_finds_nothing" ~ "kept: 1";
    an_acknowledged_blob_blinks: VanishesDuringStores =>
        "concurrent::random_operations_agree_with_a_model" ~ "with_seed(0x5eed): NotFound after";
    panics: Panics =>
        "inventory::stat_agrees_with_the_blob_and_with_list" ~ "panicked: index out of bounds in stat";
}

/// Not the whole suite: each of its failures takes the time limit.
#[tokio::test(flavor = "multi_thread")]
async fn hangs() {
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
             not done after 300ms: it hangs",
            "FAILED   absent::an_absent_id_is_not_found_beside_stored_blobs: \
             not done after 300ms: it hangs",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "the contract is broken:")]
async fn assert_passed_panics_with_the_report() {
    let report = suite(Mutation::LastExcluded).only("range::").run().await;
    report.assert_passed();
}
