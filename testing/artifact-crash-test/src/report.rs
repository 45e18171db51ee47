//! What a simulation did and found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::finding::Finding;

/// How many findings a report keeps; it counts them all.
const KEPT: usize = 50;

/// A finding, and the crash state that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// What was broken.
    pub finding: Finding,
    /// The crash state in words, enough to have it again.
    pub state: String,
}

/// What a simulation did and found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many crash states were judged.
    pub states: u64,
    /// How many of them differed, in what survived or in what was owed.
    pub distinct: u64,
    /// How many runs of the subject with an injected error.
    pub faults: u64,
    /// How many findings by kind, each state's own counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first findings, each finding once.
    pub findings: Vec<Found>,
    /// How long it took.
    pub elapsed: Duration,
    /// Why the subject cannot work on this file system, if it said so.
    pub unsupported: Option<String>,
}

impl Report {
    /// True if nothing was broken.
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// Takes what one state showed.
    pub(crate) fn take(&mut self, findings: Vec<Finding>, state: impl FnOnce() -> String) {
        if findings.is_empty() {
            return;
        }
        let state = state();
        for finding in findings {
            *self.counts.entry(finding.kind()).or_default() += 1;
            let known = self.findings.iter().any(|found| found.finding == finding);
            if !known && self.findings.len() < KEPT {
                self.findings.push(Found {
                    finding,
                    state: state.clone(),
                });
            }
        }
    }

    /// Takes another report's numbers and findings.
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
        let room = KEPT.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room));
        self.elapsed += elapsed;
        self.unsupported = self.unsupported.take().or(unsupported);
    }

    /// The kinds of finding, with counts, in one cell of a table; `-` if there are none.
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
            writeln!(f, "the subject cannot work here: {why}")?;
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
