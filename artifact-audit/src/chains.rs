//! Which files belong to which chain, and in what order.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::append_file;
use crate::error::AuditError;
use crate::line::{MAX_LINE, ParsedLine};
use crate::recovery::{LOCK, TORN};

/// Files of audit logs.
#[derive(Debug, Default)]
pub(crate) struct Chains<'p> {
    /// The files of each chain, by its id, in its order. Files without a readable first line have the id `-`.
    pub(crate) files: BTreeMap<String, Vec<&'p PathBuf>>,
    /// The files that have no line, because a writer leaves them beside its log.
    pub(crate) skipped: Vec<PathBuf>,
}

impl<'p> Chains<'p> {
    /// Reads the first line of each file.
    pub(crate) fn of(paths: &'p [PathBuf]) -> Result<Self, AuditError> {
        let mut numbered: BTreeMap<String, Vec<(u64, &PathBuf)>> = BTreeMap::new();
        let mut skipped = Vec::new();
        for path in paths {
            if is_side_file(path).map_err(|error| AuditError::io(path, error))? {
                skipped.push(path.clone());
                continue;
            }
            let (chain, seq) = first_line(path).map_err(|error| AuditError::io(path, error))?;
            numbered.entry(chain).or_default().push((seq, path));
        }
        let in_order = |mut files: Vec<(u64, &'p PathBuf)>| {
            files.sort();
            files.into_iter().map(|(_, path)| path).collect::<Vec<_>>()
        };
        let files = numbered
            .into_iter()
            .map(|(chain, files)| (chain, in_order(files)));
        Ok(Self {
            files: files.collect(),
            skipped,
        })
    }
}

/// Returns whether a file is one that a writer leaves beside its log: by its name, and because it has no line. So a name
/// cannot hide lines from a check.
fn is_side_file(path: &Path) -> io::Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.ends_with(LOCK) && !is_torn(&name) {
        return Ok(false);
    }
    let mut line = Vec::new();
    let file = append_file::open_to_read(path)?;
    BufReader::new(file.take(MAX_LINE as u64 + 1)).read_until(b'\n', &mut line)?;
    Ok(!line.ends_with(b"\n"))
}

/// Returns whether a name ends as that of a file with an incomplete line does.
fn is_torn(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name
        .rsplit_once(TORN)
        .and_then(|(_, end)| end.split_once('-'));
    numbers.is_some_and(|(lines, number)| is_number(lines) && is_number(number))
}

/// Returns the id of the chain of a file, and the number of its first line.
fn first_line(path: &Path) -> io::Result<(String, u64)> {
    let mut line = Vec::new();
    let file = append_file::open_to_read(path)?;
    BufReader::new(file.take(MAX_LINE as u64)).read_until(b'\n', &mut line)?;
    let parsed = ParsedLine::parse(line.trim_ascii_end());
    let found = parsed
        .as_ref()
        .and_then(|parsed| Some((parsed.chain_of_first()?.to_owned(), parsed.seq)));
    Ok(found.unwrap_or_else(|| ("-".to_owned(), 0)))
}
