//! System calls: each is retried if a signal interrupts it. A name is a single component relative to a held folder, and no symlink
//! is followed.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

pub(crate) type SysResult<T> = Result<T, Errno>;

/// Repeats a call that a signal interrupted (EINTR, signal(7)).
pub(crate) fn retry<T>(mut call: impl FnMut() -> SysResult<T>) -> SysResult<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Opens a file in a folder. It does not follow a symlink or wait for the other end of a FIFO, and rejects everything but a
/// regular file by `EMEDIUMTYPE`.
pub(crate) fn open_file(folder: BorrowedFd<'_>, name: &str, flags: OFlags) -> SysResult<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = retry(|| rustix::fs::openat(folder, name, flags, mode))?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile {
        Ok(file.into())
    } else {
        Err(Errno::MEDIUMTYPE)
    }
}

/// Opens a folder in a folder. It does not follow a symlink.
pub(crate) fn open_folder(folder: BorrowedFd<'_>, name: &str) -> SysResult<File> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry(|| rustix::fs::openat(folder, name, flags, Mode::empty())).map(File::from)
}

/// Creates a folder with mode 0700, unless it exists.
pub(crate) fn create_folder(
    folder: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
) -> SysResult<()> {
    match retry(|| rustix::fs::mkdirat(folder, name, Mode::RWXU)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Returns the names in a folder that are UTF-8. All names of this backend are.
pub(crate) fn names(folder: BorrowedFd<'_>) -> SysResult<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        if let Ok(name) = entry?.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Returns whether a name exists, whatever it refers to.
pub(crate) fn exists(folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    match retry(|| rustix::fs::statat(folder, name, flags)) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes a name, unless it is gone.
pub(crate) fn unlink(folder: BorrowedFd<'_>, name: &str) -> SysResult<()> {
    match retry(|| rustix::fs::unlinkat(folder, name, rustix::fs::AtFlags::empty())) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Returns whether a file or folder still has a name.
pub(crate) fn is_linked(file: impl AsFd) -> SysResult<bool> {
    Ok(retry(|| rustix::fs::fstat(file.as_fd()))?.st_nlink > 0)
}

/// Returns the size of a file in bytes.
pub(crate) fn size(file: impl AsFd) -> SysResult<u64> {
    let size = retry(|| rustix::fs::fstat(file.as_fd()))?.st_size;
    u64::try_from(size).map_err(|_| Errno::OVERFLOW)
}

pub(crate) fn set_size(file: impl AsFd, size: u64) -> SysResult<()> {
    retry(|| rustix::fs::ftruncate(file.as_fd(), size))
}

pub(crate) fn fsync(file: impl AsFd) -> SysResult<()> {
    retry(|| rustix::fs::fsync(file.as_fd()))
}

pub(crate) fn fdatasync(file: impl AsFd) -> SysResult<()> {
    retry(|| rustix::fs::fdatasync(file.as_fd()))
}

/// Takes the lock of a folder. Returns false if another process, or another handle of this one, has it (flock(2)).
pub(crate) fn try_lock(folder: impl AsFd) -> SysResult<bool> {
    match retry(|| rustix::fs::flock(folder.as_fd(), FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

pub(crate) fn unlock(folder: impl AsFd) {
    // The lock ends with the descriptor at the latest.
    let _ = retry(|| rustix::fs::flock(folder.as_fd(), FlockOperation::Unlock));
}

/// Writes all bytes at `at`, and continues after a short write (pwrite(2)).
pub(crate) fn write_all(file: impl AsFd, mut bytes: &[u8], mut at: u64) -> SysResult<()> {
    while !bytes.is_empty() {
        let written = retry(|| rustix::io::pwrite(file.as_fd(), bytes, at))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Fills the buffer from `at` on, and waits for the disk. `ENODATA` if the file ends before.
pub(crate) fn read_exact(file: impl AsFd, mut bytes: &mut [u8], mut at: u64) -> SysResult<()> {
    while !bytes.is_empty() {
        let read = retry(|| rustix::io::pread(file.as_fd(), &mut *bytes, at))?;
        if read == 0 {
            return Err(Errno::NODATA);
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(())
}

/// Fills the buffer from `at` on if all of it is cached, and never waits for the disk. An error counts as not cached: the blocking
/// read that follows will report it.
pub(crate) fn read_cached(file: impl AsFd, bytes: &mut [u8], at: u64) -> bool {
    let wanted = bytes.len();
    let mut buffers = [IoSliceMut::new(bytes)];
    let read = rustix::io::preadv2(file.as_fd(), &mut buffers, at, ReadWriteFlags::NOWAIT);
    read == Ok(wanted)
}

/// Gives the blocks of a range back to the file system (fallocate(2)). It then reads as zeros.
pub(crate) fn punch(file: impl AsFd, at: u64, length: u64) -> SysResult<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    retry(|| rustix::fs::fallocate(file.as_fd(), flags, at, length))
}
