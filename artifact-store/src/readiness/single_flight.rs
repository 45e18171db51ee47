//! One check of a part at a time, whose result all callers share.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::check::Checked;
use super::{ReadinessPart, UnreadyReason};

type Outcome = Result<(), UnreadyReason>;

#[derive(Debug)]
pub(super) struct SingleFlight {
    part: ReadinessPart,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last result, and when it was known.
    last: Option<(Instant, Outcome)>,
    /// The check that runs.
    running: Option<Running>,
    /// What the log says.
    logged: Outcome,
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
            state: Mutex::new(State {
                last: None,
                running: None,
                logged: Ok(()),
            }),
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
        let reason = match timeout_at(deadline, running.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => return outcome.unwrap_or(Err(UnreadyReason::NoAnswer)),
            // The check panicked.
            Ok(Err(_)) => UnreadyReason::Unreadable,
            Err(_) => UnreadyReason::NoAnswer,
        };
        self.log(Err(reason), None);
        Err(reason)
    }

    fn begin(self: &Arc<Self>, check: BoxFuture<'static, Checked>) -> Running {
        let (sender, outcome) = watch::channel(None);
        let flight = Arc::clone(self);
        tokio::spawn(async move {
            let checked = check.await;
            let outcome = flight.end(checked);
            sender.send_replace(Some(outcome));
        });
        Running {
            began: Instant::now(),
            outcome,
        }
    }

    fn end(&self, checked: Checked) -> Outcome {
        let (outcome, error) = match checked {
            Ok(()) => (Ok(()), None),
            Err(error) => (Err(error.reason), error.source),
        };
        {
            let mut state = self.lock();
            state.running = None;
            state.last = Some((Instant::now(), outcome));
        }
        self.log(outcome, error.as_deref());
        outcome
    }

    /// Logs an outcome if it differs from the last one that was logged.
    fn log(&self, outcome: Outcome, error: Option<&(dyn StdError + Send + Sync + 'static)>) {
        let part = self.part.as_str();
        if std::mem::replace(&mut self.lock().logged, outcome) == outcome {
            return;
        }
        match outcome {
            Ok(()) => tracing::info!(part, "ready again"),
            Err(reason) => tracing::warn!(
                part,
                %reason,
                error = error.map(|error| error as &(dyn StdError + 'static)),
                "not ready"
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
