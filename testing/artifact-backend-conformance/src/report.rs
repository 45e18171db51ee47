//! What came of the cases.

use std::fmt;

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The backend does what the contract says.
    Passed,
    /// It does not, and this is what was seen.
    Failed(String),
    /// It was not tested, and this is why.
    Skipped(String),
}

/// One case and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseReport {
    /// `<clause>::<behaviour>`.
    pub name: &'static str,
    /// What came of it.
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
            Verdict::Failed(why) => write!(f, "FAILED   {}: {why}", self.name),
            Verdict::Skipped(why) => write!(f, "skipped  {}: {why}", self.name),
        }
    }
}

/// What came of all cases; `Display` is one line a case and one line of sums.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a report that nobody looks at lets every backend pass"]
pub struct Report {
    cases: Vec<CaseReport>,
}

impl Report {
    pub(crate) fn new(cases: Vec<CaseReport>) -> Self {
        Self { cases }
    }

    /// Every case that ran or was skipped, in order.
    pub fn cases(&self) -> &[CaseReport] {
        &self.cases
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| matches!(case.verdict, Verdict::Failed(_)))
    }

    /// The cases that were skipped. A test that lists them here fails when one more is skipped than
    /// its author knows of.
    pub fn skipped(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| matches!(case.verdict, Verdict::Skipped(_)))
    }

    /// Whether at least one case ran and none failed.
    pub fn is_passed(&self) -> bool {
        self.failures().next().is_none() && self.skipped().count() < self.cases.len()
    }

    /// Panics with the whole report unless it [is passed](Self::is_passed).
    ///
    /// # Panics
    ///
    /// When a case failed, or when none ran (a misspelt [`only`](crate::Suite::only)).
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
