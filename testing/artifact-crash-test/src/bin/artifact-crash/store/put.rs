//! Stores and deletes blobs as a recipe says.

use std::fmt;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, fsync, futimens, linkat, mkdirat,
    openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::recipe::{OnSyncError, Recipe, Stage, Sync};

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    recipe: Recipe,
    root: OwnedFd,
    /// Whether a sync failed. Nothing is acknowledged after that.
    sync_failed: AtomicBool,
    next_name: AtomicU64,
}

/// The outcome of a successful put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutOutcome {
    Stored,
    Exists,
}

/// The reason why a put failed.
#[derive(Debug)]
pub(crate) enum PutError {
    Step(&'static str, Errno),
    SyncFailedBefore,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step, errno) => write!(f, "{step}: {errno}"),
            Self::SyncFailedBefore => f.write_str("an earlier sync failed"),
        }
    }
}

impl std::error::Error for PutError {}

/// Returns a function for `map_err` that adds the failed step.
fn step(step: &'static str) -> impl FnOnce(Errno) -> PutError {
    move |errno| PutError::Step(step, errno)
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
const NEW: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::CLOEXEC);
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Store {
    pub(crate) fn open(recipe: Recipe, root: &std::path::Path) -> Result<Self, PutError> {
        let root = openat(CWD, root, FOLDER, Mode::empty()).map_err(step("open the root"))?;
        for folder in ["blobs", "staging"] {
            make_folder(&root, folder)?;
        }
        fsync(&root).map_err(step("sync the root"))?;
        let store = Self {
            recipe,
            root,
            sync_failed: AtomicBool::new(false),
            next_name: AtomicU64::new(0),
        };
        if recipe.fan_out {
            store.make_fan_out()?;
        }
        Ok(store)
    }

    /// Creates the fan-out folders durably, before the first promise, as artifact-backend-fs does.
    ///
    /// A store that creates one for its first blob can lose it. On ext4 without a journal, the sync of another thread can make
    /// the name of a new folder durable before its inode. If the inode was that of a file that was removed before,
    /// e2fsck(8) finds a name that leads to this file, and makes it a file: it lies where blobs with this prefix
    /// would need a folder. The judge is right to call it a stray file, so the store avoids it.
    fn make_fan_out(&self) -> Result<(), PutError> {
        let blobs = self.folder("blobs")?;
        for digit in "0123456789abcdef".chars() {
            let name = digit.to_string();
            make_folder(&blobs, &name)?;
            let folder = openat(&blobs, &*name, FOLDER, Mode::empty());
            self.sync(&folder.map_err(step("open a folder"))?)?;
        }
        if self.recipe.sync_fan_out_parent {
            self.sync(&blobs)?;
        }
        Ok(())
    }

    /// Stores one blob. Calls `acknowledge` at the moment that the recipe considers right.
    pub(crate) fn put(
        &self,
        id: &str,
        bytes: &[u8],
        acknowledge: impl Fn(),
    ) -> Result<PutOutcome, PutError> {
        let recipe = &self.recipe;
        // Each call opens its own handles before it changes anything, because a failed sync is reported
        // once to each handle that was open at that time, and to no other.
        let blobs = self.folder("blobs")?;
        let folder = self.blob_folder(&blobs, id)?;
        let (file, staged) = match self.stage(&folder, id) {
            Err(PutError::Step(_, Errno::EXIST)) if recipe.stage == Stage::InPlace => {
                return self.exists(&blobs, &folder);
            }
            staged => staged?,
        };
        self.write(&file, bytes)?;
        if !recipe.acknowledge_last {
            acknowledge();
        }
        if recipe.sync_file == Sync::BeforePublish {
            self.sync(&file)?;
        }
        match self.publish(&file, staged.as_ref(), &folder, id) {
            Err(Errno::EXIST) => {
                remove(staged);
                return self.exists(&blobs, &folder);
            }
            published => published.map_err(step("publish"))?,
        }
        if recipe.sync_file == Sync::AfterPublish || recipe.sync_link_count {
            self.sync(&file)?;
        }
        if recipe.sync_folder {
            self.sync_folders(&blobs, &folder)?;
        }
        remove(staged);
        self.check_no_failed_sync()?;
        if recipe.acknowledge_last {
            acknowledge();
        }
        Ok(PutOutcome::Stored)
    }

    /// Deletes an existing blob.
    pub(crate) fn delete(&self, id: &str) -> Result<(), PutError> {
        let blobs = self.folder("blobs")?;
        let folder = self.blob_folder(&blobs, id)?;
        unlinkat(&folder, id, AtFlags::empty()).map_err(step("unlink"))?;
        if self.recipe.sync_deletion {
            self.sync(&folder)?;
        }
        self.check_no_failed_sync()
    }

    fn folder(&self, name: &str) -> Result<OwnedFd, PutError> {
        openat(&self.root, name, FOLDER, Mode::empty()).map_err(step("open a folder"))
    }

    fn blob_folder(&self, blobs: &OwnedFd, id: &str) -> Result<OwnedFd, PutError> {
        let name = if self.recipe.fan_out { &id[..1] } else { "." };
        openat(blobs, name, FOLDER, Mode::empty()).map_err(step("open a folder"))
    }

    /// Creates a file. Also returns its folder and name until it is published.
    fn stage(&self, folder: &OwnedFd, id: &str) -> Result<(OwnedFd, Option<Staged>), PutError> {
        let number = self.next_name.fetch_add(1, Ordering::Relaxed);
        let (staging, name) = match self.recipe.stage {
            Stage::Named => (self.folder("staging")?, format!("{id}-{number}")),
            Stage::Beside => (copy(folder)?, format!("{id}.tmp{number}")),
            Stage::InPlace => {
                let file = openat(folder, id, NEW, PRIVATE).map_err(step("create"))?;
                return Ok((file, None));
            }
            Stage::Tmpfile => {
                let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
                let file = openat(folder, ".", flags, PRIVATE).map_err(step("O_TMPFILE"))?;
                return Ok((file, None));
            }
        };
        let file = openat(&staging, &*name, NEW, PRIVATE).map_err(step("create"))?;
        Ok((file, Some((staging, name))))
    }

    fn write(&self, file: &OwnedFd, bytes: &[u8]) -> Result<(), PutError> {
        for mut chunk in bytes.chunks(8 * 1024) {
            while !chunk.is_empty() {
                let written = rustix::io::write(file, chunk).map_err(step("write"))?;
                chunk = if self.recipe.write_all {
                    &chunk[written..]
                } else {
                    &[]
                };
            }
        }
        Ok(())
    }

    fn publish(
        &self,
        file: &OwnedFd,
        staged: Option<&Staged>,
        folder: &OwnedFd,
        id: &str,
    ) -> Result<(), Errno> {
        match (staged, self.recipe.stage) {
            (Some((staging, name)), _) if self.recipe.exclusive => {
                linkat(staging, &**name, folder, id, AtFlags::empty())
            }
            (Some((staging, name)), _) => renameat(staging, &**name, folder, id),
            (None, Stage::Tmpfile) => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(CWD, path, folder, id, AtFlags::SYMLINK_FOLLOW)
            }
            (None, _) => Ok(()),
        }
    }

    fn exists(&self, blobs: &OwnedFd, folder: &OwnedFd) -> Result<PutOutcome, PutError> {
        if self.recipe.touch_before_exists {
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            };
            let times = Timestamps {
                last_access: now,
                last_modification: now,
            };
            futimens(folder, &times).map_err(step("touch"))?;
        }
        if self.recipe.sync_before_exists {
            self.sync_folders(blobs, folder)?;
        }
        self.check_no_failed_sync()?;
        Ok(PutOutcome::Exists)
    }

    fn sync_folders(&self, blobs: &OwnedFd, folder: &OwnedFd) -> Result<(), PutError> {
        self.sync(folder)?;
        if self.recipe.fan_out && self.recipe.sync_fan_out_parent {
            self.sync(blobs)?;
        }
        Ok(())
    }

    fn sync(&self, file: &OwnedFd) -> Result<(), PutError> {
        let synced = match (fsync(file), self.recipe.on_sync_error) {
            (Err(_), OnSyncError::Retry) => fsync(file),
            (Err(_), OnSyncError::Ignore) => Ok(()),
            (synced, _) => synced,
        };
        synced.map_err(|errno| {
            self.sync_failed.store(true, Ordering::SeqCst);
            PutError::Step("sync", errno)
        })
    }

    fn check_no_failed_sync(&self) -> Result<(), PutError> {
        if self.sync_failed.load(Ordering::SeqCst) {
            Err(PutError::SyncFailedBefore)
        } else {
            Ok(())
        }
    }
}

/// A folder and a name in it.
type Staged = (OwnedFd, String);

/// Removes a staged file. If that fails, the leftover stays where a sweep would find it.
fn remove(staged: Option<Staged>) {
    if let Some((folder, name)) = staged {
        let _ = unlinkat(&folder, &*name, AtFlags::empty());
    }
}

fn copy(folder: &OwnedFd) -> Result<OwnedFd, PutError> {
    folder
        .try_clone()
        .map_err(|_| PutError::Step("copy a descriptor", Errno::MFILE))
}

fn make_folder(parent: &OwnedFd, name: &str) -> Result<(), PutError> {
    match mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => made.map_err(step("make a folder")),
    }
}
