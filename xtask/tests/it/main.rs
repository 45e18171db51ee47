//! Tests of the repository as a whole.

mod advisories;
mod alarms;
mod architecture;
mod phrases;
mod readmes;
mod rust_version;
mod small_builds;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns the repository's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the root")
        .to_owned()
}

/// Reads a file below the root.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests read the repository's own files"
)]
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the folders of the workspace's members.
fn members() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let list = manifest
        .split_once("members = [")
        .expect("the root has members")
        .1;
    let list = list.split_once(']').expect("the list of members ends").0;
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
