//! What a scenario is, and how it ends.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::site::Context;

/// Why a scenario ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server did something else.
    Failed(Failure),
    /// It cannot be seen here, and why.
    Skipped(String),
}

/// What was expected and what was seen.
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

/// One scenario: a name, the clauses that it looks at, and a function.
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

/// The table of a file's scenarios: each is an `async fn(Context) -> Outcome` of the same name.
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
