//! System calls: each is retried if a signal interrupts it, and each works relative to a descriptor.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags,
};
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

/// Set if openat2(2) is missing (before Linux 5.6) or forbidden (old seccomp filters).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Checks once whether openat2(2) can be used.
pub(crate) fn probe(folder: BorrowedFd<'_>) {
    if !has_openat2(folder) {
        NO_OPENAT2.store(true, Ordering::Relaxed);
    }
}

/// Returns whether openat2(2) can be used: it fails here only if the call itself is missing or forbidden, by whatever errno,
/// while openat(2) works. A later error is about a file.
pub(crate) fn has_openat2(folder: BorrowedFd<'_>) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let probed =
        retry(|| rustix::fs::openat2(folder, ".", flags, Mode::empty(), ResolveFlags::BENEATH));
    probed.is_ok() || retry(|| rustix::fs::openat(folder, ".", flags, Mode::empty())).is_err()
}

/// Opens a name in a folder, or a name in one of its subfolders. It does not follow symlinks, leave the
/// folder, cross into another mount, or wait for the other end of a FIFO.
pub(crate) fn open_beneath(
    folder: BorrowedFd<'_>,
    name: &str,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> SysResult<OwnedFd> {
    let mut flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !flags.contains(OFlags::PATH) {
        // openat2(2) rejects it together with O_PATH, which waits for nothing.
        flags |= OFlags::NONBLOCK;
    }
    if !NO_OPENAT2.load(Ordering::Relaxed) {
        let resolve = resolve
            | ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        // EAGAIN means that a rename raced with the walk (openat2(2)), and with CACHED that the name is
        // not cached.
        for _ in 0..32 {
            match retry(|| rustix::fs::openat2(folder, name, flags, mode, resolve)) {
                Err(Errno::AGAIN) if !resolve.contains(ResolveFlags::CACHED) => {}
                done => return done,
            }
        }
    }
    if resolve.contains(ResolveFlags::CACHED) {
        return Err(Errno::AGAIN);
    }
    // NOFOLLOW protects the last component only, so each is opened on its own.
    let file = match name.split_once('/') {
        None => retry(|| rustix::fs::openat(folder, name, flags, mode)),
        Some((subfolder, name)) => {
            let subfolder = open_folder(folder, subfolder)?;
            retry(|| rustix::fs::openat(&subfolder, name, flags, mode))
        }
    }?;
    if is_mount_root(file.as_fd()) {
        return Err(Errno::XDEV);
    }
    Ok(file)
}

/// Opens a subfolder, with the protection of [`open_beneath`].
pub(crate) fn open_folder(folder: BorrowedFd<'_>, name: &str) -> SysResult<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    open_beneath(folder, name, flags, Mode::empty(), ResolveFlags::empty())
}

/// Returns whether a file is the root of a mount. Before Linux 5.8 this is not known, and the answer is
/// `false` (statx(2)).
fn is_mount_root(file: BorrowedFd<'_>) -> bool {
    let stat = retry(|| rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE));
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Opens a descriptor that can only be inspected (`O_PATH`, open(2)). It does not follow a symlink or
/// cross into another mount.
pub(crate) fn hold(folder: BorrowedFd<'_>, name: &str) -> SysResult<OwnedFd> {
    open_beneath(
        folder,
        name,
        OFlags::PATH,
        Mode::empty(),
        ResolveFlags::empty(),
    )
}

pub(crate) fn stat(fd: impl AsFd) -> SysResult<Stat> {
    retry(|| rustix::fs::fstat(fd.as_fd()))
}

/// Inspects a name itself. It does not follow a symlink.
pub(crate) fn stat_name(folder: BorrowedFd<'_>, name: &str) -> SysResult<Stat> {
    retry(|| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))
}

/// Which file a name refers to (its device and inode), and how many names the file has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) file: (u32, u32, u64),
    pub(crate) links: u32,
}

