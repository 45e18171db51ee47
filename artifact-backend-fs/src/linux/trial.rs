//! Stores one trial blob when the root is opened. A file system that cannot do what a store needs is
//! rejected then, and not at the first store.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use artifact_backend::{Error, Operation, Result};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::layout::staging_name;
use crate::linux::blob::BLOB_MODE;
use crate::linux::error::{failed, misconfigured, not_linked};
use crate::linux::staging::unnamed;
use crate::linux::{failure_record, sys};

const BYTES: &[u8] = b"trial blob of artifact-backend-fs\n";

/// The folders of a root, in which the trial takes place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folders<'a> {
    pub(crate) root: BorrowedFd<'a>,
    pub(crate) blobs: BorrowedFd<'a>,
    pub(crate) staging: BorrowedFd<'a>,
}

/// The step of a trial that failed, and how.
struct Failure {
    step: Step,
    errno: Errno,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Lock,
    Write,
    Sync,
    Link,
    SyncFolder,
    Read,
    Compare,
    Remove,
}

impl Step {
    fn failed(self, errno: Errno) -> Failure {
        Failure { step: self, errno }
    }
}

/// Stores, reads and deletes a trial blob. Returns whether unnamed temporary files work. With
/// `try_unnamed` false, only named ones are tried.
///
/// The trial blob is published in `staging/`, where a sweep finds it after a crash. A full or read-only
/// file system ends the trial without a verdict, because its blobs can still be read. Unnamed files are
/// then assumed to work, and the first store finds out.
///
/// # Errors
///
/// `Misconfigured` if the file system cannot make a hard link, sync a folder or lock a file, or does
/// not return what was written. Otherwise the error of the operating system.
pub(crate) fn run(folders: Folders<'_>, try_unnamed: bool) -> Result<bool> {
    for without_name in [true, false] {
        if without_name && !try_unnamed {
            continue;
        }
        match store(folders, without_name) {
            Ok(stat) => {
                warn_about(&stat);
                return Ok(without_name);
            }
            // After a failed sync or another fault of the disk, a way that works proves nothing.
            Err(failure) if is_disk_fault(&failure) => {
                if failure.errno == Errno::IO {
                    failure_record::create(folders.root, failure.errno);
                }
                return Err(failure.into_error());
            }
            Err(Failure {
                errno: Errno::NOSPC | Errno::DQUOT | Errno::ROFS,
                ..
            }) => {
                return Ok(try_unnamed);
            }
            Err(failure) if !without_name => return Err(failure.into_error()),
            Err(_) => {}
        }
    }
    Ok(false)
}

fn is_disk_fault(failure: &Failure) -> bool {
    match failure.step {
        Step::Create => false,
        Step::Sync | Step::SyncFolder => true,
        _ => failure.errno == Errno::IO,
    }
}

/// Stores, reads and deletes a trial blob in one way. Returns the attributes of its file.
fn store(folders: Folders<'_>, without_name: bool) -> Result<Stat, Failure> {
    let staging = folders.staging;
    let (temporary, published) = (staging_name(), staging_name());
    let file = if without_name {
        unnamed(folders.blobs)
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        sys::open_beneath(
            staging,
            &temporary,
            flags,
            Mode::RUSR,
            ResolveFlags::empty(),
        )
    };
    let file = file.map_err(|errno| Step::Create.failed(errno))?;
    let stat = publish(staging, &file, without_name, &published);
    // Whatever happened, both names are removed. What cannot be removed is a leftover.
    let mut removed = Ok(());
    for name in [&temporary, &published] {
        match sys::unlink(staging, name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => removed = Err(Step::Remove.failed(errno)),
        }
    }
    let stat = stat?;
    removed?;
    Ok(stat)
}

fn publish(
    staging: BorrowedFd<'_>,
    file: &OwnedFd,
    without_name: bool,
    name: &str,
) -> Result<Stat, Failure> {
    // Keeps a sweep away. Only named temporary files depend on locks.
    match sys::try_lock(file) {
        Err(errno) if !without_name => return Err(Step::Lock.failed(errno)),
        _ => {}
    }
    let step = |step: Step| move |errno| step.failed(errno);
    // A umask may have removed the owner's permission.
    let _ = sys::retry(|| rustix::fs::fchmod(file, Mode::from_raw_mode(BLOB_MODE)));
    sys::write_all(file.as_fd(), BYTES).map_err(step(Step::Write))?;
    sys::fsync(file).map_err(step(Step::Sync))?;
    sys::link(file.as_fd(), staging, name).map_err(step(Step::Link))?;
    sys::fsync(staging).map_err(step(Step::SyncFolder))?;
    let flags = OFlags::RDONLY;
    let found = sys::open_beneath(staging, name, flags, Mode::empty(), ResolveFlags::empty())
        .map_err(step(Step::Read))?;
    let stat = sys::stat(&found).map_err(step(Step::Read))?;
    let mut bytes = [0; BYTES.len() + 1];
    let length =
        sys::retry(|| rustix::io::pread(&found, &mut bytes, 0)).map_err(step(Step::Read))?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || u64::try_from(stat.st_size) != Ok(length as u64) || bytes[..length] != *BYTES {
        return Err(Step::Compare.failed(Errno::IO));
    }
    Ok(stat)
}

/// Logs a warning if the file system does not keep the owner and mode of a file. The bytes are safe,
/// but other users may be able to read them.
fn warn_about(stat: &Stat) {
    let (mode, owner) = (stat.st_mode & 0o7777, stat.st_uid);
    if mode & 0o077 != 0 || owner != rustix::process::geteuid().as_raw() {
        tracing::warn!(
            mode = format_args!("{mode:04o}"),
            owner,
            "the file system of the root does not keep the mode and owner of a file: other users may be \
             able to read blobs unless the path to the root is closed to them"
        );
    }
}

impl Failure {
    fn into_error(self) -> Error {
        let Self { step, errno } = self;
        let action = match step {
            Step::Create => "create a trial blob",
            Step::Lock => return misconfigured(
                "the file system of the root does not support locks (flock), which named temporary files \
                 need; mount it with locks, or choose another file system",
            )
            .with_source(std::io::Error::from(errno)),
            Step::Write => "write a trial blob",
            Step::Sync => "sync a trial blob",
            Step::Link => {
                return not_linked(Operation::Open, None, "link a trial blob to its name", errno);
            }
            Step::SyncFolder => {
                if matches!(errno, Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::BADF) {
                    return misconfigured(
                        "the file system of the root cannot sync a folder, so a power cut could lose \
                         acknowledged blobs; choose another file system",
                    )
                    .with_source(std::io::Error::from(errno));
                }
                "sync the folder of a trial blob"
            }
            Step::Read => "read a trial blob",
            Step::Compare => {
                return misconfigured(
                    "a trial blob was read back with other bytes than were written; check the file \
                     system of the root",
                );
            }
            Step::Remove => "remove a trial blob",
        };
        failed(Operation::Open, None, action, errno)
    }
}
