//! Storing and deleting one blob, by the recipe.

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
    /// A sync failed: nothing is promised any more.
    failed: AtomicBool,
    names: AtomicU64,
}

/// How a store was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Stored,
    Exists,
}

/// Why a store failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Step(&'static str, Errno),
    SyncFailedBefore,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step, errno) => write!(f, "{step}: {errno}"),
            Self::SyncFailedBefore => f.write_str("a sync has failed before"),
        }
    }
}

impl std::error::Error for Failure {}

/// For `map_err`: the step at which it failed.
fn at(step: &'static str) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure::Step(step, errno)
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
    pub(crate) fn open(recipe: Recipe, root: &std::path::Path) -> Result<Self, Failure> {
        let root = openat(CWD, root, FOLDER, Mode::empty()).map_err(at("open the root"))?;
        for folder in ["blobs", "staging"] {
            make_folder(&root, folder)?;
        }
        fsync(&root).map_err(at("sync the root"))?;
        Ok(Self {
            recipe,
            root,
            failed: AtomicBool::new(false),
            names: AtomicU64::new(0),
        })
    }

    /// Stores one blob. `acknowledge` is called where this recipe believes that it may.
    pub(crate) fn put(
        &self,
        id: &str,
        bytes: &[u8],
        acknowledge: impl Fn(),
    ) -> Result<Answer, Failure> {
        let recipe = &self.recipe;
        // Every caller has handles of its own, opened before it changes anything: a sync that fails
        // is reported once to each handle that was open then, and to no other.
        let blobs = self.folder("blobs")?;
        let folder = self.blob_folder(&blobs, id)?;
        let (file, staged) = match self.stage(&folder, id) {
            Err(Failure::Step(_, Errno::EXIST)) if recipe.stage == Stage::InPlace => {
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
            published => published.map_err(at("publish"))?,
        }
        if recipe.sync_file == Sync::AfterPublish || recipe.sync_link_count {
            self.sync(&file)?;
        }
        if recipe.sync_folder {
            self.sync_folders(&blobs, &folder)?;
        }
        remove(staged);
        self.nothing_failed()?;
        if recipe.acknowledge_last {
            acknowledge();
        }
        Ok(Answer::Stored)
    }

    /// Deletes a blob that is there.
    pub(crate) fn delete(&self, id: &str) -> Result<(), Failure> {
        let blobs = self.folder("blobs")?;
        let folder = self.blob_folder(&blobs, id)?;
        unlinkat(&folder, id, AtFlags::empty()).map_err(at("unlink"))?;
        if self.recipe.sync_deletion {
            self.sync(&folder)?;
        }
        self.nothing_failed()
    }

    fn folder(&self, name: &str) -> Result<OwnedFd, Failure> {
        openat(&self.root, name, FOLDER, Mode::empty()).map_err(at("open a folder"))
    }

    fn blob_folder(&self, blobs: &OwnedFd, id: &str) -> Result<OwnedFd, Failure> {
        let name = if self.recipe.fan_out { &id[..2] } else { "." };
        if self.recipe.fan_out {
            make_folder(blobs, name)?;
        }
        openat(blobs, name, FOLDER, Mode::empty()).map_err(at("open a folder"))
    }

    /// A new file, and the folder and name that it has until it is published.
    fn stage(&self, folder: &OwnedFd, id: &str) -> Result<(OwnedFd, Option<Staged>), Failure> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let (place, name) = match self.recipe.stage {
            Stage::Named => (self.folder("staging")?, format!("{id}-{number}")),
            Stage::Beside => (copy(folder)?, format!("{id}.tmp{number}")),
            Stage::InPlace => {
                let file = openat(folder, id, NEW, PRIVATE).map_err(at("create"))?;
                return Ok((file, None));
            }
            Stage::Tmpfile => {
                let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
                let file = openat(folder, ".", flags, PRIVATE).map_err(at("O_TMPFILE"))?;
                return Ok((file, None));
            }
        };
        let file = openat(&place, &*name, NEW, PRIVATE).map_err(at("create"))?;
        Ok((file, Some((place, name))))
    }

    fn write(&self, file: &OwnedFd, bytes: &[u8]) -> Result<(), Failure> {
        for mut chunk in bytes.chunks(8 * 1024) {
            while !chunk.is_empty() {
                let written = rustix::io::write(file, chunk).map_err(at("write"))?;
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
            (Some((place, name)), _) if self.recipe.exclusive => {
                linkat(place, &**name, folder, id, AtFlags::empty())
            }
            (Some((place, name)), _) => renameat(place, &**name, folder, id),
            (None, Stage::Tmpfile) => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(CWD, path, folder, id, AtFlags::SYMLINK_FOLLOW)
            }
            (None, _) => Ok(()),
        }
    }

    fn exists(&self, blobs: &OwnedFd, folder: &OwnedFd) -> Result<Answer, Failure> {
        if self.recipe.touch_before_exists {
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            };
            let times = Timestamps {
                last_access: now,
                last_modification: now,
            };
            futimens(folder, &times).map_err(at("touch"))?;
        }
        if self.recipe.sync_before_exists {
            self.sync_folders(blobs, folder)?;
        }
        self.nothing_failed()?;
        Ok(Answer::Exists)
    }

    fn sync_folders(&self, blobs: &OwnedFd, folder: &OwnedFd) -> Result<(), Failure> {
        self.sync(folder)?;
        if self.recipe.fan_out && self.recipe.sync_fan_out_parent {
            self.sync(blobs)?;
        }
        Ok(())
    }

    fn sync(&self, file: &OwnedFd) -> Result<(), Failure> {
        let synced = match (fsync(file), self.recipe.on_sync_error) {
            (Err(_), OnSyncError::Retry) => fsync(file),
            (Err(_), OnSyncError::Ignore) => Ok(()),
            (synced, _) => synced,
        };
        synced.map_err(|errno| {
            self.failed.store(true, Ordering::SeqCst);
            Failure::Step("sync", errno)
        })
    }

    fn nothing_failed(&self) -> Result<(), Failure> {
        if self.failed.load(Ordering::SeqCst) {
            Err(Failure::SyncFailedBefore)
        } else {
            Ok(())
        }
    }
}

/// A folder and a name in it.
type Staged = (OwnedFd, String);

/// A leftover that cannot be removed lies where a sweep finds it.
fn remove(staged: Option<Staged>) {
    if let Some((place, name)) = staged {
        let _ = unlinkat(&place, &*name, AtFlags::empty());
    }
}

fn copy(folder: &OwnedFd) -> Result<OwnedFd, Failure> {
    folder
        .try_clone()
        .map_err(|_| Failure::Step("copy a descriptor", Errno::MFILE))
}

fn make_folder(parent: &OwnedFd, name: &str) -> Result<(), Failure> {
    match mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => made.map_err(at("make a folder")),
    }
}
