//! The binary: its exit code is the verdict.

use std::process::{Command, Output};

use artifact_crash_test::available;

use crate::harness::{BINARY, ready};

fn fuse(store: &str) -> Output {
    Command::new(BINARY)
        .args([
            "fuse",
            "--trials",
            "1",
            "--blob",
            "blobs/{hex32}",
            "--scratch",
            "staging/*",
            "--",
        ])
        .args([BINARY, "store", store, "--rounds", "3"])
        .output()
        .unwrap()
}

#[test]
fn the_exit_code_says_whether_something_was_found() {
    if !ready(available()) {
        return;
    }
    let right = fuse("named-staging");
    let text = String::from_utf8_lossy(&right.stdout);
    assert!(text.contains("findings  none"), "{text}");
    assert_eq!(right.status.code(), Some(0));

    let wrong = fuse("no-folder-sync");
    let text = String::from_utf8_lossy(&wrong.stdout);
    assert!(text.contains("was acknowledged and is gone ["), "{text}");
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn a_store_that_is_not_known_is_an_error() {
    let output = Command::new(BINARY)
        .args(["store", "perfect", "run", "/"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no store is called perfect"));
}
