//! Looks at each file of a root, relative to descriptors.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use artifact_backend::{ArtifactId, Operation, Result};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::layout::{self, BLOBS, FAILED_SYNC, MARKER, STAGING, STORE_ID};
use crate::layout_check::{LayoutFinding, LayoutOptions, LayoutProblem, LayoutReport};
use crate::linux::blob::BLOB_MODE;
use crate::linux::error::{failed, misconfigured};
use crate::linux::{marker, sys};
use crate::version::Version;

/// The mode of every folder.
const FOLDER_MODE: u32 = 0o700;
/// The mode of a private file outside of a root.
const FILE_MODE: u32 = 0o600;
/// The bits that an orchestrator sets on the folders of a volume: the set-group-ID bit and the rights of the group.
const SHARED: u32 = 0o2070;
/// The bits that it sets on anything in a volume. It lets the owner write to files, too.
const SHARED_ALL: u32 = SHARED | 0o200;

pub(crate) fn check_layout(
    path: &Path,
    options: LayoutOptions,
    observe: impl FnMut(LayoutFinding),
) -> Result<LayoutReport> {
    let (top, stat) = open_top(path)?;
    let root = reopen(&top).map_err(fail("read the root"))?;
    let version = marker::read(root.as_fd())?;
    let mut check = Check::of(&stat, options, observe);
    if version.is_none() {
        // It may be any folder of this machine.
        check.options = LayoutOptions::default();
    }
    if is_shared(&stat)
        && let Ok(blobs) = sys::stat_name(root.as_fd(), BLOBS)
    {
        check.owner = blobs.st_uid;
    }
    check.judge(&top, Path::new(""), &stat, FOLDER_MODE, stat.st_uid);
    check.root(root.as_fd(), version)?;
    Ok(check.report)
}

pub(crate) fn check_private_folder(
    path: &Path,
    options: LayoutOptions,
) -> Result<Vec<LayoutFinding>> {
    let (folder, stat) = open_top(path)?;
    let mut findings = Vec::new();
    let mut check = Check::of(&stat, options, |finding| findings.push(finding));
    check.judge(&folder, Path::new(""), &stat, FOLDER_MODE, stat.st_uid);
    Ok(findings)
}

pub(crate) fn check_private_file(
    path: &Path,
    owner: u32,
    options: LayoutOptions,
) -> Result<Vec<LayoutFinding>> {
    let mut findings = Vec::new();
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |path| sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()));
    let file = match open(path) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(findings),
        Err(errno) => return Err(fail("open the file")(errno)),
    };
    let stat = sys::stat(&file).map_err(fail("inspect the file"))?;
    let (_, folder) = open_top(parent)?;
    let mut check = Check::of(&folder, options, |finding| findings.push(finding));
    if check.is_of_type(Path::new(""), &stat, FileType::RegularFile) {
        check.judge(&file, Path::new(""), &stat, FILE_MODE, owner);
    }
    Ok(findings)
}

/// Returns whether an orchestrator manages a folder (`fsGroup` of Kubernetes).
fn is_shared(folder: &Stat) -> bool {
    folder.st_mode & SHARED == SHARED
}

/// Opens a folder for its name only, which needs no rights on it. Follows symlinks, as the operator's path may have some.
fn open_top(path: &Path) -> Result<(OwnedFd, Stat)> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let opened = sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()));
    let folder = opened.map_err(|errno| match errno {
        Errno::NOTDIR => misconfigured("it is not a folder"),
        errno => fail("open the folder")(errno),
    })?;
    let stat = sys::stat(&folder).map_err(fail("inspect the folder"))?;
    Ok((folder, stat))
}

fn fail(action: &'static str) -> impl Fn(Errno) -> artifact_backend::Error {
    move |errno| failed(Operation::Open, None, action, errno)
}

/// Opens a folder for reading that was opened for its name only.
fn reopen(folder: &OwnedFd) -> sys::SysResult<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    sys::retry(|| rustix::fs::openat(folder, ".", flags, Mode::empty()))
}

/// A check that runs.
struct Check<F> {
    owner: u32,
    /// The bits of a mode that are not judged.
    ignored: u32,
    options: LayoutOptions,
    observe: F,
    report: LayoutReport,
}

