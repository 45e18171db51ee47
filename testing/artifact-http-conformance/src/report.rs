//! The result of a run.

use std::fmt;

use serde::Serialize;

/// The result of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The server follows the clauses.
    Passed,
    /// The server violates a clause.
    Failed {
        /// The request or action.
        asked: String,
        /// The behaviour that the clauses require.
        expected: String,
        /// The observed behaviour.
        seen: String,
    },
    /// The scenario was not run.
    Skipped {
        /// Why the scenario was not run, and which option enables it.
        reason: String,
    },
}

/// A scenario and its result.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ScenarioReport {
    /// `<subject>::<behaviour>`.
    pub name: &'static str,
    /// The clauses that it cites.
    pub clauses: &'static [&'static str],
    /// Its result.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The results of all scenarios of a run. [`Display`](fmt::Display) prints a line for each scenario
/// and the details of failures.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    scenarios: Vec<ScenarioReport>,
}

impl Report {
    pub(crate) fn new(scenarios: Vec<ScenarioReport>) -> Self {
        Self { scenarios }
    }

    /// Returns all scenarios, in the order in which they ran.
    pub fn scenarios(&self) -> &[ScenarioReport] {
        &self.scenarios
    }

    /// Returns the failed scenarios.
    pub fn failures(&self) -> impl Iterator<Item = &ScenarioReport> {
        let failed = |report: &&ScenarioReport| matches!(report.verdict, Verdict::Failed { .. });
        self.scenarios.iter().filter(failed)
    }

    /// Returns the skipped scenarios.
    pub fn skipped(&self) -> impl Iterator<Item = &ScenarioReport> {
        let skipped = |report: &&ScenarioReport| matches!(report.verdict, Verdict::Skipped { .. });
        self.scenarios.iter().filter(skipped)
    }

    /// Returns whether at least one scenario passed and no scenario failed.
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
