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
    let root = backend
        .path()
        .filter(|root| has_layout(backend) && root.exists());
    if let Some(root) = root {
        check.root(root)?;
    }
    Ok(())
}

/// Returns whether a backend is a folder with the layout that is checked here. A folder of segments checks its own when it is opened.
pub(super) fn has_layout(backend: &BackendUrl) -> bool {
    backend.scheme() == "file"
}

/// Checks the folder of another backend.
pub(super) fn verify_root(
    root: &Path,
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
    .root(root)
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
        for finding in findings.map_err(|error| unchecked(path, error))? {
            self.print(path, &finding);
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