impl<F: FnMut(LayoutFinding)> Check<F> {
    /// Takes the owner of a folder, and whether an orchestrator manages it.
    fn of(folder: &Stat, options: LayoutOptions, observe: F) -> Self {
        Self {
            owner: folder.st_uid,
            ignored: if is_shared(folder) { SHARED_ALL } else { 0 },
            options,
            observe,
            report: LayoutReport::default(),
        }
    }

    fn root(&mut self, root: BorrowedFd<'_>, version: Option<Version>) -> Result<()> {
        let top = Path::new("");
        let mut missing = vec![BLOBS, MARKER];
        self.each(root, top, |check, name| {
            missing.retain(|known| known.as_bytes() != name.as_bytes());
            match name {
                BLOBS => {
                    if let Some(blobs) = check.folder(root, top, name) {
                        check.blobs(blobs.as_fd(), version)?;
                    }
                }
                STAGING => {
                    if let Some(staging) = check.folder(root, top, name) {
                        check.staging(staging.as_fd())?;
                    }
                }
                MARKER | STORE_ID => check.file(root, top, name),
                FAILED_SYNC => check.found(top.join(name), LayoutProblem::FailedSync),
                _ => check.found(top.join(name), LayoutProblem::Unexpected),
            }
            Ok(())
        })?;
        for name in missing {
            self.found(top.join(name), LayoutProblem::Missing);
        }
        Ok(())
    }

    fn blobs(&mut self, blobs: BorrowedFd<'_>, version: Option<Version>) -> Result<()> {
        let path = Path::new(BLOBS);
        let mut missing: Vec<_> = layout::fan_out().map(layout::fan_out_name).collect();
        self.each(blobs, path, |check, name| {
            if let Some(at) = missing.iter().position(|known| known == name) {
                missing.swap_remove(at);
                if let Some(folder) = check.folder(blobs, path, name) {
                    check.fan_out(folder.as_fd(), &path.join(name), name)?;
                }
            } else if name.parse::<ArtifactId>().is_err() {
                check.found(path.join(name), LayoutProblem::Unexpected);
            } else if version == Some(Version::FanOut) {
                check.found(path.join(name), LayoutProblem::WrongFolder);
            } else {
                check.file(blobs, path, name);
            }
            Ok(())
        })?;
        // A root of layout version 1 gets them when it is opened.
        if version != Some(Version::Flat) {
            for name in missing {
                self.found(path.join(name), LayoutProblem::Missing);
            }
        }
        Ok(())
    }

    fn fan_out(&mut self, folder: BorrowedFd<'_>, path: &Path, digit: &str) -> Result<()> {
        self.each(folder, path, |check, name| {
            match name.parse::<ArtifactId>() {
                Ok(_) if name.starts_with(digit) => check.file(folder, path, name),
                Ok(_) => check.found(path.join(name), LayoutProblem::WrongFolder),
                Err(_) => check.found(path.join(name), LayoutProblem::Unexpected),
            }
            Ok(())
        })
    }

    /// Checks the names of temporary files. Their modes change while they are in use.
    fn staging(&mut self, staging: BorrowedFd<'_>) -> Result<()> {
        let path = Path::new(STAGING);
        self.each(staging, path, |check, name| {
            let id = name.strip_prefix(layout::STAGING_PREFIX);
            if id.is_some_and(|id| id.parse::<ArtifactId>().is_ok()) {
                check.open(staging, path, name, FileType::RegularFile);
            } else {
                check.found(path.join(name), LayoutProblem::Unexpected);
            }
            Ok(())
        })
    }

    /// Calls `look` for each name in a folder. A name that is not text is unexpected.
    fn each(
        &mut self,
        folder: BorrowedFd<'_>,
        path: &Path,
        mut look: impl FnMut(&mut Self, &str) -> Result<()>,
    ) -> Result<()> {
        for entry in Dir::read_from(folder).map_err(fail("read a folder"))? {
            let entry = entry.map_err(fail("read a folder"))?;
            let name = entry.file_name();
            if [&b"."[..], b".."].contains(&name.to_bytes()) {
                continue;
            }
            self.report.checked += 1;
            if let Ok(name) = name.to_str() {
                look(self, name)?;
            } else {
                let name = name.to_string_lossy();
                self.found(path.join(&*name), LayoutProblem::Unexpected);
            }
        }
        Ok(())
    }

