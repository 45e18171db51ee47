//! System calls: each is retried if a signal interrupts it. A name is a single component relative to a held folder, and no symlink
//! is followed.
//!
//! What only Linux has, has another form for other systems here. The portable profile does not use it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

pub(crate) type SysResult<T> = Result<T, Errno>;

/// Whether this system has the calls of Linux.
pub(crate) const IS_LINUX: bool = cfg!(all(target_os = "linux", not(artifact_not_linux)));

/// The error of a name that is not a regular file.
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub(crate) const NOT_A_FILE: Errno = Errno::MEDIUMTYPE;
#[cfg(not(all(target_os = "linux", not(artifact_not_linux))))]
pub(crate) const NOT_A_FILE: Errno = Errno::PROTOTYPE;

/// The error of a file that ends too soon.
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub(crate) const TOO_SHORT: Errno = Errno::NODATA;
#[cfg(not(all(target_os = "linux", not(artifact_not_linux))))]
pub(crate) const TOO_SHORT: Errno = Errno::RANGE;

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
/// regular file by [`NOT_A_FILE`].
pub(crate) fn open_file(folder: BorrowedFd<'_>, name: &str, flags: OFlags) -> SysResult<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = retry(|| rustix::fs::openat(folder, name, flags, mode))?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile {
        Ok(file.into())
    } else {
        Err(NOT_A_FILE)
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

/// Gives a file in a folder another name. The caller knows that the new name is not in use, or replaces what has it.
pub(crate) fn rename(folder: BorrowedFd<'_>, name: &str, new: &str) -> SysResult<()> {
    retry(|| rustix::fs::renameat(folder, name, folder, new))
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

/// Returns whether the file system has a block for every byte of a file.
pub(crate) fn is_without_holes(file: impl AsFd) -> SysResult<bool> {
    let stat = retry(|| rustix::fs::fstat(file.as_fd()))?;
    // st_blocks counts units of 512 bytes (inode(7)).
    Ok(i128::from(stat.st_blocks) * 512 >= i128::from(stat.st_size))
}

/// Returns what tells a file from every other one: its device and its inode.
pub(crate) fn identity(file: &File) -> SysResult<(u64, u64)> {
    let metadata = file.metadata().map_err(|error| of(&error))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Returns the error of a call of `std`.
fn of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

pub(crate) fn set_size(file: impl AsFd, size: u64) -> SysResult<()> {
    retry(|| rustix::fs::ftruncate(file.as_fd(), size))
}

#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub(crate) fn fsync(file: impl AsFd) -> SysResult<()> {
    retry(|| rustix::fs::fsync(file.as_fd()))
}

/// Syncs a file or folder. On macOS, `std` asks the disk to empty its cache too: `File::sync_all` calls `fcntl(F_FULLFSYNC)`.
#[cfg(not(all(target_os = "linux", not(artifact_not_linux))))]
pub(crate) fn fsync(file: impl AsFd) -> SysResult<()> {
    let copy = file.as_fd().try_clone_to_owned();
    let copy = File::from(copy.map_err(|error| of(&error))?);
    retry(|| copy.sync_all().map_err(|error| of(&error)))
}

/// Syncs the bytes of a file, and of its metadata what is needed to read them.
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub(crate) fn fdatasync(file: impl AsFd) -> SysResult<()> {
    retry(|| rustix::fs::fdatasync(file.as_fd()))
}

#[cfg(not(all(target_os = "linux", not(artifact_not_linux))))]
pub(crate) fn fdatasync(file: impl AsFd) -> SysResult<()> {
    fsync(file)
}

/// Returns the owner of a file or folder, and its permissions.
pub(crate) fn owner_and_mode(file: &File) -> SysResult<(u32, u32)> {
    let metadata = file.metadata().map_err(|error| of(&error))?;
    Ok((metadata.uid(), metadata.mode() & 0o777))
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

/// Fills the buffer from `at` on, and waits for the disk. [`TOO_SHORT`] if the file ends before.
pub(crate) fn read_exact(file: impl AsFd, mut bytes: &mut [u8], mut at: u64) -> SysResult<()> {
    while !bytes.is_empty() {
        let read = retry(|| rustix::io::pread(file.as_fd(), &mut *bytes, at))?;
        if read == 0 {
            return Err(TOO_SHORT);
        }
        bytes = &mut bytes[read..];
        at += read as u64;
    }
    Ok(())
}

/// Fills the buffer from `at` on if all of it is cached, and never waits for the disk. An error counts as not cached: the blocking
/// read that follows will report it.
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub(crate) fn read_cached(file: impl AsFd, bytes: &mut [u8], at: u64) -> bool {
    let wanted = bytes.len();
    let mut buffers = [std::io::IoSliceMut::new(bytes)];
    let flags = rustix::io::ReadWriteFlags::NOWAIT;
    rustix::io::preadv2(file.as_fd(), &mut buffers, at, flags) == Ok(wanted)
}

#[cfg(not(all(target_os = "linux", not(artifact_not_linux))))]
pub(crate) fn read_cached(_file: impl AsFd, _bytes: &mut [u8], _at: u64) -> bool {
    false
}

/// Gives the blocks of a range back to the file system (fallocate(2)). It then reads as zeros.
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub(crate) fn punch(file: impl AsFd, at: u64, length: u64) -> SysResult<()> {
    use rustix::fs::FallocateFlags;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    retry(|| rustix::fs::fallocate(file.as_fd(), flags, at, length))
}

#[cfg(not(all(target_os = "linux", not(artifact_not_linux))))]
pub(crate) fn punch(_file: impl AsFd, _at: u64, _length: u64) -> SysResult<()> {
    Err(Errno::OPNOTSUPP)
}
