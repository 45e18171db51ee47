//! The files of a store in folders: the data folder, the database and the blobs.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use artifact_backend_fs::{
    LayoutFinding, LayoutOptions, check_layout, check_private_file, check_private_folder,
};
use artifact_store::BackendUrl;

use super::lines::Lines;
use super::verify::Totals;
use crate::failure::setup_from;
use crate::serve::plan::StorePlan;
use crate::{files, system};

/// What SQLite appends to the name of a database: nothing, for the log, and for the shared memory.
const DATABASE_FILES: [&str; 3] = ["", "-wal", "-shm"];

/// What a server makes in its data folder, besides the database.
const DATA_FILES: [&str; 2] = ["lock", "admin-token"];
/// What an SQLite file begins with (<https://www.sqlite.org/fileformat2.html>, section 1.3).
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Checks all files and folders of a store. A half that is not in the file system has none.
pub(super) fn verify_files(
    plan: &StorePlan<'_>,
    repair: bool,
    lines: &mut Lines,
    totals: &mut Totals,
) -> Result<()> {
    let repairs = LayoutOptions::default().with_repair(repair);
    let mut check = Check {
        options: repairs,
        lines,
        totals,
    };
    let data_dir = &plan.settings.data_dir;
    let mut owner = None;
    if data_dir.exists() {
        let files = DATA_FILES.map(|name| data_dir.join(name));
        let ours = files.iter().find(|file| file.exists());
        // A wrong setting can name any folder of this machine.
        check.options = LayoutOptions::default().with_repair(repair && ours.is_some());
        check.private_folder(data_dir)?;
        // A volume that an orchestrator prepares belongs to root, and its files to the user of the server.
        let user = owner_of(ours.filter(|_| is_shared(data_dir)).unwrap_or(data_dir))?;
        for file in &files {
            check.private_file(file, user)?;
        }
        owner = Some(user);
    }
    if let Some(path) = plan.database.path() {
        // SQLite follows a symlink, and its other files are beside the real one.
        let path = files::real_path(path).map_err(|error| unchecked(path, error))?;
        let owner = owner.map_or_else(|| owner_of(files::parent(&path)), Ok)?;
        let is_ours = starts_with(&path, SQLITE);
        check.options = LayoutOptions::default().with_repair(repair && is_ours);
        for suffix in DATABASE_FILES {
            let mut file = path.clone().into_os_string();
            file.push(suffix);
            check.private_file(Path::new(&file), owner)?;
        }
    }
    // If the blobs were moved away, the folder may be gone, and the next step says so.
    check.options = repairs;
    let backend = &plan.settings.backend;
    if backend.path().is_some_and(Path::exists) {
        check.backend(backend)?;
    }
    Ok(())
}

/// Checks the files of another backend.
pub(super) fn verify_backend(
    backend: &BackendUrl,
    repair: bool,
    lines: &mut Lines,
    totals: &mut Totals,
) -> Result<()> {
    let options = LayoutOptions::default().with_repair(repair);
    Check {
        options,
        lines,
        totals,
    }
    .backend(backend)
}

/// A check that runs.
struct Check<'c> {
    options: LayoutOptions,
    lines: &'c mut Lines,
    totals: &'c mut Totals,
}

