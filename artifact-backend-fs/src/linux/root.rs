//! The root folder: opened and checked once, then held by descriptors.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use artifact_backend::metrics::SyncMetrics;
use artifact_backend::{
    ArtifactId, Error, ErrorKind, Operation, Ownership, OwnershipError, Result,
};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use crate::failed_syncs::{Blocks, DiskCall, FailedSyncs, Overlap};
use crate::layout::{self, BLOBS, RESERVED, STAGING};
use crate::linux::error::{failed, misconfigured};
use crate::linux::filesystem::FileSystem;
use crate::linux::marker;
use crate::linux::trial::{self, Folders};
use crate::linux::{failure_record, fan_out, sys};
use crate::version::Version;

/// The folders that all file names are relative to.
#[derive(Debug)]
pub(crate) struct Root {
    folder: File,
    blobs: File,
    staging: File,
    migrating: AtomicBool,
    file_system: FileSystem,
    unnamed_files: bool,
    failed_syncs: FailedSyncs,
    metrics: SyncMetrics,
    durable_sizes: [AtomicU64; layout::FAN_OUT as usize],
    device: u64,
}

impl Root {
    /// Opens the folder. Creates it if only its last component is missing. A trial blob shows that the
    /// file system can do what a store needs, and whether unnamed temporary files work;
    /// `try_unnamed` false rules these out. `link_count_sync` treats the file system as one without a journal.
    pub(crate) fn open(path: &Path, try_unnamed: bool, link_count_sync: bool) -> Result<Self> {
        let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
        create_root(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        // Symlinks in the operator's path are followed, even the last component.
        let root = sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty())).map_err(
            |errno| match errno {
                Errno::NOTDIR => misconfigured("the root is not a folder"),
                errno => fail("open the root")(errno),
            },
        )?;
        check_owner(root.as_fd(), "the root")?;
        sys::probe(root.as_fd());
        failure_record::check(root.as_fd())?;
        let mut version = marker::read(root.as_fd())?;
        let (blobs, staging) = if version.is_none() {
            create_layout(root.as_fd())?
        } else {
            let blobs = open_folder(root.as_fd(), BLOBS)?;
            (blobs, create_folder(root.as_fd(), STAGING)?)
        };
        let folders = Folders {
            root: root.as_fd(),
            blobs: blobs.as_fd(),
            staging: staging.as_fd(),
        };
        let unnamed_files = trial::run(folders, try_unnamed)?;
        if version.is_none() {
            marker::create(root.as_fd(), staging.as_fd())?;
            version = marker::read(root.as_fd())?;
        }
        match version {
            Some(Version::Flat) => {
                fan_out::create(root.as_fd(), blobs.as_fd())?;
                // No blob enters a fan-out folder before older releases reject the root.
                marker::replace(root.as_fd(), staging.as_fd(), Version::Migrating)
                    .map_err(fail("replace the format marker"))?;
            }
            Some(Version::Migrating | Version::FanOut) => fan_out::check(blobs.as_fd())?,
            None => {
                return Err(Error::new(ErrorKind::Unexpected, Operation::Open)
                    .with_detail("the format marker disappeared right after it was created"));
            }
        }
        let stat = sys::stat(&blobs).map_err(fail("inspect the folder of blobs"))?;
        let mut file_system = FileSystem::detect(blobs.as_fd(), stat.st_dev);
        file_system.journals_links &= !link_count_sync;
        for risk in &file_system.risks {
            tracing::warn!(root = %path.display(), "{risk}");
        }
        Ok(Self {
            file_system,
            folder: root.into(),
            blobs: blobs.into(),
            staging: staging.into(),
            migrating: AtomicBool::new(version != Some(Version::FanOut)),
            unnamed_files,
            failed_syncs: FailedSyncs::default(),
            metrics: SyncMetrics::new("fs"),
            durable_sizes: Default::default(),
            device: stat.st_dev,
        })
    }

    /// Returns the root itself.
    pub(crate) fn folder(&self) -> &File {
        &self.folder
    }

    /// Returns whether `blobs/` itself may still contain blobs of layout version 1.
    ///
    /// An operation reads this before it looks into a fan-out folder. A blob only ever moves from
    /// `blobs/` to its fan-out folder, so a blob that is not there was in `blobs/` before or is absent.
    pub(crate) fn is_migrating(&self) -> bool {
        self.migrating.load(Ordering::Acquire)
    }

    /// Records durably that `blobs/` contains no blob. The caller has synced every folder.
    pub(crate) fn end_migration(&self) -> sys::SysResult<()> {
        self.track(DiskCall::ChangeName, || {
            marker::replace(self.folder.as_fd(), self.staging(), Version::FanOut)
        })?;
        self.migrating.store(false, Ordering::Release);
        Ok(())
    }

    pub(crate) fn blobs(&self) -> BorrowedFd<'_> {
        self.blobs.as_fd()
    }

    pub(crate) fn staging(&self) -> BorrowedFd<'_> {
        self.staging.as_fd()
    }

    pub(crate) fn failed_syncs(&self) -> &FailedSyncs {
        &self.failed_syncs
    }

    /// Makes a system call whose failure may lose data of any blob. Such a failure stops every later
    /// acknowledgement, also after a restart.
    pub(crate) fn track<T>(
        &self,
        kind: DiskCall,
        call: impl FnOnce() -> sys::SysResult<T>,
    ) -> sys::SysResult<T> {
        let blocks = if kind.is_sync() {
            Blocks::Any
        } else {
            Blocks::None
        };
        self.track_in(kind, blocks, call)
    }

    /// Does what [`track`](Self::track) does, for a call of which it is known what it may write.
    pub(crate) fn track_in<T>(
        &self,
        kind: DiskCall,
        blocks: Blocks,
        call: impl FnOnce() -> sys::SysResult<T>,
    ) -> sys::SysResult<T> {
        let track = || self.failed_syncs.track(kind, blocks, call);
        let result = if kind.is_sync() {
            self.metrics.time(track)
        } else {
            track()
        };
        if let Err(errno) = result
            && kind.loses_writes(&errno)
        {
            self.metrics.count_failure();
            failure_record::create(self.folder.as_fd(), errno);
        }
        result
    }

    /// Syncs a file or folder after its blob got a name.
    pub(crate) fn sync(&self, fd: impl AsFd) -> sys::SysResult<()> {
        self.track(DiskCall::Sync, || sys::fsync(fd))
    }

    /// Returns the block of the inode table that has a file's inode, if the file system has such a table.
    pub(crate) fn inode_block(&self, stat: &Stat) -> Option<u64> {
        let inodes = self.file_system.inodes_per_block?;
        Some(stat.st_ino.saturating_sub(1) / inodes)
    }

    /// The size of each fan-out folder that is known to be on the disk.
    pub(crate) fn durable_size(&self, fan_out: u8) -> &AtomicU64 {
        &self.durable_sizes[usize::from(fan_out)]
    }

    /// Returns an error unless every call of this process that overlapped with this operation has
    /// succeeded, and no other process has recorded a failed one. Called between the last sync of an
    /// operation and its acknowledgement.
    pub(crate) fn confirm(
        &self,
        operation: Operation,
        id: Option<ArtifactId>,
        overlap: &Overlap,
    ) -> Result<()> {
        // A file system with a journal stops by itself when it cannot write metadata.
        if !self.journals_links() {
            // Lets ext4 count errors that no sync reported.
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            };
            let times = Timestamps {
                last_access: now,
                last_modification: now,
            };
            sys::retry(|| rustix::fs::futimens(&self.staging, &times))
                .map_err(|errno| failed(operation, id, "touch the staging folder", errno))?;
            self.failed_syncs.wait_for_results(overlap);
            if self.file_system.has_new_errors() {
                self.failed_syncs.set_failed();
                self.metrics.count_failure();
                failure_record::create(self.folder.as_fd(), Errno::IO);
            }
        }
        self.check_failed_syncs(operation, id)
    }

    /// Returns an error if this process or another one has recorded a failed sync.
    pub(crate) fn check_failed_syncs(
        &self,
        operation: Operation,
        id: Option<ArtifactId>,
    ) -> Result<()> {
        match failure_record::exists(self.folder.as_fd()) {
            Ok(false) => {}
            Ok(true) => {
                self.failed_syncs.set_failed();
                self.metrics.refuse_writes();
            }
            Err(errno) => {
                let action = "look for the file failed-sync";
                return Err(failed(operation, id, action, errno));
            }
        }
        self.failed_syncs.check(operation, id)
    }

    pub(crate) fn journals_links(&self) -> bool {
        self.file_system.journals_links
    }

    /// Opens a new descriptor of the folder of blobs.
    pub(crate) fn open_blobs(&self) -> sys::SysResult<File> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        sys::retry(|| rustix::fs::openat(&self.blobs, ".", flags, Mode::empty())).map(File::from)
    }

    pub(crate) fn is_local(&self) -> bool {
        self.file_system.local
    }

    /// Returns the device of the folder of blobs. On an overlay, blobs can be on other devices.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// Returns whether unnamed temporary files worked when the root was opened.
    pub(crate) fn unnamed_files(&self) -> bool {
        self.unnamed_files
    }

    /// Returns an error if the folder of blobs was removed. A removed folder looks empty through its
    /// descriptor, which does not mean that a blob is absent.
    pub(crate) fn check_alive(&self, operation: Operation) -> Result<()> {
        let stat = sys::stat(&self.blobs)
            .map_err(|errno| failed(operation, None, "inspect the folder of blobs", errno))?;
        if stat.st_nlink > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Misconfigured, operation)
            .with_detail("the root was removed while it was in use; restore it and restart"))
    }
}

