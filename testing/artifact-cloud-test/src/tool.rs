//! Finding the servers' programs, and skipping tests if they are not installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Searches the folder of `.ci/cloud-servers`, then the `PATH`.
pub(crate) fn find(program: &'static str, install: &'static str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools = root.join("target").join("tools").join("bin");
    let path = variable("PATH").unwrap_or_default();
    std::iter::once(tools)
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find_map(|path| path.canonicalize().ok())
        .ok_or(Error::Missing { program, install })
}

/// Returns the started server. If its program is not installed, prints which test is skipped and
/// returns `None`.
///
/// # Panics
///
/// - If the program is installed and the server did not become ready.
/// - If the program is not installed and `ARTIFACT_TEST_REQUIRE=all` is set.
#[expect(clippy::print_stderr, reason = "a skipped test prints a line")]
pub fn or_skip<T>(subject: &str, started: Result<T>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(missing @ Error::Missing { .. }) => {
            let required = variable("ARTIFACT_TEST_REQUIRE").is_some_and(|value| value == "all");
            assert!(!required, "cannot test {subject}: {missing}");
            eprintln!("skipped: {subject}; {missing}");
            None
        }
        Err(error) => panic!(
            "{subject}: {error}: {:?}",
            std::error::Error::source(&error)
        ),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the CI switch and the PATH are not settings of the program"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
