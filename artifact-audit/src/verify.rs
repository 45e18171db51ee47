//! Checks the files of audit logs.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::append_file;
use crate::chains::Chains;
use crate::damage::{Damage, DamageKind};
use crate::error::AuditError;
use crate::hash::LineHash;
use crate::line::MAX_LINE;
use crate::scan::Scan;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The chains of the files, by id. Files without a readable first line have the id `-`.
    pub chains: Vec<ChainReport>,
    /// What is wrong, in the order of the lines; at most 1,000 for each chain.
    pub damages: Vec<Damage>,
    /// The files that were skipped, because a writer leaves them beside its log and they have no line: `*.lock`, and
    /// `*.torn-<lines>-<n>` with what a crash left of a line. A file with such a name that has a line is checked.
    pub skipped: Vec<PathBuf>,
}

impl VerifyReport {
    /// Returns whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.damages.is_empty()
    }
}

/// The files of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainReport {
    /// The id of the chain.
    pub chain: String,
    /// The number of files.
    pub files: usize,
    /// The number of lines.
    pub lines: u64,
    /// The number in the chain of the first line: 0 if the files have all of it.
    pub first: Option<u64>,
    /// The number in the chain of the last line.
    pub last: Option<u64>,
    /// The hash of the last line.
    pub head: Option<LineHash>,
}

/// Checks files of one or more chains, in any order. Each of `heads` must be the hash of a line; that finds lines that were
/// cut off at the end, which the chain alone does not show.
///
/// Reads all of each file, and blocks. Needs little memory, however large the files are. A file whose server runs may end with
/// a line that is just being written, which counts as [`DamageKind::Torn`]. All files whose names begin with that of the log
/// may be given: those that have no lines are [skipped](VerifyReport::skipped).
///
/// # Errors
///
/// If a file cannot be read. What is wrong with lines is in the report.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use artifact_audit::{AuditLog, AuditOptions, verify_files};
///
/// let path = folder.path().join("audit.log");
/// drop(AuditLog::open(&path, AuditOptions::default())?);
/// let report = verify_files(&[path], &[])?;
/// assert!(report.is_good());
/// assert_eq!(report.chains.len(), 1);
/// # Ok(())
/// # }
/// ```
pub fn verify_files(paths: &[PathBuf], heads: &[LineHash]) -> Result<VerifyReport, AuditError> {
    let Chains { files, skipped } = Chains::of(paths)?;
    let mut missing: HashSet<_> = heads.iter().copied().collect();
    let mut report = VerifyReport {
        chains: Vec::new(),
        damages: Vec::new(),
        skipped,
    };
    for (chain, files) in files {
        let mut scan = Scan {
            heads: missing,
            ..Scan::default()
        };
        for path in &files {
            read(&mut scan, path).map_err(|error| AuditError::io(path, error))?;
        }
        missing = scan.heads;
        report.damages.append(&mut scan.damages);
        report.chains.push(ChainReport {
            chain,
            files: files.len(),
            lines: scan.lines,
            first: scan.first,
            last: scan.last.map(|last| last.seq),
            head: scan.last.map(|last| last.hash),
        });
    }
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort();
    report
        .damages
        .extend(missing.into_iter().map(|head| Damage {
            file: String::new(),
            line: 0,
            kind: DamageKind::HeadNotFound(head),
        }));
    Ok(report)
}

fn read(scan: &mut Scan, path: &Path) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(MAX_LINE, append_file::open_to_read(path)?);
    if reader.fill_buf()?.is_empty() {
        // Even a new log has a first line.
        scan.damages.push(Damage {
            file: path.display().to_string(),
            line: 1,
            kind: DamageKind::NotAStart,
        });
        return Ok(());
    }
    scan.read(&path.display().to_string(), &mut reader)?;
    Ok(())
}
