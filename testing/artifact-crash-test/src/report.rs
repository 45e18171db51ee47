//! The report of a simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::finding::Finding;

/// The number of findings that a report lists. It counts all of them.
const MAX_LISTED: usize = 50;

/// A finding and the crash state that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportedFinding {
    /// The broken promise.
    pub finding: Finding,
    /// A description of the crash state, sufficient to reproduce it.
    pub state: String,
}

/// The statistics and findings of a simulation.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// The number of crash states judged.
    pub states: u64,
    /// The number of distinct crash states: they differ in what survived or in what was promised.
    pub distinct: u64,
    /// The number of runs with an injected error.
    pub faults: u64,
    /// The number of findings by kind, summed over all states.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first findings, without duplicates.
    pub findings: Vec<ReportedFinding>,
    /// The duration of the simulation.
    pub elapsed: Duration,
    /// The reason why the subject cannot work on this file system, if it printed `UNSUPPORTED`.
    pub unsupported: Option<String>,
}

impl Report {
    /// Returns true if there are no findings.
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// Adds the findings of one state.
    pub(crate) fn add(&mut self, findings: Vec<Finding>, state: impl FnOnce() -> String) {
        if findings.is_empty() {
            return;
        }
        let state = state();
        for finding in findings {
            *self.counts.entry(finding.kind()).or_default() += 1;
            let known = self.findings.iter().any(|found| found.finding == finding);
            if !known && self.findings.len() < MAX_LISTED {
                self.findings.push(ReportedFinding {
                    finding,
                    state: state.clone(),
                });
            }
        }
    }

    /// Adds the numbers and findings of another report.
    pub fn merge(&mut self, other: Self) {
        let Self {
            states,
            distinct,
            faults,
            counts,
            findings,
            elapsed,
            unsupported,
        } = other;
        self.states += states;
        self.distinct += distinct;
        self.faults += faults;
        for (kind, count) in counts {
            *self.counts.entry(kind).or_default() += count;
        }
        let room = MAX_LISTED.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room));
        self.elapsed += elapsed;
        self.unsupported = self.unsupported.take().or(unsupported);
    }

    /// Formats the kinds of findings with their counts as a table cell: `-` without findings, `n/a` if the
    /// subject is unsupported.
    pub fn cell(&self) -> String {
        if self.unsupported.is_some() {
            return "n/a".to_owned();
        }
        if self.is_clean() {
            return "-".to_owned();
        }
        let cells: Vec<_> = self
            .counts
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        cells.join(", ")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "states    {} ({} distinct)", self.states, self.distinct)?;
        if self.faults > 0 {
            writeln!(f, "faults    {}", self.faults)?;
        }
        writeln!(f, "seconds   {:.1}", self.elapsed.as_secs_f64())?;
        if let Some(why) = &self.unsupported {
            writeln!(f, "the subject does not support this file system: {why}")?;
        }
        writeln!(
            f,
            "findings  {}",
            if self.is_clean() {
                "none".to_owned()
            } else {
                self.cell()
            }
        )?;
        for found in &self.findings {
            writeln!(f, "  {} [{}]", found.finding, found.state)?;
        }
        Ok(())
    }
}
