//! One check of a part at a time, whose result all callers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::check::{CheckError, Checked};
use super::{ReadinessPart, UnreadyReason};

type Outcome = Result<(), UnreadyReason>;

#[derive(Debug)]
pub(super) struct SingleFlight {
    part: ReadinessPart,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last result, and when it was known.
    last: Option<(Instant, Outcome)>,
    /// The check that runs, and when it began.
    running: Option<Running>,
}

#[derive(Debug, Clone)]
struct Running {
    began: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl SingleFlight {
    pub(super) fn new(part: ReadinessPart) -> Self {
        Self {
            part,
            state: Mutex::default(),
        }
    }

    /// Returns the last result if it is younger than `cache`. Otherwise waits for the check that runs, or begins one, until `limit` after
    /// its beginning.
    pub(super) async fn result(
        self: &Arc<Self>,
        limit: Duration,
        cache: Duration,
        check: impl FnOnce() -> BoxFuture<'static, Checked>,
    ) -> Outcome {
        let mut running = {
            let mut state = self.lock();
            if let Some((known, outcome)) = state.last
                && known.elapsed() < cache
            {
                return outcome;
            }
            // The sender of a check that panicked, or whose runtime has ended, is gone.
            let runs = state.running.take();
            let runs = runs.filter(|running| running.outcome.has_changed().is_ok());
            let runs = runs.unwrap_or_else(|| self.begin(check()));
            state.running.insert(runs).clone()
        };
        let deadline = running.began + limit;
        match timeout_at(deadline, running.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.unwrap_or(Err(UnreadyReason::NoAnswer)),
            // The check panicked.
            Ok(Err(_)) => Err(UnreadyReason::Unreadable),
            Err(_) => Err(UnreadyReason::NoAnswer),
        }
    }

    fn begin(self: &Arc<Self>, check: BoxFuture<'static, Checked>) -> Running {
        let (sender, outcome) = watch::channel(None);
        let flight = Arc::clone(self);
        tokio::spawn(async move {
            let checked = check.await;
            let outcome = flight.end(&checked);
            sender.send_replace(Some(outcome));
        });
        Running {
            began: Instant::now(),
            outcome,
        }
    }

    /// Records the result, and logs it if it differs from the last one.
    fn end(&self, checked: &Checked) -> Outcome {
        let outcome = match checked {
            Ok(()) => Ok(()),
            Err(error) => Err(error.reason),
        };
        let last = {
            let mut state = self.lock();
            state.running = None;
            state.last.replace((Instant::now(), outcome))
        };
        let before = last.map_or(Ok(()), |(_, outcome)| outcome);
        if before != outcome {
            self.log(checked);
        }
        outcome
    }

    fn log(&self, checked: &Checked) {
        let part = self.part.as_str();
        match checked {
            Ok(()) => tracing::info!(part, "ready again"),
            Err(CheckError { reason, source }) => tracing::warn!(
                part,
                %reason,
                error = source
                    .as_deref()
                    .map(|error| error as &(dyn std::error::Error + 'static)),
                "not ready"
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
