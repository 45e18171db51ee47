//! The suite: which scenarios run, and how.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::report::{Report, ScenarioReport, Verdict};
use crate::scenario::{Scenario, Stop};
use crate::scenarios;
use crate::site::{Context, Site};
use crate::subject::Subject;

/// How long one scenario may take before it counts as hung.
const TIME_LIMIT: Duration = Duration::from_mins(2);

/// All scenarios, to be run against one server.
///
/// They deposit small artifacts and register workers and groups there, and leave them: an artifact
/// cannot be removed over the protocol. They do not change what they did not make, but for the
/// members of `admins`, of which they remove again those that they add.
#[derive(Debug)]
pub struct Suite {
    subject: Subject,
    filter: Option<String>,
}

impl Suite {
    /// The suite against this server.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            filter: None,
        }
    }

    /// Runs only the scenarios whose name holds this text, or that cite the clause of this name.
    #[must_use = "this gives the suite back, it does not change it in place"]
    pub fn with_filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Every scenario, in the order in which they run.
    pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
        scenarios::all()
    }

    /// Whether this scenario passes a filter.
    pub fn matches(scenario: &Scenario, filter: &str) -> bool {
        scenario.name.contains(filter) || scenario.clauses.contains(&filter)
    }

    /// Runs the scenarios one after the other.
    pub async fn run(self) -> Report {
        let context: Context = Arc::new(Site::new(self.subject));
        let mut reports = Vec::new();
        for scenario in scenarios::all() {
            let wanted = self.filter.as_ref();
            if wanted.is_none_or(|filter| Self::matches(scenario, filter)) {
                reports.push(ScenarioReport {
                    name: scenario.name,
                    clauses: scenario.clauses,
                    verdict: run(scenario, Arc::clone(&context)).await,
                });
            }
        }
        Report::new(reports)
    }
}

async fn run(scenario: &Scenario, context: Context) -> Verdict {
    let failed = |expected: &str, seen: String| Verdict::Failed {
        asked: scenario.name.to_owned(),
        expected: expected.to_owned(),
        seen,
    };
    let mut task = tokio::spawn((scenario.run)(context));
    match timeout(TIME_LIMIT, &mut task).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(Stop::Failed(failure)))) => Verdict::Failed {
            asked: failure.asked,
            expected: failure.expected,
            seen: failure.seen,
        },
        Ok(Ok(Err(Stop::Skipped(reason)))) => Verdict::Skipped { reason },
        Ok(Err(died)) => failed("a scenario that ends", format!("it died: {died}")),
        Err(_) => {
            task.abort();
            failed("an end", format!("none within {TIME_LIMIT:?}"))
        }
    }
}
