//! The servers' programs: where they are, and what happens where they are not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where `.ci/cloud-servers` installs, then the `PATH`.
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

/// What was started; or `None` where its program is not installed, and a line that says what was not
/// tested.
///
/// # Panics
///
/// When it is installed and does not serve, and, where `ARTIFACT_TEST_REQUIRE=all` is set, when it is
/// not installed.
#[expect(clippy::print_stderr, reason = "a skip is said in a line")]
pub fn or_skip<T>(what: &str, started: Result<T>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(missing @ Error::Missing { .. }) => {
            let required = variable("ARTIFACT_TEST_REQUIRE").is_some_and(|value| value == "all");
            assert!(!required, "{what} was not tested: {missing}");
            eprintln!("skipped: {what}; {missing}");
            None
        }
        Err(error) => panic!("{what}: {error}: {:?}", std::error::Error::source(&error)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the switch of CI and the PATH are no settings of the program"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
