//! The suite: which subject, with which bounds, and the run.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::BoxError;
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::case::{Case, Context, Stop};
use crate::cases;
use crate::report::{CaseReport, Report, Verdict};
use crate::storage::Storage;

pub(crate) type Fresh =
    dyn Fn() -> BoxFuture<'static, Result<Storage, BoxError>> + Send + Sync + 'static;

/// The contract of [`ArtifactBackend`](artifact_backend::ArtifactBackend) as cases, ready to run on
/// one subject.
///
/// Each case gets a fresh and empty storage, runs in a task of its own within a
/// [bound on its time](Self::with_time_limit), and is reported by name: a panic or a hang in the
/// backend is a failure of that case, not the end of the suite.
#[must_use = "nothing is tested until `run` is awaited"]
pub struct Suite {
    fresh: Arc<Fresh>,
    volatile: Option<String>,
    time_limit: Duration,
    large_blob: u64,
    seed: u64,
    only: Option<String>,
}

impl Suite {
    /// The least size of the blob that the clause `bounded` moves, in bytes.
    pub const MIN_LARGE_BLOB: u64 = 20 * 1024 * 1024;

    /// A suite on the subject that `fresh` makes: at every call a new and empty storage, apart from
    /// all others. A bare backend will do; a [`Storage`] can say more about itself, so that more
    /// cases can run.
    pub fn new<F, Fut, S>(fresh: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, BoxError>> + Send + 'static,
        S: Into<Storage> + 'static,
    {
        Self {
            fresh: Arc::new(move || {
                let made = fresh();
                Box::pin(async move { made.await.map(Into::into) })
            }),
            volatile: None,
            time_limit: Duration::from_mins(1),
            large_blob: 64 * 1024 * 1024,
            seed: 0x5eed,
            only: None,
        }
    }

    /// Declares that the subject keeps blobs in the process's memory, and why. Cases that ask for
    /// storage outside it are then skipped: bounded memory of an upload, and, without a
    /// [reopen](Storage::with_reopen), what outlives a handle.
    pub fn volatile(mut self, why: impl Into<String>) -> Self {
        self.volatile = Some(why.into());
        self
    }

    /// How long one case may take before it counts as hung; 60 s by default. It is no measure of
    /// speed: make it generous.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The size of the blob that the clause `bounded` moves; 64 MiB by default, and never less than
    /// [`MIN_LARGE_BLOB`](Self::MIN_LARGE_BLOB), under which its bounds would say nothing.
    pub fn with_large_blob(mut self, bytes: u64) -> Self {
        self.large_blob = bytes.max(Self::MIN_LARGE_BLOB);
        self
    }

    /// The seed of the clause `concurrent`'s random operations. A failure names it, and the same
    /// seed gives every task the same operations (their interleaving is the scheduler's).
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs only the cases whose name begins so: `range`, or `range::a_suffix_is_the_end`.
    pub fn only(mut self, prefix: impl Into<String>) -> Self {
        self.only = Some(prefix.into());
        self
    }

    /// The names of all cases, `<clause>::<behaviour>`, in the order in which they run.
    pub fn case_names() -> impl Iterator<Item = &'static str> {
        cases::all().map(|case| case.name)
    }

    /// Runs the cases one after the other.
    ///
    /// # Panics
    ///
    /// Outside a multi-thread tokio runtime: races need threads, and a backend that blocks its
    /// thread would stop the suite instead of failing one case.
    pub async fn run(self) -> Report {
        assert!(
            Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread,
            "the conformance suite needs a multi-thread runtime: \
             #[tokio::test(flavor = \"multi_thread\")]"
        );
        let Self {
            fresh,
            volatile,
            time_limit,
            large_blob,
            seed,
            only,
        } = self;
        let context = Context {
            fresh,
            volatile: volatile.map(Into::into),
            time_limit,
            large_blob,
            seed,
        };
        let mut reports = Vec::new();
        for case in cases::all() {
            if only.as_ref().is_none_or(|only| case.name.starts_with(only)) {
                let verdict = run_case(case, context.clone()).await;
                reports.push(CaseReport::new(case.name, verdict));
            }
        }
        Report::new(reports)
    }
}

async fn run_case(case: &Case, context: Context) -> Verdict {
    let limit = context.time_limit;
    let mut task = tokio::spawn((case.run)(context));
    match timeout(limit, &mut task).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(Stop::Failed(why)))) => Verdict::Failed(why),
        Ok(Ok(Err(Stop::Skipped(why)))) => Verdict::Skipped(why),
        Ok(Err(died)) => Verdict::Failed(panic_text(died)),
        Err(_) => {
            task.abort();
            Verdict::Failed(format!("not done after {limit:?}: it hangs"))
        }
    }
}

/// What a task that died said.
pub(crate) fn panic_text(died: JoinError) -> String {
    let Ok(payload) = died.try_into_panic() else {
        return "the task was cancelled".into();
    };
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("(no text)"))
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("volatile", &self.volatile)
            .field("time_limit", &self.time_limit)
            .field("large_blob", &self.large_blob)
            .field("seed", &self.seed)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}
