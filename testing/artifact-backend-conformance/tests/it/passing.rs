//! Backends that keep the contract pass, and the report lists what was not tested.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Report, Storage, Suite, Verdict};
use artifact_backend_mem::MemBackend;

use crate::subjects::fault_storage;

fn skipped(report: &Report) -> Vec<&'static str> {
    report.skipped().map(|case| case.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mem_passes_and_the_skipped_cases_are_listed() {
    let report = Suite::new(|| async { Ok(MemBackend::default()) })
        .volatile("it is a map in memory")
        .run()
        .await;
    report.assert_passed();
    assert_eq!(
        skipped(&report),
        [
            "exclusive::a_race_across_two_handles_has_one_winner",
            "durable::a_stored_blob_outlives_its_handle",
            "durable::an_uploaded_blob_outlives_its_handle",
            "durable::a_delete_outlives_its_handle",
            "durable::a_reopened_storage_still_returns_already_exists",
            "durable::a_dropped_upload_is_absent_after_a_reopen",
            "durable::a_second_handle_sees_acknowledged_changes_at_once",
            "absent::a_lost_storage_never_returns_not_found",
            "honest::a_store_of_unknown_outcome_is_ambiguous",
            "honest::a_commit_of_unknown_outcome_is_ambiguous",
            "bounded::an_upload_does_not_hold_the_blob_in_memory",
            "contained::planted_objects_are_never_read",
            "contained::planted_objects_are_never_written_through",
            "contained::planted_objects_are_not_treated_as_blobs",
            "inventory::list_reports_a_damaged_blob_and_goes_on",
            "inventory::a_list_ends_after_an_error_that_is_not_a_damaged_blob",
            "inventory::sweep_by_another_handle_spares_uploads_in_flight",
            "concurrent::random_operations_through_two_handles_agree_with_a_model",
            "store-id::a_race_across_two_handles_has_one_winner",
            "store-id::the_store_id_outlives_its_handle",
            "store-id::a_lost_storage_is_an_error_and_not_a_missing_store_id",
            "ordered::damage_is_in_its_place",
            "ordered::a_shard_ends_after_an_error_that_is_not_a_damaged_blob",
        ]
    );
    let volatile = report.skipped().nth(1).map(|case| case.verdict.clone());
    let reason = "the backend is volatile: it is a map in memory";
    assert_eq!(volatile, Some(Verdict::Skipped(reason.into())));
}

/// Sets every hook, so that no case is skipped. The clause `bounded` passes because the suite cannot see how mem
/// copies chunks.
#[tokio::test(flavor = "multi_thread")]
async fn mem_with_all_hooks_passes_every_case() {
    let report = Suite::new(|| async { Ok(fault_storage()) }).run().await;
    report.assert_passed();
    assert_eq!(skipped(&report), [""; 0]);
    assert_eq!(report.cases().len(), Suite::case_names().count());
}

#[tokio::test(flavor = "multi_thread")]
async fn mem_passes_with_another_seed() {
    let suite = Suite::new(|| async {
        let backend = MemBackend::default();
        let reopened = backend.clone();
        Ok(Storage::new(backend).with_reopen(move || {
            let reopened = reopened.clone();
            async move { Ok(reopened) }
        }))
    });
    let report = suite.with_seed(4_711).only("concurrent::").run().await;
    report.assert_passed();
    assert_eq!(report.cases().len(), 2);
    assert_eq!(skipped(&report), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_fails_if_no_storage_can_be_created() {
    let suite = Suite::new(|| async { Err::<MemBackend, _>("no disk".into()) });
    let report = suite.only("range::").run().await;
    assert_eq!(report.failures().count(), 7);
    let first = &report.cases()[0];
    let reason = "cannot create a new storage: no disk";
    assert_eq!(first.verdict, Verdict::Failed(reason.into()));
    assert!(!report.is_passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_tested_cases_does_not_pass() {
    let suite = || Suite::new(|| async { Ok(MemBackend::default()) });
    let report = suite().only("no such case").run().await;
    assert!(report.cases().is_empty());
    assert!(!report.is_passed());
    // Skipped cases do not count as passed.
    let report = suite().only("contained::").run().await;
    assert_eq!(report.skipped().count(), 3);
    assert!(!report.is_passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_has_one_line_for_each_case_and_a_line_of_totals() {
    let suite = Suite::new(|| async {
        let backend = FaultBackend::new(MemBackend::default());
        backend.inject(Fault::before(Operation::Sweep, ErrorKind::Unavailable));
        Ok(backend)
    });
    let report = suite.only("inventory::s").run().await;
    assert_eq!(
        report.to_string(),
        "passed   inventory::stat_agrees_with_the_blob_and_with_list\n\
         FAILED   inventory::sweep_spares_every_blob: \
         sweep: sweep: unavailable: injected by a test\n\
         FAILED   inventory::sweep_spares_uploads_in_flight: \
         sweep: sweep: unavailable: injected by a test\n\
         skipped  inventory::sweep_by_another_handle_spares_uploads_in_flight: \
         the storage has no `with_reopen`\n\
         FAILED   inventory::sweep_of_an_empty_storage_finds_nothing: \
         sweep: sweep: unavailable: injected by a test\n\
         1 passed, 3 failed, 1 skipped"
    );
}

#[test]
fn every_clause_has_cases_and_every_case_name_is_unique() {
    const CLAUSES: [&str; 15] = [
        "exclusive",
        "atomic",
        "durable",
        "exact",
        "absent",
        "all-or-nothing",
        "honest",
        "bounded",
        "range",
        "contained",
        "inventory",
        "concurrent",
        "store-id",
        "ordered",
        "noted",
    ];
    let mut clauses: Vec<_> = Suite::case_names()
        .map(|name| name.split_once("::").unwrap().0)
        .collect();
    clauses.dedup();
    assert_eq!(clauses, CLAUSES);
    let mut names: Vec<_> = Suite::case_names().collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two cases have the same name");
}

#[tokio::test]
#[should_panic(expected = "needs a multi-thread runtime")]
async fn a_single_thread_runtime_is_rejected() {
    let _ = Suite::new(|| async { Ok(MemBackend::default()) })
        .run()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_begin_and_the_end_of_each_case_are_reported() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let report = Suite::new(|| async { Ok(MemBackend::default()) })
        .only("inventory::sweep_")
        .with_progress(move |mut progress| {
            if let Some((_, took)) = &mut progress.result {
                *took = Duration::from_millis(1_500);
            }
            seen.lock().unwrap().push(progress.to_string());
        })
        .run()
        .await;
    assert_eq!(report.cases().len(), 4);
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 8);
    assert_eq!(
        lines[0],
        "[1/4] running  inventory::sweep_spares_every_blob"
    );
    assert_eq!(
        lines[1],
        "[1/4] passed   inventory::sweep_spares_every_blob (1.5 s)"
    );
    assert_eq!(
        lines[5],
        "[3/4] skipped  inventory::sweep_by_another_handle_spares_uploads_in_flight: \
         the storage has no `with_reopen` (1.5 s)"
    );
}
