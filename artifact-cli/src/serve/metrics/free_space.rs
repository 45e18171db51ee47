//! The free space of the file systems that a server writes to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::blocking;
use artifact_backend::metrics::Metric;
use metrics::Gauge;
use tokio::sync::Mutex;

use super::samples::set;

pub(super) const FREE: Metric = Metric::gauge(
    "artifact_filesystem_free_bytes",
    &["folder"],
    "Bytes that this user can still write to the file system of a folder",
);
pub(super) const SIZE: Metric = Metric::gauge(
    "artifact_filesystem_size_bytes",
    &["folder"],
    "Size of the file system of a folder",
);

/// How long a scrape waits for the file systems.
const LIMIT: Duration = Duration::from_secs(2);

/// A folder by its role.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    free: Gauge,
    size: Gauge,
}

/// Measures the folders of a server. If a file system does not answer, its last values stay.
#[derive(Debug)]
pub(super) struct FreeSpace {
    /// Held while they are measured, so that a file system that hangs keeps one thread.
    folders: Arc<Mutex<Vec<Folder>>>,
}

impl FreeSpace {
    pub(super) fn new<'p>(folders: impl Iterator<Item = (&'static str, &'p Path)>) -> Self {
        let folders = folders.map(|(role, path)| Folder {
            path: path.to_owned(),
            free: FREE.register_gauge(&[role]),
            size: SIZE.register_gauge(&[role]),
        });
        Self {
            folders: Arc::new(Mutex::new(folders.collect())),
        }
    }

    pub(super) async fn record(&self) {
        let Ok(folders) = Arc::clone(&self.folders).try_lock_owned() else {
            return;
        };
        let measured = blocking::run(move || {
            for folder in &*folders {
                if let Ok(found) = rustix::fs::statvfs(&folder.path) {
                    set(&folder.free, found.f_bavail.saturating_mul(found.f_frsize));
                    set(&folder.size, found.f_blocks.saturating_mul(found.f_frsize));
                }
            }
        });
        // The next scrape has the values, if this one does not.
        let _ = tokio::time::timeout(LIMIT, measured).await;
    }
}
