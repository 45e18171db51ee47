//! What came of a run.

use std::fmt;

use serde::Serialize;

/// How one scenario ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The server did what the clauses say.
    Passed,
    /// It did not.
    Failed {
        /// The request, or what else was done.
        asked: String,
        /// What the clauses say.
        expected: String,
        /// What came.
        seen: String,
    },
    /// It was not looked at.
    Skipped {
        /// Why not, and what it would need.
        reason: String,
    },
}

/// One scenario and how it ended.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ScenarioReport {
    /// `<subject>::<behaviour>`.
    pub name: &'static str,
    /// The clauses that it cites.
    pub clauses: &'static [&'static str],
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All scenarios of a run. [`Display`](fmt::Display) prints a line for each, and more for failures.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    scenarios: Vec<ScenarioReport>,
}

impl Report {
    pub(crate) fn new(scenarios: Vec<ScenarioReport>) -> Self {
        Self { scenarios }
    }

    /// All of them, in the order in which they ran.
    pub fn scenarios(&self) -> &[ScenarioReport] {
        &self.scenarios
    }

    /// Those that failed.
    pub fn failures(&self) -> impl Iterator<Item = &ScenarioReport> {
        let failed = |report: &&ScenarioReport| matches!(report.verdict, Verdict::Failed { .. });
        self.scenarios.iter().filter(failed)
    }

    /// Those that were skipped.
    pub fn skipped(&self) -> impl Iterator<Item = &ScenarioReport> {
        let skipped = |report: &&ScenarioReport| matches!(report.verdict, Verdict::Skipped { .. });
        self.scenarios.iter().filter(skipped)
    }

    /// Whether none failed, and at least one ran.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
            && self
                .scenarios
                .iter()
                .any(|report| report.verdict == Verdict::Passed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.scenarios {
            let clauses = report.clauses.join(" ");
            let word = match report.verdict {
                Verdict::Passed => "ok",
                Verdict::Failed { .. } => "FAILED",
                Verdict::Skipped { .. } => "skipped",
            };
            writeln!(f, "{word:<8}{clauses:<12} {}", report.name)?;
            match &report.verdict {
                Verdict::Passed => {}
                Verdict::Failed {
                    asked,
                    expected,
                    seen,
                } => {
                    writeln!(f, "            asked:    {asked}")?;
                    writeln!(f, "            expected: {expected}")?;
                    writeln!(f, "            seen:     {seen}")?;
                }
                Verdict::Skipped { reason } => writeln!(f, "            {reason}")?,
            }
        }
        let (failed, skipped) = (self.failures().count(), self.skipped().count());
        let passed = self.scenarios.len() - failed - skipped;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
