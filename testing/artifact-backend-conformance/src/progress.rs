//! What a long run is doing.

use std::fmt;
use std::time::Duration;

use crate::report::CaseReport;

/// The begin or the end of one case, for [`Suite::with_progress`](crate::Suite::with_progress). `Display` prints one
/// line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Progress {
    /// `<clause>::<behaviour>`.
    pub name: &'static str,
    /// The position of the case among the selected ones, counted from 1.
    pub number: usize,
    /// The number of selected cases.
    pub total: usize,
    /// The result and how long the case took, or `None` if it begins.
    pub result: Option<(CaseReport, Duration)>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}/{}] ", self.number, self.total)?;
        match &self.result {
            None => write!(f, "running  {}", self.name),
            Some((report, took)) => write!(f, "{report} ({:.1} s)", took.as_secs_f32()),
        }
    }
}
