//! Subjects, and what is skipped where.

use std::collections::BTreeSet;

use artifact_crash_test::{Layout, Report, Result, Subject};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_artifact-crash");

/// One of the stores that the binary carries.
pub(crate) fn store(kind: &str, rounds: u32) -> Subject {
    Subject::new(BINARY)
        .with_arg("store")
        .with_arg(kind)
        .with_arg("--rounds")
        .with_arg(rounds.to_string())
}

/// Where those stores keep what.
pub(crate) fn layout() -> Layout {
    Layout::new(["blobs/{hex32}", "blobs/{hex2}/{hex32}"], ["staging/*"]).unwrap()
}

/// Whether this machine can; says so if not, and fails if it must.
#[expect(
    clippy::disallowed_methods,
    reason = "the switch of CI is no setting of the program"
)]
pub(crate) fn ready(available: Result<()>) -> bool {
    let Err(error) = available else { return true };
    let required = std::env::var("ARTIFACT_TEST_REQUIRE").is_ok_and(|value| value == "all");
    assert!(!required, "required, and {error}");
    eprintln!("skipped, crashes are not simulated: {error}");
    false
}

/// The kinds of what was found.
pub(crate) fn kinds(report: &Report) -> BTreeSet<&'static str> {
    report.counts.keys().copied().collect()
}

/// Whether something is mounted at or below `path`.
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
