//! The root folder: its path, and the checks that the path still leads to it.

use std::io;
use std::path::{Path, PathBuf};

use artifact_backend::metrics::SyncMetrics;
use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};

use super::error::failed;
use super::files::{self, Identity, OpenFolder};
use super::{failure_record, layout, marker, trial};
use crate::error::{misconfigured, sync_failed_earlier};
use crate::failed_syncs::{Blocks, DiskCall, FailedSyncs, Overlap};
use crate::layout::{BLOBS, BlobName, STAGING, fan_out_name, fan_out_of};
use crate::version::Version;

/// The folders of a root.
#[derive(Debug)]
pub(super) struct Root {
    folder: PathBuf,
    blobs: PathBuf,
    staging: PathBuf,
    /// The root, the folder of blobs and the staging folder, on Unix.
    identities: [Option<Identity>; 3],
    failed_syncs: FailedSyncs,
    metrics: SyncMetrics,
}

impl Root {
    /// Opens the folder. Creates it if only its last component is missing. A trial blob shows that the
    /// file system can do what a store needs.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fail = |error| failed(Operation::Open, None, "inspect the root", error);
        let root = layout::create_root(path)?;
        layout::check_owner(&root, "the root", None)?;
        if failure_record::exists(&root).map_err(fail)? {
            return Err(sync_failed_earlier());
        }
        let (blobs, staging) = (root.join(BLOBS), root.join(STAGING));
        let version = marker::read(&root)?;
        match version {
            None => layout::create(&root)?,
            Some(Version::FanOut) => {
                layout::check_folder(&blobs)?;
                layout::create_folder(&staging)?;
            }
            Some(Version::Flat | Version::Migrating) => {
                return Err(misconfigured(
                    "the root may contain blobs of layout version 1, which the portable profile does not move; \
                     open it on Linux with the Linux profile until the migration has ended",
                ));
            }
        }
        let user = trial::run(&root, &staging)?;
        for (folder, name) in [(&root, "the root"), (&blobs, "a folder of the layout")] {
            layout::check_owner(folder, name, user)?;
        }
        if version.is_none() {
            marker::create(&root)?;
        }
        layout::check_fan_out(&root)?;
        let identity = |path: &Path| Ok(files::identity(&files::inspect(path)?));
        let identities = [&root, &blobs, &staging].map(|path| identity(path));
        let [first, second, third] = identities;
        let identities = [
            first.map_err(fail)?,
            second.map_err(fail)?,
            third.map_err(fail)?,
        ];
        Ok(Self {
            folder: root,
            blobs,
            staging,
            identities,
            failed_syncs: FailedSyncs::default(),
            metrics: SyncMetrics::new("fs"),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    pub(super) fn fan_out(&self, number: u8) -> PathBuf {
        self.blobs.join(fan_out_name(number))
    }

    pub(super) fn blob(&self, id: ArtifactId) -> PathBuf {
        self.fan_out(fan_out_of(id)).join(BlobName::of(id).as_str())
    }

    pub(super) fn failed_syncs(&self) -> &FailedSyncs {
        &self.failed_syncs
    }

    /// Returns an error if the path of the root, of the blobs or of the staging folder no longer leads to the
    /// folder that was opened. Without it, an absent name does not mean that the blob is absent.
    ///
    /// On systems other than Unix only missing folders, files and symlinks are noticed.
    pub(super) fn check(&self, operation: Operation) -> Result<()> {
        let folders = [&self.folder, &self.blobs, &self.staging];
        for (path, expected) in folders.into_iter().zip(self.identities) {
            match files::inspect(path) {
                Ok(found) if found.is_dir() && files::identity(&found) == expected => {}
                Err(error)
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    return Err(failed(operation, None, "inspect the root", error));
                }
                _ => {
                    return Err(Error::new(ErrorKind::Misconfigured, operation).with_detail(
                        "the root was removed or replaced while it was in use; restore it and restart",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns an error if the fan-out folder of a blob, or a folder above it, was removed or replaced.
    pub(super) fn check_for(&self, operation: Operation, id: ArtifactId) -> Result<()> {
        self.check_fan_out(operation, fan_out_of(id))
            .map_err(|error| error.with_id(id))
    }

    /// Does what [`check_for`](Self::check_for) does, for one fan-out folder.
    pub(super) fn check_fan_out(&self, operation: Operation, number: u8) -> Result<()> {
        self.check(operation)?;
        match files::inspect(&self.fan_out(number)) {
            Ok(found) if found.is_dir() => Ok(()),
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                let action = "inspect a fan-out folder";
                Err(failed(operation, None, action, error))
            }
            _ => Err(layout::lost_fan_out(operation)),
        }
    }

    /// Makes a call whose failure may lose data of any blob. Such a failure stops every later
    /// acknowledgement, also after a restart.
    pub(super) fn track<T>(
        &self,
        kind: DiskCall,
        call: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let blocks = if kind.is_sync() {
            Blocks::Any
        } else {
            Blocks::None
        };
        let track = || self.failed_syncs.track(kind, blocks, call);
        let result = if kind.is_sync() {
            self.metrics.time(track)
        } else {
            track()
        };
        if let Err(error) = &result
            && kind.loses_writes(error)
        {
            self.metrics.count_failure();
            failure_record::create(&self.folder, error);
        }
        result
    }

    /// Syncs the names in a folder.
    pub(super) fn sync(&self, folder: &OpenFolder) -> io::Result<()> {
        self.track(DiskCall::Sync, || folder.sync())
    }

    /// Returns an error unless every call of this process that overlapped with this operation has
    /// succeeded, and no other process has recorded a failed one. Called between the last sync of an
    /// operation and its acknowledgement.
    pub(super) fn confirm(&self, operation: Operation, id: Option<ArtifactId>) -> Result<()> {
        self.failed_syncs.wait_for_results(&Overlap::All);
        self.check_failed_syncs(operation, id)?;
        self.check(operation)
    }

    /// Returns an error if this process or another one has recorded a failed sync.
    pub(super) fn check_failed_syncs(
        &self,
        operation: Operation,
        id: Option<ArtifactId>,
    ) -> Result<()> {
        match failure_record::exists(&self.folder) {
            Ok(false) => {}
            Ok(true) => {
                self.failed_syncs.set_failed();
                self.metrics.refuse_writes();
            }
            Err(error) => {
                let action = "look for the file failed-sync";
                return Err(failed(operation, id, action, error));
            }
        }
        self.failed_syncs.check(operation, id)
    }
}
