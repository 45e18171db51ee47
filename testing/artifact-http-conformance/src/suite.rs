//! The suite: selects and runs scenarios.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::report::{Report, ScenarioReport, Verdict};
use crate::scenario::{Scenario, Stop};
use crate::scenarios;
use crate::site::{Context, Site};
use crate::subject::Subject;

/// How long one scenario may take.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// All scenarios, for one server.
///
/// They deposit small artifacts and register workers and groups. These remain on the server, because
/// the protocol cannot delete artifacts or workers. The scenarios change nothing else, except for the members of
/// `admins`; they remove the members that they add.
#[derive(Debug)]
pub struct Suite {
    subject: Subject,
    filter: Option<String>,
}

impl Suite {
    /// Makes a suite for this server.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            filter: None,
        }
    }

    /// Selects the scenarios whose name contains this text, or that cite the clause with this id.
    #[must_use = "this returns the changed suite"]
    pub fn with_filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Returns all scenarios, in the order in which they run.
    pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
        scenarios::all()
    }

    /// Returns whether a scenario matches a filter.
    pub fn matches(scenario: &Scenario, filter: &str) -> bool {
        scenario.name.contains(filter) || scenario.clauses.contains(&filter)
    }

    /// Runs the selected scenarios one after the other.
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
        Ok(Err(panic)) => failed("a scenario that ends", format!("it panicked: {panic}")),
        Err(_) => {
            task.abort();
            failed(
                "a scenario that ends",
                format!("it did not end within {TIME_LIMIT:?}"),
            )
        }
    }
}
