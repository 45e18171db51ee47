//! Examines the file system of a folder for a person who operates a store on it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use tokio::time::Instant;

use crate::examine::{FolderReport, SyncTimes};
use crate::layout::staging_name;
use crate::linux::filesystem::{self, FileSystem};
use crate::linux::staging::unnamed;
use crate::linux::{failure_record, marker, sys};

/// How many syncs are timed.
const SYNCS: usize = 16;
/// What is written before each.
const BLOCK: [u8; 4096] = [0; 4096];

pub(crate) fn examine(path: &Path) -> io::Result<FolderReport> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?;
    let stat = sys::stat(&folder)?;
    let space = sys::retry(|| rustix::fs::fstatvfs(&folder))?;
    let file_system = FileSystem::detect(folder.as_fd(), stat.st_dev);
    let mount = Mount::of(&folder).unwrap_or_default();
    let unnamed_file = unnamed(folder.as_fd());
    let unnamed_files = unnamed_file.is_ok();
    let file = unnamed_file.or_else(|_| named(folder.as_fd()));
    let creation_error = file.as_ref().err();
    let creation_error = creation_error.map(|errno| io::Error::from(*errno).kind());
    let syncs = match file {
        Ok(file) => time_syncs(folder.as_fd(), &file)?,
        Err(_) => None,
    };
    Ok(FolderReport {
        ext4: filesystem::ext4(folder.as_fd(), stat.st_dev),
        is_memory: ["tmpfs", "ramfs"].contains(&&*mount.file_system),
        file_system: mount.file_system,
        mount_point: mount.point,
        mount_options: mount.options,
        journals_links: file_system.journals_links,
        is_local: file_system.local,
        is_read_only: space.f_flag.contains(StatVfsMountFlags::RDONLY),
        risks: file_system.risks,
        unnamed_files,
        creation_error,
        openat2: sys::has_openat2(folder.as_fd()),
        free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        free_files: (space.f_files > 0).then_some(space.f_favail),
        syncs,
        has_failed_sync: failure_record::exists(folder.as_fd())?,
    })
}

/// Returns how long syncs of a file in a folder take.
fn time_syncs(folder: BorrowedFd<'_>, file: &OwnedFd) -> io::Result<Option<SyncTimes>> {
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        match sys::retry(|| rustix::io::pwrite(file, &BLOCK, 0)).and_then(|_| sys::fsync(file)) {
            Ok(()) => times.push(start.elapsed()),
            // No room for a block says nothing about syncs.
            Err(Errno::NOSPC | Errno::DQUOT) => break,
            Err(errno) => {
                if errno == Errno::IO && marker::read(folder).is_ok_and(|found| found.is_some()) {
                    failure_record::create(folder, errno);
                }
                return Err(errno.into());
            }
        }
    }
    Ok(SyncTimes::of(times))
}

/// Creates a file and removes its name.
fn named(folder: BorrowedFd<'_>) -> sys::SysResult<OwnedFd> {
    let name = staging_name();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let file = sys::open_beneath(folder, &name, flags, Mode::RUSR, ResolveFlags::empty())?;
    sys::unlink(folder, &name)?;
    Ok(file)
}

/// What `/proc/self/mountinfo` says of a mount (`proc_pid_mountinfo(5)`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Mount {
    file_system: String,
    point: PathBuf,
    options: String,
}

impl Mount {
    /// Finds the mount of an open file.
    fn of(file: &OwnedFd) -> Option<Self> {
        let info = read(&format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
        let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
        Self::find(&read("/proc/self/mountinfo")?, id.trim())
    }

    /// Finds the mount with this id in the text of mountinfo.
    fn find(text: &str, id: &str) -> Option<Self> {
        let is_it = |line: &&str| line.split(' ').next() == Some(id);
        let (mount, file_system) = text.lines().find(is_it)?.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let (point, options) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let kind = file_system.next()?.to_owned();
        let mut all: Vec<_> = options.split(',').collect();
        for option in file_system.nth(1)?.split(',') {
            if !all.contains(&option) {
                all.push(option);
            }
        }
        Some(Self {
            file_system: kind,
            point: unescaped(point),
            options: all.join(","),
        })
    }
}

/// Decodes the octal escapes of space, tab, line feed and backslash.
fn unescaped(text: &str) -> PathBuf {
    let mut rest = text.as_bytes();
    let mut path = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\');
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            path.push(byte);
            rest = &after[3..];
        } else {
            path.push(first);
            rest = after;
        }
    }
    OsString::from_vec(path).into()
}

/// Reads a file of the kernel.
fn read(path: &str) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_with_the_id_is_found_with_all_its_options() {
        let text = "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro\n\
                    36 25 0:31 /sub /srv/my\\040disk rw,noatime - btrfs /dev/vdb rw,subvol=/sub\n\
                    5 25 0:32 / /five rw - tmpfs none rw\n";
        let mount = |kind: &str, point: &str, options: &str| {
            Some(Mount {
                file_system: kind.into(),
                point: point.into(),
                options: options.into(),
            })
        };
        let ext4 = "rw,relatime,errors=remount-ro";
        assert_eq!(Mount::find(text, "25"), mount("ext4", "/", ext4));
        let btrfs = mount("btrfs", "/srv/my disk", "rw,noatime,subvol=/sub");
        assert_eq!(Mount::find(text, "36"), btrfs);
        assert_eq!(Mount::find(text, "5"), mount("tmpfs", "/five", "rw"));
        assert_eq!(Mount::find(text, "2"), None);
        assert_eq!(Mount::find("25 1 254:0 / /\n", "25"), None);
    }

    #[test]
    fn escapes_are_decoded_and_other_backslashes_are_kept() {
        assert_eq!(unescaped("/a\\134b\\011c"), Path::new("/a\\b\tc"));
        assert_eq!(unescaped("/a\\9b\\"), Path::new("/a\\9b\\"));
    }
}