/// Creates the root if it is missing. [`create_layout`] makes its name durable.
fn create_root(path: &Path) -> Result<()> {
    let fail = |errno| match errno {
        Errno::NOENT => misconfigured("the parent folder of the root does not exist; create it"),
        errno => failed(Operation::Open, None, "create the root", errno),
    };
    match sys::retry(|| rustix::fs::mkdirat(CWD, path, Mode::RWXU)) {
        Err(Errno::EXIST) => Ok(()),
        Ok(()) => {
            set_folder_mode(CWD, path);
            Ok(())
        }
        Err(errno) => Err(fail(errno)),
    }
}

/// Gives a new folder its mode, because a umask may have removed the owner's permissions.
///
/// A failure is harmless: some file systems have modes of their own and refuse the change, and whether
/// the folder can be used is checked when it is opened.
fn set_folder_mode(parent: BorrowedFd<'_>, path: &Path) {
    let _ = sys::retry(|| rustix::fs::chmodat(parent, path, Mode::RWXU, AtFlags::empty()));
}

/// Creates the folders of a new root. The caller creates the marker last, when everything else is
/// durable, including the root's own name. If a root with a marker lacks a folder, that folder was lost.
fn create_layout(root: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd)> {
    let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
    check_empty(root)?;
    let blobs = create_folder(root, BLOBS)?;
    let staging = create_folder(root, STAGING)?;
    fan_out::create(root, blobs.as_fd())?;
    failure_record::sync(root, root).map_err(fail("sync the root"))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    match sys::retry(|| rustix::fs::openat(root, "..", flags, Mode::empty())) {
        Ok(parent) => failure_record::sync(root, parent)
            .map_err(fail("sync the parent folder of the root"))?,
        // The parent is not readable, so another user created the root and made its name durable.
        Err(Errno::ACCESS) => {}
        Err(errno) => return Err(fail("open the parent folder of the root")(errno)),
    }
    Ok((blobs, staging))
}