/// Returns the file that a name refers to, as the file system itself says now. FUSE and network file systems
/// may keep older attributes in a cache.
pub(crate) fn stat_name_synced(folder: BorrowedFd<'_>, name: &str) -> SysResult<Identity> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_FORCE_SYNC;
    let stat = retry(|| rustix::fs::statx(folder, name, flags, StatxFlags::BASIC_STATS))?;
    Ok(Identity {
        file: (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino),
        links: stat.stx_nlink,
    })
}

/// Returns whether a name exists, whatever it refers to.
pub(crate) fn exists(folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    match stat_name(folder, name) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

pub(crate) fn fsync(fd: impl AsFd) -> SysResult<()> {
    retry(|| rustix::fs::fsync(fd.as_fd()))
}

/// Locks a file for its user. Over NFS this needs a writable descriptor for this lock (flock(2)).
pub(crate) fn try_lock(fd: impl AsFd) -> SysResult<bool> {
    try_flock(fd, FlockOperation::NonBlockingLockExclusive)
}

/// Takes the lock that only the user of a file prevents. A read-only descriptor is enough.
pub(crate) fn try_lock_shared(fd: impl AsFd) -> SysResult<bool> {
    try_flock(fd, FlockOperation::NonBlockingLockShared)
}

fn try_flock(fd: impl AsFd, lock: FlockOperation) -> SysResult<bool> {
    match retry(|| rustix::fs::flock(fd.as_fd(), lock)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Gives an open file another name, exclusively and atomically (link(2)).
pub(crate) fn link(file: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &str) -> SysResult<()> {
    let linked = retry(|| rustix::fs::linkat(file, "", folder, name, AtFlags::EMPTY_PATH));
    // Done, or the name is taken, or the disk failed or is full. Any other error can be about this way:
    // ENOENT without CAP_DAC_READ_SEARCH before Linux 6.10, EPERM, EINVAL and others from file systems and
    // security filters. The way through /proc may still work.
    let disk = [
        Errno::IO,
        Errno::UCLEAN,
        Errno::ROFS,
        Errno::NOSPC,
        Errno::DQUOT,
    ];
    match linked {
        Err(errno) if errno != Errno::EXIST && !disk.contains(&errno) => {}
        done => return done,
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    retry(|| rustix::fs::linkat(CWD, &path, folder, name, AtFlags::SYMLINK_FOLLOW))
}

/// Gives a file of one folder a name in another, exclusively and atomically. It does not follow a symlink.
pub(crate) fn link_name(
    from: BorrowedFd<'_>,
    name: &str,
    folder: BorrowedFd<'_>,
    new_name: &str,
) -> SysResult<()> {
    retry(|| rustix::fs::linkat(from, name, folder, new_name, AtFlags::empty()))
}

/// Moves a file to a name in another folder and replaces the file that has this name (rename(2)).
pub(crate) fn rename(
    from: BorrowedFd<'_>,
    name: &str,
    folder: BorrowedFd<'_>,
    new_name: &str,
) -> SysResult<()> {
    retry(|| rustix::fs::renameat(from, name, folder, new_name))
}

pub(crate) fn unlink(folder: BorrowedFd<'_>, name: &str) -> SysResult<()> {
    retry(|| rustix::fs::unlinkat(folder, name, AtFlags::empty()))
}

/// Writes all bytes, and continues after a short write (write(2)).
pub(crate) fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> SysResult<()> {
    while !bytes.is_empty() {
        let written = retry(|| rustix::io::write(file, bytes))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Reads cached bytes at `at` and returns their number. An error counts as no bytes: the blocking read
/// that follows will report it.
pub(crate) fn read_cached(file: BorrowedFd<'_>, bytes: &mut [u8], at: u64) -> usize {
    let mut buffers = [IoSliceMut::new(bytes)];
    rustix::io::preadv2(file, &mut buffers, at, ReadWriteFlags::NOWAIT).unwrap_or(0)
}