impl Check<'_> {
    /// Checks the data folder. Its owner is checked before the store is opened.
    fn private_folder(&mut self, path: &Path) -> Result<()> {
        let findings = check_private_folder(path, self.options);
        self.count(path, findings)
    }

    fn private_file(&mut self, path: &Path, owner: u32) -> Result<()> {
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        let findings = check_private_file(path, owner, self.options);
        self.count(path, findings)
    }

    fn count(
        &mut self,
        path: &Path,
        findings: artifact_backend::Result<Vec<LayoutFinding>>,
    ) -> Result<()> {
        self.totals.checked += 1;
        self.print_all(path, findings)
    }

    fn print_all(
        &mut self,
        path: &Path,
        findings: artifact_backend::Result<Vec<LayoutFinding>>,
    ) -> Result<()> {
        for finding in findings.map_err(|error| unchecked(path, error))? {
            self.print(path, &finding);
        }
        Ok(())
    }

    /// Checks the files of a backend, if it has some of its own.
    fn backend(&mut self, backend: &BackendUrl) -> Result<()> {
        match (backend.scheme(), backend.path()) {
            ("file", Some(root)) => self.root(root),
            #[cfg(all(feature = "pack", unix, not(artifact_not_unix)))]
            ("pack", Some(root)) => self.root_of_segments(root),
            _ => Ok(()),
        }
    }

    /// Checks a folder of segments: the modes of its files, then what is in the segments, then the folder of larger blobs.
    #[cfg(all(feature = "pack", unix, not(artifact_not_unix)))]
    fn root_of_segments(&mut self, root: &Path) -> Result<()> {
        // A wrong setting can name any folder of this machine.
        let is_ours = starts_with(&root.join("artifact-format"), b"artifact-backend-pack ");
        let given = self.options;
        if !is_ours {
            self.options = LayoutOptions::default();
        }
        let modes = self.modes_of_segments(root);
        self.options = given;
        modes?;
        let observe = |finding: artifact_backend_pack::PackFinding| {
            let (what, why) = (finding.problem.as_str(), finding.problem.to_string());
            self.totals.findings += 1;
            self.lines
                .wrong_file(what, &root.join(&finding.path), &why, false);
        };
        let report = artifact_backend_pack::check_root(root, observe);
        let report = report.map_err(|error| {
            let is_in_use = error.kind() == artifact_backend::ErrorKind::Unavailable;
            if is_in_use {
                super::in_use(error, &root.display().to_string())
            } else {
                unchecked(root, error)
            }
        })?;
        self.totals.checked += report.checked;
        let large = root.join("large");
        if large.exists() {
            self.root(&large)?;
        }
        Ok(())
    }

    /// Checks that the folders and files of segments are private. Counts none of them: the check of what is in them does.
    #[cfg(all(feature = "pack", unix, not(artifact_not_unix)))]
    fn modes_of_segments(&mut self, root: &Path) -> Result<()> {
        let (segments, owner) = (root.join("segments"), owner_of(root)?);
        for folder in [root, &segments] {
            if folder.exists() {
                let findings = check_private_folder(folder, self.options);
                self.print_all(folder, findings)?;
            }
        }
        let mut names = vec![root.join("artifact-format")];
        if let Ok(entries) = segments.read_dir() {
            let entries = entries.filter_map(std::result::Result::ok);
            names.extend(entries.map(|entry| entry.path()));
        }
        names.sort();
        for file in names {
            let is_file = file.symlink_metadata().is_ok_and(|found| found.is_file());
            if is_file {
                self.print_all(&file, check_private_file(&file, owner, self.options))?;
            }
        }
        Ok(())
    }

    fn root(&mut self, root: &Path) -> Result<()> {
        let options = self.options;
        let observe = |finding: LayoutFinding| {
            if finding.path.as_os_str().is_empty() {
                self.print(root, &finding);
            } else {
                self.print(&root.join(&finding.path), &finding);
            }
        };
        let report = check_layout(root, options, observe);
        let report = report.map_err(|error| unchecked(root, error))?;
        self.totals.checked += report.checked;
        Ok(())
    }

    fn print(&mut self, path: &Path, finding: &LayoutFinding) {
        self.totals.findings += 1;
        self.totals.repaired += u64::from(finding.repaired);
        let (what, why) = (finding.problem.as_str(), finding.problem.to_string());
        self.lines.wrong_file(what, path, &why, finding.repaired);
    }
}

/// Returns whether an orchestrator manages a folder, see [`check_layout`].
fn is_shared(folder: &Path) -> bool {
    const SHARED: u32 = 0o2070;
    let found = folder.metadata();
    found.is_ok_and(|found| found.mode() & SHARED == SHARED)
}

/// Returns whether a file can be read and begins with these bytes.
fn starts_with(path: &Path, expected: &[u8]) -> bool {
    let mut found = vec![0; expected.len()];
    let file = system::open_small(path);
    file.is_ok_and(|mut file| file.read_exact(&mut found).is_ok()) && found == expected
}

fn owner_of(path: &Path) -> Result<u32> {
    let found = path.metadata().map_err(|error| unchecked(path, error))?;
    Ok(found.uid())
}

fn unchecked(path: &Path, error: impl Into<anyhow::Error>) -> anyhow::Error {
    setup_from(error, format!("{} cannot be checked", path.display()))
}