/// Opens a folder of the layout, or creates it. The caller syncs the root.
pub(crate) fn create_folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let fail = |errno| {
        failed(
            Operation::Open,
            None,
            "create a folder of the layout",
            errno,
        )
    };
    match sys::retry(|| rustix::fs::mkdirat(root, name, Mode::RWXU)) {
        Ok(()) => set_folder_mode(root, Path::new(name)),
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(fail(errno)),
    }
    open_folder(root, name)
}

/// Opens a folder of the layout.
fn open_folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let fail = |errno| failed(Operation::Open, None, "open a folder of the layout", errno);
    let folder = sys::open_folder(root, name).map_err(|errno| match errno {
        Errno::LOOP | Errno::NOTDIR => misconfigured(
            "a folder of the layout is not a folder but something else, such as a symlink",
        ),
        Errno::NOENT => misconfigured(
            "the root has a format marker but no folder of blobs; restore the folder from a backup",
        ),
        Errno::XDEV => misconfigured(
            "a folder of the layout is on another file system than the root; unmount it",
        ),
        errno => fail(errno),
    })?;
    check_owner(folder.as_fd(), "a folder of the layout")?;
    Ok(folder)
}

/// Rejects a folder that every user can write to, or that belongs to another user than this process and
/// root: that user could replace blobs. A group that can write is a warning: a volume that an
/// orchestrator prepares has such modes (`fsGroup`), and the digest of each artifact detects a replaced
/// blob.
fn check_owner(folder: BorrowedFd<'_>, name: &str) -> Result<()> {
    let stat = sys::stat(folder)
        .map_err(|errno| failed(Operation::Open, None, "inspect a folder", errno))?;
    let me = rustix::process::geteuid().as_raw();
    let checked = Ownership::new(stat.st_uid, stat.st_mode, me).check_trusted();
    let detail = if let Err(error @ OwnershipError::ForeignOwner { .. }) = checked {
        format!("{name} {error}")
    } else if stat.st_mode & 0o002 != 0 {
        format!(
            "others can write to {name} (mode {:03o}); chmod 700 it",
            stat.st_mode & 0o777
        )
    } else {
        if stat.st_mode & 0o020 != 0 {
            tracing::warn!(
                mode = format_args!("{:03o}", stat.st_mode & 0o777),
                "the group of {name} can write to it, so its members can delete or replace blobs; chmod \
                 700 it unless an orchestrator sets this mode"
            );
        }
        return Ok(());
    };
    Err(misconfigured(detail))
}

