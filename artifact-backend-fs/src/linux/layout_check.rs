//! Looks at each file of a root, relative to descriptors.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use artifact_backend::{ArtifactId, Operation, Result};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
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
/// The bits that an orchestrator sets on the root of a volume: the set-group-ID bit and the rights of the group.
const SHARED: u32 = 0o2070;

pub(crate) fn check_layout(
    path: &Path,
    options: LayoutOptions,
    observe: impl FnMut(LayoutFinding),
) -> Result<LayoutReport> {
    let (root, stat) = open_top(path)?;
    let mut check = Check::of(&stat, options, observe);
    check.judge(&root, Path::new(""), &stat, FOLDER_MODE);
    let root = reopen(&root).map_err(fail("read the root"))?;
    check.root(root.as_fd())?;
    Ok(check.report)
}

pub(crate) fn check_private_folder(
    path: &Path,
    options: LayoutOptions,
) -> Result<Vec<LayoutFinding>> {
    let (folder, stat) = open_top(path)?;
    let mut findings = Vec::new();
    let mut check = Check::of(&stat, options, |finding| findings.push(finding));
    check.judge(&folder, Path::new(""), &stat, FOLDER_MODE);
    Ok(findings)
}

pub(crate) fn check_private_file(
    path: &Path,
    owner: u32,
    options: LayoutOptions,
) -> Result<Vec<LayoutFinding>> {
    let mut findings = Vec::new();
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty())) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(findings),
        Err(errno) => return Err(fail("open the file")(errno)),
    };
    let stat = sys::stat(&file).map_err(fail("inspect the file"))?;
    let mut check = Check {
        owner,
        ignored: 0,
        options,
        observe: |finding| findings.push(finding),
        report: LayoutReport::default(),
    };
    if check.is_of_type(Path::new(""), &stat, FileType::RegularFile) {
        check.judge(&file, Path::new(""), &stat, FILE_MODE);
    }
    Ok(findings)
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
        let is_shared = folder.st_mode & SHARED == SHARED;
        Self {
            owner: folder.st_uid,
            ignored: if is_shared { SHARED } else { 0 },
            options,
            observe,
            report: LayoutReport::default(),
        }
    }

    fn root(&mut self, root: BorrowedFd<'_>) -> Result<()> {
        let version = marker::read(root)?;
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
                if let Some(stat) = check.stat(staging, path, name) {
                    check.is_of_type(&path.join(name), &stat, FileType::RegularFile);
                }
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
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => {
                    self.report.checked += 1;
                    look(self, name)?;
                }
                Err(_) => {
                    let name = entry.file_name().to_string_lossy();
                    self.found(path.join(&*name), LayoutProblem::Unexpected);
                }
            }
        }
        Ok(())
    }

    /// Checks a folder, and opens it if that is possible.
    fn folder(&mut self, parent: BorrowedFd<'_>, path: &Path, name: &str) -> Option<OwnedFd> {
        let opened = self.check_name(parent, path, name, FileType::Directory, FOLDER_MODE)?;
        reopen(&opened)
            .map_err(|errno| {
                let why = fail("open the folder")(errno).to_string();
                self.found(path.join(name), LayoutProblem::Unreadable(why));
            })
            .ok()
    }

    fn file(&mut self, parent: BorrowedFd<'_>, path: &Path, name: &str) {
        self.check_name(parent, path, name, FileType::RegularFile, BLOB_MODE);
    }

    /// Checks type, mode and owner of a name. Returns a descriptor for the name if the type is right.
    fn check_name(
        &mut self,
        parent: BorrowedFd<'_>,
        path: &Path,
        name: &str,
        kind: FileType,
        mode: u32,
    ) -> Option<OwnedFd> {
        let stat = self.stat(parent, path, name)?;
        let path = path.join(name);
        if !self.is_of_type(&path, &stat, kind) {
            return None;
        }
        let flags = OFlags::PATH;
        let opened = sys::open_beneath(parent, name, flags, Mode::empty(), ResolveFlags::empty());
        let opened = opened.and_then(|opened| Ok((sys::stat(&opened)?, opened)));
        match opened {
            Ok((stat, opened)) => {
                // It may have been replaced since.
                if !self.is_of_type(&path, &stat, kind) {
                    return None;
                }
                self.judge(&opened, &path, &stat, mode);
                Some(opened)
            }
            Err(Errno::NOENT) => None,
            Err(errno) => {
                let why = fail("open it")(errno).to_string();
                self.found(path, LayoutProblem::Unreadable(why));
                None
            }
        }
    }

    /// Inspects a name. Returns `None` if it has vanished, or reports that it cannot be inspected.
    fn stat(&mut self, parent: BorrowedFd<'_>, path: &Path, name: &str) -> Option<Stat> {
        match sys::stat_name(parent, name) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(errno) => {
                let why = fail("inspect it")(errno).to_string();
                self.found(path.join(name), LayoutProblem::Unreadable(why));
                None
            }
        }
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
    fn judge(&mut self, opened: &OwnedFd, path: &Path, stat: &Stat, expected: u32) {
        let found = stat.st_mode & 0o7777;
        let expected_owner = self.owner;
        if stat.st_uid != expected_owner {
            let problem = LayoutProblem::Owner {
                found: stat.st_uid,
                expected: expected_owner,
            };
            self.found(path.to_owned(), problem);
        }
        if (found ^ expected) & !self.ignored == 0 {
            return;
        }
        let mode = expected | (found & self.ignored);
        let is_ours = stat.st_uid == expected_owner;
        let repaired = self.options.repairs() && is_ours && set_mode(opened, mode).is_ok();
        self.report.findings += 1;
        self.report.repaired += u64::from(repaired);
        (self.observe)(LayoutFinding {
            path: path.to_owned(),
            problem: LayoutProblem::Mode { found, expected },
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
