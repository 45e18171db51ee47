//! A check of the files of a root: names, modes and owners.

use std::fmt;
use std::path::{Path, PathBuf};

use artifact_backend::Result;

/// What a check does besides looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayoutOptions {
    repair: bool,
}

impl LayoutOptions {
    /// Repairs the modes of files and folders whose owner is right. The default is to change nothing.
    #[must_use]
    pub const fn with_repair(mut self, repair: bool) -> Self {
        self.repair = repair;
        self
    }

    #[cfg_attr(
        any(not(target_os = "linux"), artifact_not_linux),
        expect(dead_code, reason = "only Linux repairs")
    )]
    pub(crate) const fn repairs(self) -> bool {
        self.repair
    }
}

/// Something about a file or folder that is not as the backend made it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayoutFinding {
    /// The path, relative to the root. It is empty for the root itself.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: LayoutProblem,
    /// Whether the check has repaired it.
    pub repaired: bool,
}

/// What is wrong with a file or folder. `Display` says what to do, too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// It has another mode than the backend gives it.
    Mode {
        /// The mode that it has, without the type of the file.
        found: u32,
        /// The mode that it should have.
        expected: u32,
        /// Whether it is a file with other names (hard links), perhaps outside of the root. Then its mode is not repaired.
        has_other_names: bool,
    },
    /// It belongs to another user than the rest.
    Owner {
        /// The user that owns it.
        found: u32,
        /// The user that should own it.
        expected: u32,
    },
    /// It is a symlink, which the backend never makes and never follows.
    Symlink,
    /// It is not of the type that belongs under this name, for example a folder or a device with the name of a blob.
    WrongType,
    /// It has a name that the backend does not use.
    Unexpected,
    /// It is a blob in the wrong folder, where no fetch finds it.
    WrongFolder,
    /// It is not there.
    Missing,
    /// It records a failed sync. The file says what to do.
    FailedSync,
    /// It could not be looked at, for this reason.
    Unreadable(String),
}

impl LayoutProblem {
    /// Returns the kind of the problem in one word, for lines that programs read.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Mode { .. } => "mode",
            Self::Owner { .. } => "owner",
            Self::Symlink => "symlink",
            Self::WrongType => "type",
            Self::Unexpected => "unexpected",
            Self::WrongFolder => "folder",
            Self::Missing => "missing",
            Self::FailedSync => "failed-sync",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for LayoutProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode {
                found,
                expected,
                has_other_names,
            } => {
                write!(f, "it has the mode {found:04o} instead of {expected:04o}")?;
                if *has_other_names {
                    f.write_str("; it has other names too (hard links), so copy it, or chmod it yourself")?;
                }
                Ok(())
            }
            Self::Owner { found, expected } => write!(
                f,
                "it belongs to the user {found} instead of {expected}; chown it"
            ),
            Self::Symlink => f.write_str("it is a symlink, which is never followed; replace it by what it points to"),
            Self::WrongType => f.write_str("it is not of the type that belongs under this name; restore it from a backup"),
            Self::Unexpected => f.write_str("it is not a file of the store; move it elsewhere"),
            Self::WrongFolder => f.write_str(
                "it is a blob in the wrong folder; move it into the folder with the first digit of its name",
            ),
            Self::Missing => f.write_str("it is missing; restore it from a backup"),
            Self::FailedSync => f.write_str("it records a failed sync; do what it says"),
            Self::Unreadable(why) => write!(f, "it cannot be checked: {why}"),
        }
    }
}

/// The numbers of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LayoutReport {
    /// The files and folders that were looked at.
    pub checked: u64,
    /// The findings, also those that were repaired.
    pub findings: u64,
    /// The findings that were repaired.
    pub repaired: u64,
}

impl LayoutReport {
    /// Returns whether nothing is wrong any more.
    pub const fn is_good(&self) -> bool {
        self.findings == self.repaired
    }
}

/// Checks the files of a root that exists, also while backends use it. Calls `observe` for each finding.
///
/// A folder must have the mode 0700, and a file the mode 0400. All must belong to the owner of the root. If the root has the
/// set-group-ID bit and its group can write to it, an orchestrator manages the volume (`fsGroup` of Kubernetes): then all in
/// it must belong to the owner of the folder of blobs, and neither the bits of the group nor the right of the owner to write
/// are judged. Names that no backend makes, symlinks, mounts, and blobs outside of their fan-out folder are findings. The bytes
/// of the blobs are not read.
///
/// With [`with_repair`](LayoutOptions::with_repair) the modes are set, as after a restore by a program that does not keep
/// them. Nothing else is changed, nothing that belongs to another user, no file that has other names, and nothing at all in a
/// folder without a format marker.
///
/// It blocks: call it on a thread that may. The memory does not grow with the number of blobs. It follows no symlink, except
/// in `root` itself. Files that appear or vanish meanwhile are no findings. Only Linux has it.
///
/// ```
/// use artifact_backend_fs::{FsBackend, FsConfig, LayoutOptions, check_layout};
///
/// # async fn example(folder: &std::path::Path) -> artifact_backend::Result<()> {
/// let _backend = FsBackend::open(folder, FsConfig::default()).await?;
/// let report = check_layout(folder, LayoutOptions::default(), |finding| {
///     println!("{}: {}", finding.path.display(), finding.problem);
/// })?;
/// assert!(report.is_good());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Misconfigured` if `root` is not a folder, or if its format marker is of another layout or program; `Unsupported` on other systems
/// than Linux; otherwise if the root or a folder in it cannot be read.
pub fn check_layout(
    root: &Path,
    options: LayoutOptions,
    observe: impl FnMut(LayoutFinding),
) -> Result<LayoutReport> {
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    return crate::linux::check_layout(root, options, observe);
    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    unsupported(root, (options, observe))
}

/// Checks a file that is private to its owner, such as an SQLite file or a secret: a regular file of mode 0600 that belongs
/// to `owner`. Returns what is wrong, and repairs the mode like [`check_layout`]; the caller knows that the file is its own. A
/// file that does not exist is fine. In a folder that an orchestrator manages, the same bits are not judged as in such a root.
/// The path of each finding is empty.
///
/// # Errors
///
/// `Unsupported` on other systems than Linux; otherwise if the file or its folder cannot be inspected.
pub fn check_private_file(
    path: &Path,
    owner: u32,
    options: LayoutOptions,
) -> Result<Vec<LayoutFinding>> {
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    return crate::linux::check_private_file(path, owner, options);
    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    unsupported(path, (owner, options))
}

/// Checks a folder that is private to its owner, such as the data folder of a server: its mode is 0700, or it is a volume of an
/// orchestrator. Returns what is wrong, and repairs the mode like [`check_layout`]; the caller knows that the folder is its own.
/// The path of each finding is empty.
///
/// # Errors
///
/// `Misconfigured` if it is not a folder; `Unsupported` on other systems than Linux; otherwise if it cannot be inspected.
pub fn check_private_folder(path: &Path, options: LayoutOptions) -> Result<Vec<LayoutFinding>> {
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    return crate::linux::check_private_folder(path, options);
    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    unsupported(path, options)
}

#[cfg(any(not(target_os = "linux"), artifact_not_linux))]
fn unsupported<T, U>(_: &Path, _: U) -> Result<T> {
    use artifact_backend::{Error, ErrorKind, Operation};

    Err(Error::new(ErrorKind::Unsupported, Operation::Open)
        .with_detail("modes and owners are checked on Linux only"))
}