/// Rejects a root without a marker that contains foreign files. Empty folders of the layout are allowed: another
/// process may be opening the same new root, or was killed while it did.
fn check_empty(root: BorrowedFd<'_>) -> Result<()> {
    let mut foreign = has_other_than(root, &RESERVED)?;
    if let Ok(blobs) = sys::open_folder(root, BLOBS) {
        let names: Vec<_> = layout::fan_out().map(layout::fan_out_name).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        foreign |= has_other_than(blobs.as_fd(), &names)?;
        for name in names {
            if let Ok(folder) = sys::open_folder(blobs.as_fd(), name) {
                foreign |= has_other_than(folder.as_fd(), &[])?;
            }
        }
    }
    // Another process that opens the root may have finished and stored blobs already.
    if !foreign || marker::read(root)?.is_some() {
        return Ok(());
    }
    Err(misconfigured(
        "the root is not empty and has no format marker, so it is not an artifact store; choose an \
         empty folder",
    ))
}

fn has_other_than(folder: BorrowedFd<'_>, known: &[&str]) -> Result<bool> {
    let fail = |errno| failed(Operation::Open, None, "read the root", errno);
    for entry in rustix::fs::Dir::read_from(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_bytes();
        let is = |known: &&str| known.as_bytes() == name;
        if ![".", ".."].iter().any(is) && !known.iter().any(is) {
            return Ok(true);
        }
    }
    Ok(false)
}
