//! The suite: its settings and its run.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::BoxError;
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};

use crate::case::{Case, Context, Stop};
use crate::cases;
use crate::progress::Progress;
use crate::report::{CaseReport, Report, Verdict};
use crate::storage::Storage;

pub(crate) type Fresh =
    dyn Fn() -> BoxFuture<'static, Result<Storage, BoxError>> + Send + Sync + 'static;

/// The contract of [`ArtifactBackend`](artifact_backend::ArtifactBackend) as cases, for one backend under
/// test.
///
/// Each case gets a new, empty storage, runs in its own task within a [time limit](Self::with_time_limit), and is
/// reported by name. A panic or a hang in the backend fails that case and does not end the suite.
#[must_use = "nothing is tested until `run` is awaited"]
pub struct Suite {
    fresh: Arc<Fresh>,
    volatile: Option<String>,
    time_limit: Duration,
    large_blob: u64,
    seed: u64,
    only: Only,
    progress: Box<dyn FnMut(Progress) + Send>,
}

/// The cases to run.
#[derive(Debug)]
enum Only {
    Prefix(String),
    Case(String),
}

impl Only {
    fn selects(&self, case: &Case) -> bool {
        match self {
            Self::Prefix(prefix) => case.name.starts_with(prefix),
            Self::Case(name) => case.name == name,
        }
    }
}

impl Suite {
    /// The smallest size in bytes of the blob of the clause `bounded`.
    pub const MIN_LARGE_BLOB: u64 = 20 * 1024 * 1024;

    /// Makes a suite. Each call of `fresh` must return a new, empty storage that is separate from all others. It
    /// may return a backend, or a [`Storage`] with hooks, which enable more cases.
    pub fn new<F, Fut, S>(fresh: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, BoxError>> + Send + 'static,
        S: Into<Storage> + 'static,
    {
        Self {
            fresh: Arc::new(move || {
                let created = fresh();
                Box::pin(async move { created.await.map(Into::into) })
            }),
            volatile: None,
            time_limit: Duration::from_secs(60),
            large_blob: 64 * 1024 * 1024,
            seed: 0x5eed,
            only: Only::Prefix(String::new()),
            progress: Box::new(drop),
        }
    }

    /// Declares that the backend keeps blobs in the memory of the process, with the reason. Cases that need
    /// storage outside it are then skipped: the bounded memory of an upload, and, without a
    /// [reopen](Storage::with_reopen) hook, blobs that outlive a handle.
    pub fn volatile(mut self, reason: impl Into<String>) -> Self {
        self.volatile = Some(reason.into());
        self
    }

    /// Sets how long one case may take before it fails; 60 s by default. It does not measure speed, so choose
    /// a generous limit.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets the size of the blob of the clause `bounded`; 64 MiB by default, at least
    /// [`MIN_LARGE_BLOB`](Self::MIN_LARGE_BLOB), because its memory bounds prove nothing for smaller blobs.
    pub fn with_large_blob(mut self, bytes: u64) -> Self {
        self.large_blob = bytes.max(Self::MIN_LARGE_BLOB);
        self
    }

    /// Sets the seed of the random operations of the clause `concurrent`. A failure names its seed. The same
    /// seed gives every task the same operations, but the scheduler decides how they interleave.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Selects the cases whose name starts with this text, such as `range` or `range::ranges_of_ten_bytes_match_the_table`.
    pub fn only(mut self, prefix: impl Into<String>) -> Self {
        self.only = Only::Prefix(prefix.into());
        self
    }

    /// Selects one case by its whole name.
    pub(crate) fn only_case(mut self, name: &str) -> Self {
        self.only = Only::Case(name.to_owned());
        self
    }

    /// Sets a function that is called when a case begins and when it ends, for example to print the line of a
    /// [`Progress`]. It runs between the cases, so it must not block for long.
    ///
    /// ```
    /// # use artifact_backend_conformance::Suite;
    /// # use artifact_backend_mem::MemBackend;
    /// let suite = Suite::new(|| async { Ok(MemBackend::default()) })
    ///     .with_progress(|progress| eprintln!("{progress}"));
    /// ```
    pub fn with_progress(mut self, progress: impl FnMut(Progress) + Send + 'static) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Returns the names of all cases, `<clause>::<behaviour>`, in the order in which they run.
    pub fn case_names() -> impl Iterator<Item = &'static str> {
        cases::all().map(|case| case.name)
    }

    /// Runs the selected cases one after the other.
    ///
    /// # Panics
    ///
    /// Outside a multi-thread tokio runtime: races need threads, and a backend that blocks its thread would
    /// stop the suite instead of failing one case.
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
            mut progress,
        } = self;
        let context = Context {
            fresh,
            volatile: volatile.map(Into::into),
            time_limit,
            large_blob,
            seed,
        };
        let selected: Vec<_> = cases::all().filter(|case| only.selects(case)).collect();
        let mut reports = Vec::new();
        for (at, case) in selected.iter().enumerate() {
            let mut progress = |result| {
                progress(Progress {
                    name: case.name,
                    number: at + 1,
                    total: selected.len(),
                    result,
                });
            };
            progress(None);
            let began = Instant::now();
            let report = CaseReport::new(case.name, run_case(case, context.clone()).await);
            progress(Some((report.clone(), began.elapsed())));
            reports.push(report);
        }
        Report::new(reports)
    }
}

async fn run_case(case: &Case, context: Context) -> Verdict {
    let limit = context.time_limit;
    let mut task = tokio::spawn((case.run)(context));
    match timeout(limit, &mut task).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(Stop::Failed(reason)))) => Verdict::Failed(reason),
        Ok(Ok(Err(Stop::Skipped(reason)))) => Verdict::Skipped(reason),
        Ok(Err(error)) => Verdict::Failed(panic_text(error)),
        Err(_) => {
            task.abort();
            Verdict::Failed(format!("did not finish within {limit:?}"))
        }
    }
}

/// Returns the message of a panic.
pub(crate) fn panic_text(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
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
