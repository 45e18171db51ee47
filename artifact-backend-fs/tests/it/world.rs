//! A folder for a store, beside a folder that must not change.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use artifact_backend::ArtifactId;
use artifact_backend_fs::{FsBackend, FsConfig};
use tempfile::TempDir;

pub(crate) const SECRET: &[u8] = b"what lies outside";

#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
}

/// Changes an option of a mounted file system, such as `ro`.
///
/// Waits while the file system is busy. A process that another test starts shares the open files of this one until its
/// program begins, and a file that was open for writing at that moment keeps the file system busy.
pub(crate) fn remount(mounted: &Path, option: &str) {
    let options = format!("remount,{option}");
    for _ in 0..5_000 {
        let mut command = Command::new("mount");
        let output = command
            .args(["-o", &options])
            .arg(mounted)
            .output()
            .unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("busy"), "mount: {output:?}");
    }
    panic!("{} is still busy", mounted.display());
}

/// Returns a folder in memory if there is one. A test that makes thousands of roots takes half the time there.
pub(crate) fn in_memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let writable = tempfile::tempfile_in(memory).is_ok();
    if writable {
        memory.into()
    } else {
        std::env::temp_dir()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub(crate) fn within(parent: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("artifact-fs-test-")
            .tempdir_in(parent);
        let world = Self {
            folder: folder.unwrap(),
        };
        fs::create_dir(world.outside()).unwrap();
        fs::write(world.secret(), SECRET).unwrap();
        fs::set_permissions(world.secret(), Permissions::from_mode(0o400)).unwrap();
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.outside().join("secret")
    }

    pub(crate) fn blob(&self, id: ArtifactId) -> PathBuf {
        blob_in(&self.root().join("blobs"), id)
    }

    /// Returns the path that a blob has in layout version 1.
    pub(crate) fn flat_blob(&self, id: ArtifactId) -> PathBuf {
        self.root().join("blobs").join(id.to_string())
    }

    /// Returns the names of the files in all fan-out folders.
    pub(crate) fn blob_names(&self) -> Vec<String> {
        blob_names(&self.root())
    }

    /// Creates a root of layout version 1 with blobs, as the release before layout version 2 did.
    pub(crate) fn create_flat_root(&self, blobs: &[(ArtifactId, Vec<u8>)]) {
        let private = Permissions::from_mode(0o700);
        for folder in [self.root(), self.root().join("blobs"), self.staging()] {
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, private.clone()).unwrap();
        }
        let mut files = vec![(self.marker(), b"artifact-backend-fs 1\n".to_vec())];
        files.extend(
            blobs
                .iter()
                .map(|(id, bytes)| (self.flat_blob(*id), bytes.clone())),
        );
        for (path, bytes) in files {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        }
    }

    pub(crate) fn marker(&self) -> PathBuf {
        self.root().join("artifact-format")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root().join("staging")
    }

    pub(crate) async fn open(&self) -> FsBackend {
        self.open_with(FsConfig::default()).await
    }

    pub(crate) async fn open_with(&self, config: FsConfig) -> FsBackend {
        FsBackend::open(self.root(), config).await.unwrap()
    }

    /// Describes a change outside the root, if there is one.
    pub(crate) fn damage(&self) -> Option<String> {
        if names(self.folder.path()) != ["outside", "root"] || names(&self.outside()) != ["secret"]
        {
            return Some("something was created or removed outside the root".into());
        }
        let secret = fs::read(self.secret()).unwrap();
        (secret != SECRET).then(|| "the file outside the root was changed".into())
    }
}

/// Returns the path of a blob in a folder of fan-out folders.
pub(crate) fn blob_in(blobs: &Path, id: ArtifactId) -> PathBuf {
    let name = id.to_string();
    blobs.join(&name[..1]).join(name)
}

/// Returns the names of the files in all fan-out folders of a root.
pub(crate) fn blob_names(root: &Path) -> Vec<String> {
    let blobs = root.join("blobs");
    let mut folders = names(&blobs);
    folders.retain(|name| name.len() == 1);
    assert_eq!(folders.len(), 16, "{folders:?}");
    folders
        .iter()
        .flat_map(|folder| names(&blobs.join(folder)))
        .collect()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Returns whether to skip a test that this machine cannot run, and prints why. If CI requires every
/// test, a skip is a failure.
#[expect(clippy::print_stderr, reason = "a skip prints one line")]
pub(crate) fn skip(unless: bool, what: &str, how: &str) -> bool {
    if unless {
        return false;
    }
    assert!(
        std::env::var_os("ARTIFACT_TEST_REQUIRE").is_none_or(|value| value != "all"),
        "{what} was not tested; {how}"
    );
    eprintln!("skipped: {what}; {how}");
    true
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
