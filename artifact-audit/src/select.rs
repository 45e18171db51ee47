//! Finds the lines that fulfil conditions.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::append_file;
use crate::chains::Chains;
use crate::damage::{Damage, DamageKind};
use crate::error::AuditError;
use crate::event::AuditField;
use crate::line::MAX_LINE;
use crate::scan::skip_line;

/// The maximum number of unreadable lines that are kept. More say nothing new.
const MAX_UNREADABLE: usize = 1_000;

/// Which lines are wanted: those that fulfil every condition. Without a condition, all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter does nothing by itself"]
pub struct LineFilter {
    fields: Vec<(AuditField, String)>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
}

impl LineFilter {
    /// Selects only lines that have exactly this value in this field. A line about the log itself, such as its first one, has no field.
    pub fn with(mut self, field: AuditField, value: impl Into<String>) -> Self {
        self.fields.push((field, value.into()));
        self
    }

    /// Selects only lines that were written at this time or later.
    pub fn with_since(mut self, since: SystemTime) -> Self {
        self.since = Some(since);
        self
    }

    /// Selects only lines that were written before this time.
    pub fn with_until(mut self, until: SystemTime) -> Self {
        self.until = Some(until);
        self
    }

    /// Returns whether a line is wanted, or `None` if it is not a line of an audit log.
    fn selects(&self, line: &[u8]) -> Option<bool> {
        let members: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let time: Timestamp = members.get("time")?.as_str()?.parse().ok()?;
        let time = SystemTime::try_from(time).ok()?;
        let has_fields = self
            .fields
            .iter()
            .all(|(field, wanted)| members.get(field.as_str()).is_some_and(|v| v == wanted));
        let is_in_time = self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until);
        Some(has_fields && is_in_time)
    }
}

/// What was read of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SelectReport {
    /// The lines that fulfil the conditions.
    pub selected: u64,
    /// The lines that could not be read, which may have fulfilled them; at most 1,000. The kind is `Unreadable` or `Torn`.
    pub unreadable: Vec<Damage>,
    /// The files that were skipped, as in [`VerifyReport::skipped`](crate::VerifyReport::skipped).
    pub skipped: Vec<PathBuf>,
}

/// Passes each line of files that fulfils the conditions to `observe`, without its line feed. `observe` can end the search.
///
/// The files can be of several chains and in any order: the lines come chain by chain, those of a chain in its order. The chain is
/// not verified: [`verify_files`](crate::verify_files) does that. Blocks, and needs little memory, however large the files are. A file
/// whose server runs may end with a line that is just being written, which counts as unreadable, of the kind [`DamageKind::Torn`].
///
/// # Errors
///
/// If a file cannot be read. `observe` may have seen lines then.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use std::ops::ControlFlow;
///
/// use artifact_audit::{AuditField, AuditLog, AuditOptions, LineFilter, select_lines};
///
/// let path = folder.path().join("audit.log");
/// drop(AuditLog::open(&path, AuditOptions::default())?);
/// let filter = LineFilter::default().with(AuditField::Principal, "admin");
/// let report = select_lines(&[path], &filter, |line| {
///     println!("{line}");
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(report.selected, 0);
/// # Ok(())
/// # }
/// ```
pub fn select_lines(
    paths: &[PathBuf],
    filter: &LineFilter,
    mut observe: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<SelectReport, AuditError> {
    let Chains { files, skipped } = Chains::of(paths)?;
    let mut report = SelectReport {
        skipped,
        ..SelectReport::default()
    };
    for path in files.into_values().flatten() {
        let done = report.read(path, filter, &mut observe);
        if done
            .map_err(|error| AuditError::io(path, error))?
            .is_break()
        {
            break;
        }
    }
    Ok(report)
}

impl SelectReport {
    /// Reads one file.
    fn read(
        &mut self,
        path: &Path,
        filter: &LineFilter,
        observe: &mut impl FnMut(&str) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let mut reader = BufReader::with_capacity(MAX_LINE, append_file::open_to_read(path)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let limit = MAX_LINE as u64 + 1;
            let read = (&mut reader).take(limit).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            let is_complete = line.pop_if(|byte| *byte == b'\n').is_some();
            if !is_complete {
                let has_end = read as u64 == limit && skip_line(&mut reader)?.1;
                let kind = if has_end {
                    DamageKind::Unreadable
                } else {
                    DamageKind::Torn
                };
                self.unreadable(path, number, kind);
                continue;
            }
            match (filter.selects(&line), str::from_utf8(&line)) {
                (Some(true), Ok(text)) => {
                    self.selected += 1;
                    if observe(text).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                (Some(false), _) => {}
                _ => self.unreadable(path, number, DamageKind::Unreadable),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn unreadable(&mut self, path: &Path, line: u64, kind: DamageKind) {
        if self.unreadable.len() < MAX_UNREADABLE {
            self.unreadable.push(Damage {
                file: path.display().to_string(),
                line,
                kind,
            });
        }
    }
}
