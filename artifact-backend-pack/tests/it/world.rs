//! A folder for a store, beside a folder that must not change.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use artifact_backend::ArtifactId;
use artifact_backend_pack::{PackBackend, PackConfig};
use tempfile::TempDir;

pub(crate) const SECRET: &[u8] = b"what lies outside";

#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub(crate) fn within(parent: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("artifact-pack-test-")
            .tempdir_in(parent);
        let world = Self {
            folder: folder.unwrap(),
        };
        fs::create_dir(world.outside()).unwrap();
        fs::write(world.secret(), SECRET).unwrap();
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

    pub(crate) fn segments(&self) -> PathBuf {
        self.root().join("segments")
    }

    /// Returns the path of the file of a larger blob.
    pub(crate) fn large(&self, id: ArtifactId) -> PathBuf {
        let name = id.to_string();
        self.root().join("large/blobs").join(&name[..1]).join(name)
    }

    pub(crate) async fn open(&self) -> PackBackend {
        self.open_with(small_segments()).await
    }

    pub(crate) async fn open_with(&self, config: PackConfig) -> PackBackend {
        PackBackend::open(self.root(), config).await.unwrap()
    }

    /// Returns the names of the files of segments, sorted.
    pub(crate) fn segment_names(&self) -> Vec<String> {
        let mut names = names(&self.segments());
        names.retain(|name| name.len() == 8);
        names
    }

    /// Inverts the first byte of each place in the segments where these bytes are. Returns the number of places.
    pub(crate) fn damage(&self, bytes: &[u8]) -> usize {
        let mut places = 0;
        for name in self.segment_names() {
            let path = self.segments().join(name);
            let content = fs::read(&path).unwrap();
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            let begins = content.windows(bytes.len()).enumerate();
            for (at, _) in begins.filter(|(_, part)| *part == bytes) {
                file.write_all_at(&[!bytes[0]], at as u64).unwrap();
                places += 1;
            }
        }
        places
    }

    /// Describes a change outside the root, if there is one.
    pub(crate) fn outside_damage(&self) -> Option<String> {
        if names(self.folder.path()) != ["outside", "root"] || names(&self.outside()) != ["secret"]
        {
            return Some("something was created or removed outside the root".into());
        }
        let secret = fs::read(self.secret()).unwrap();
        (secret != SECRET).then(|| "the file outside the root was changed".into())
    }
}

/// Returns a folder in memory if there is one. A test that makes many roots is faster there.
pub(crate) fn in_memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if tempfile::tempfile_in(memory).is_ok() {
        memory.into()
    } else {
        std::env::temp_dir()
    }
}

/// The settings with segments that are full soon.
pub(crate) fn small_segments() -> PackConfig {
    PackConfig::default().with_segment_bytes(*PackConfig::SEGMENT_BYTES.start())
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
