//! Subjects for the tests, and the check whether this machine can run them.

use std::collections::BTreeSet;

use artifact_crash_test::{Layout, Report, Result, Subject};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_artifact-crash");

/// Returns one of the binary's stores as a subject.
pub(crate) fn store(kind: &str, rounds: u32) -> Subject {
    Subject::new(BINARY)
        .with_arg("store")
        .with_arg(kind)
        .with_arg("--rounds")
        .with_arg(rounds.to_string())
        .with_begin_signal()
}

/// Returns the layout of those stores.
pub(crate) fn layout() -> Layout {
    Layout::new(["blobs/{hex32}", "blobs/{hex1}/{hex32}"], ["staging/*"]).unwrap()
}

/// Returns whether this machine can run a simulation. Prints the reason if it cannot, and fails if
/// `ARTIFACT_TEST_REQUIRE` is `all`.
#[expect(
    clippy::disallowed_methods,
    reason = "CI sets the variable; it is not a setting of the program"
)]
pub(crate) fn ready(available: Result<()>) -> bool {
    let Err(error) = available else { return true };
    let required = std::env::var("ARTIFACT_TEST_REQUIRE").is_ok_and(|value| value == "all");
    assert!(!required, "ARTIFACT_TEST_REQUIRE is \"all\", but: {error}");
    eprintln!("skipped, no crash is simulated: {error}");
    false
}

/// Returns the kinds of the findings.
pub(crate) fn kinds(report: &Report) -> BTreeSet<&'static str> {
    report.counts.keys().copied().collect()
}

/// Returns whether something is mounted at or below `path`.
pub(crate) fn is_mounted(path: &std::path::Path) -> bool {
    use std::io::Read as _;
    let mut text = String::new();
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .open("/proc/self/mountinfo")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text.contains(path.to_str().unwrap())
}
