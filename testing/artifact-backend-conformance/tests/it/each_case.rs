//! One `#[test]` for each case, on a storage with every hook.

use std::process::Command;

use artifact_backend_conformance::{Storage, Suite, run_as_test};
use artifact_backend_mem::MemBackend;

use crate::subjects::fault_storage;

fn suite() -> Suite {
    Suite::new(|| async { Ok(fault_storage()) }).with_large_blob(Suite::MIN_LARGE_BLOB)
}

mod contract {
    artifact_backend_conformance::conformance_tests! { super::suite() }
}

/// The macro has the names a second time, because it runs before any code.
#[test]
fn the_macro_defines_a_test_for_each_case() {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "each_case::contract::"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut found: Vec<_> = listed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("each_case::contract::")?
                .strip_suffix(": test")
        })
        .map(str::to_owned)
        .collect();
    let mut expected: Vec<_> = Suite::case_names()
        .map(|name| name.replace('-', "_"))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
#[should_panic(
    expected = "contained::planted_objects_are_never_read was skipped: the storage has no `with_plant`"
)]
fn a_skipped_case_fails_unless_it_may_be_skipped() {
    let suite = || Suite::new(|| async { Ok(Storage::new(MemBackend::default())) });
    let name = "contained::planted_objects_are_never_read";
    run_as_test(suite(), name, &["contained::"]);
    run_as_test(suite(), name, &["honest::"]);
}

#[test]
#[should_panic(
    expected = "the contract is broken: range::ranges_of_ten_bytes_match_the_table: cannot create"
)]
fn a_failed_case_fails_its_test() {
    let suite = Suite::new(|| async { Err::<MemBackend, _>("no disk".into()) });
    run_as_test(suite, "range::ranges_of_ten_bytes_match_the_table", &[]);
}