    /// Checks a folder, and opens it if that is possible.
    fn folder(&mut self, parent: BorrowedFd<'_>, path: &Path, name: &str) -> Option<OwnedFd> {
        let (opened, stat) = self.open(parent, path, name, FileType::Directory)?;
        let path = path.join(name);
        self.judge(&opened, &path, &stat, FOLDER_MODE, self.owner);
        match reopen(&opened) {
            Ok(folder) => Some(folder),
            Err(errno) => {
                self.cannot("open the folder", path, errno);
                None
            }
        }
    }

    fn file(&mut self, parent: BorrowedFd<'_>, path: &Path, name: &str) {
        if let Some((opened, stat)) = self.open(parent, path, name, FileType::RegularFile) {
            self.judge(&opened, &path.join(name), &stat, BLOB_MODE, self.owner);
        }
    }

    /// Opens a name for its attributes, whatever its mode is. All that follows is about this one file, also if another gets
    /// the name meanwhile. Returns `None` if it has vanished, or reports that it is not of this type or cannot be opened.
    fn open(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &Path,
        name: &str,
        kind: FileType,
    ) -> Option<(OwnedFd, Stat)> {
        // A symlink is opened itself (openat2(2)).
        let opened = sys::hold(parent, name).and_then(|opened| Ok((sys::stat(&opened)?, opened)));
        match opened {
            Ok((stat, opened)) => self
                .is_of_type(&path.join(name), &stat, kind)
                .then_some((opened, stat)),
            Err(Errno::NOENT) => None,
            Err(errno) => {
                self.cannot("open it", path.join(name), errno);
                None
            }
        }
    }

    fn cannot(&mut self, action: &str, path: PathBuf, errno: Errno) {
        let why = match errno {
            Errno::XDEV => "it is on another file system than the root; unmount it".to_owned(),
            errno => format!("cannot {action}: {}", std::io::Error::from(errno)),
        };
        self.found(path, LayoutProblem::Unreadable(why));
    }

    fn is_of_type(&mut self, path: &Path, stat: &Stat, expected: FileType) -> bool {
        let found = FileType::from_raw_mode(stat.st_mode);
        if found != expected {
            let problem = match found {
                FileType::Symlink => LayoutProblem::Symlink,
                _ => LayoutProblem::WrongType,
            };
            self.found(path.to_owned(), problem);
        }
        found == expected
    }

    /// Judges the owner and the mode of an open file or folder, and repairs the mode.
    fn judge(&mut self, opened: &OwnedFd, path: &Path, stat: &Stat, expected: u32, owner: u32) {
        let found = stat.st_mode & 0o7777;
        let is_ours = stat.st_uid == owner;
        if !is_ours {
            let problem = LayoutProblem::Owner {
                found: stat.st_uid,
                expected: owner,
            };
            self.found(path.to_owned(), problem);
        }
        if (found ^ expected) & !self.ignored == 0 {
            return;
        }
        let mode = expected | (found & self.ignored);
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let has_other_names = is_file && stat.st_nlink > 1;
        let may_repair = self.options.repairs() && is_ours && !has_other_names;
        let repaired = may_repair && set_mode(opened, mode).is_ok();
        self.report.findings += 1;
        self.report.repaired += u64::from(repaired);
        (self.observe)(LayoutFinding {
            path: path.to_owned(),
            problem: LayoutProblem::Mode {
                found,
                expected,
                has_other_names,
            },
            repaired,
        });
    }

    fn found(&mut self, path: PathBuf, problem: LayoutProblem) {
        self.report.findings += 1;
        (self.observe)(LayoutFinding {
            path,
            problem,
            repaired: false,
        });
    }
}

/// Sets the mode of exactly the file that was opened. A descriptor with `O_PATH` needs no rights on the file, and proc(5)
/// leads from it to the file.
fn set_mode(opened: &OwnedFd, mode: u32) -> sys::SysResult<()> {
    let path = format!("/proc/self/fd/{}", opened.as_raw_fd());
    sys::retry(|| rustix::fs::chmod(&*path, Mode::from_raw_mode(mode)))
}
