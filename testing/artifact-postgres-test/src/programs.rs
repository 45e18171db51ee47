//! The installed PostgreSQL, and the user that runs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of Debian's packages, which has one folder for each version and is not in the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Returns the folder of `initdb`, `pg_ctl` and `psql`: the newest version of Debian's packages, or a
/// folder in the PATH.
pub(crate) fn folder() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(DEBIAN).into_iter().flatten().flatten() {
        let version = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        versions.extend(version.map(|version| (version, entry.path().join("bin"))));
    }
    versions.sort();
    let packaged = versions.into_iter().rev().map(|(_, folder)| folder);
    let path = option_env("PATH");
    let in_path = std::env::split_paths(&path).collect::<Vec<_>>();
    packaged.chain(in_path).find(|folder| {
        ["initdb", "pg_ctl", "psql"]
            .iter()
            .all(|name| folder.join(name).is_file())
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the PATH is not a setting of the program under test"
)]
pub(crate) fn option_env(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_default()
}

/// The user that a server runs as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    /// The user and group id, if it is not the user that runs the tests.
    ids: Option<(u32, u32)>,
}

impl User {
    /// Returns the user that runs the tests, or another one if that is root.
    pub(crate) fn find() -> Option<Self> {
        if id(&["-u"])? != 0 {
            return Some(Self { ids: None });
        }
        // 65534 is the unprivileged user of most systems.
        let ids = |user| Some((id(&["-u", user])?, id(&["-g", user])?));
        let ids = ids("postgres").or_else(|| ids("65534"))?;
        Some(Self { ids: Some(ids) })
    }

    /// Creates a command that runs as this user.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let Some((user, group)) = self.ids else {
            return Command::new(program);
        };
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={user}"), format!("--regid={group}")])
            .args(["--clear-groups", "--"])
            .arg(program);
        command
    }

    /// Makes this user the owner of a file or folder.
    pub(crate) fn own(self, path: &Path) {
        if let Some((user, group)) = self.ids {
            std::os::unix::fs::chown(path, Some(user), Some(group))
                .expect("root may change the owner");
        }
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().parse().ok()
}

/// Runs a command and returns its output; panics with the output if the command fails.
#[track_caller]
pub(crate) fn succeeded(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        status.success(),
        "{command:?} failed\n{}{}",
        text(&stdout),
        text(&stderr)
    );
    text(&stdout)
}
