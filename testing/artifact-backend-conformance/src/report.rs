//! The results of a run.

use std::fmt;

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The backend follows the contract.
    Passed,
    /// The backend violates the contract, with the observed behaviour.
    Failed(String),
    /// The case was not run, with the reason.
    Skipped(String),
}

/// A case and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseReport {
    /// `<clause>::<behaviour>`.
    pub name: &'static str,
    /// Its result.
    pub verdict: Verdict,
}

impl CaseReport {
    pub(crate) fn new(name: &'static str, verdict: Verdict) -> Self {
        Self { name, verdict }
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(f, "passed   {}", self.name),
            Verdict::Failed(reason) => write!(f, "FAILED   {}: {reason}", self.name),
            Verdict::Skipped(reason) => write!(f, "skipped  {}: {reason}", self.name),
        }
    }
}

/// The results of all cases. `Display` prints one line for each case and a line of totals.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "call `assert_passed`, or failed cases stay unnoticed"]
pub struct Report {
    cases: Vec<CaseReport>,
}

impl Report {
    pub(crate) fn new(cases: Vec<CaseReport>) -> Self {
        Self { cases }
    }

    /// Returns all cases that ran or were skipped, in order.
    pub fn cases(&self) -> &[CaseReport] {
        &self.cases
    }

    /// Returns the failed cases.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| matches!(case.verdict, Verdict::Failed(_)))
    }

    /// Returns the skipped cases. A test should assert on their names, so that it fails if another case is
    /// skipped unexpectedly.
    pub fn skipped(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| matches!(case.verdict, Verdict::Skipped(_)))
    }

    /// Returns whether at least one case ran and none failed.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none() && self.skipped().count() < self.cases.len()
    }

    /// Panics with the whole report unless it [is passed](Self::is_passed).
    ///
    /// # Panics
    ///
    /// If a case failed, or if no case ran (for example because of a misspelt [`only`](crate::Suite::only)).
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.is_passed(), "the contract is broken:\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            writeln!(f, "{case}")?;
        }
        let failed = self.failures().count();
        let skipped = self.skipped().count();
        let passed = self.cases.len() - failed - skipped;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
