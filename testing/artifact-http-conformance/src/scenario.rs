//! Scenarios, and how they stop.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::site::Context;

/// Why a scenario stopped early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server did not behave as expected.
    Failed(Failure),
    /// The scenario cannot be run, with the reason.
    Skipped(String),
}

/// The expected and the observed behaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) asked: String,
    pub(crate) expected: String,
    pub(crate) seen: String,
}

impl Stop {
    pub(crate) fn failed(
        asked: impl Into<String>,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Self {
        Self::Failed(Failure {
            asked: asked.into(),
            expected: expected.into(),
            seen: seen.into(),
        })
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Stop>;

/// A scenario: a name, the clauses that it tests, and a function.
pub struct Scenario {
    /// `<subject>::<behaviour>`.
    pub name: &'static str,
    /// The clauses of `docs/http-api.md` that it cites.
    pub clauses: &'static [&'static str],
    pub(crate) run: fn(Context) -> BoxFuture<'static, Outcome>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .field("clauses", &self.clauses)
            .finish_non_exhaustive()
    }
}

/// Defines the table of a file's scenarios. Each is an `async fn(Context) -> Outcome` of that name.
macro_rules! scenarios {
    ($subject:literal: $($name:ident [$($clause:literal),+]),+ $(,)?) => {
        pub(crate) const SCENARIOS: &[$crate::scenario::Scenario] = &[$($crate::scenario::Scenario {
            name: concat!($subject, "::", stringify!($name)),
            clauses: &[$($clause),+],
            run: |context| Box::pin($name(context)),
        }),+];
    };
}

pub(crate) use scenarios;
