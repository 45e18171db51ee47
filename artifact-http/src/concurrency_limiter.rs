//! Limits concurrent deposits, in total and per principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_store::{ExperimentId, Principal, PrincipalId};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::config::HttpConfig;
use crate::problem::Problem;

/// A depositor within its experiment: two experiments might contain the same id.
type Depositor = (Option<ExperimentId>, PrincipalId);

#[derive(Debug)]
pub(crate) struct UploadLimiter {
    max: usize,
    max_per_principal: usize,
    active: Mutex<Active>,
}

/// The deposits in progress.
#[derive(Debug, Default)]
struct Active {
    total: usize,
    /// Contains only depositors with at least one deposit in progress.
    per_depositor: HashMap<Depositor, usize>,
}

/// A permit to upload; returned to the limiter on drop.
#[derive(Debug)]
#[must_use = "dropping the permit ends the upload"]
pub(crate) struct UploadPermit {
    limiter: Arc<UploadLimiter>,
    depositor: Depositor,
}

impl UploadLimiter {
    pub(crate) fn new(config: &HttpConfig) -> Arc<Self> {
        Arc::new(Self {
            max: config.max_uploads.unwrap_or(usize::MAX),
            max_per_principal: config.max_uploads_per_principal.unwrap_or(usize::MAX),
            active: Mutex::default(),
        })
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        // Each change is one assignment, so a panic leaves no inconsistent state.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit. Fails with 429 if the principal has reached its own limit, and else with 503
    /// if the total limit is reached.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        principal: &Principal,
    ) -> Result<UploadPermit, Problem> {
        let depositor = (principal.experiment().cloned(), principal.id());
        let mut active = self.active();
        let own = active.per_depositor.get(&depositor).copied().unwrap_or(0);
        if own >= self.max_per_principal {
            return Err(Problem::plain(
                StatusCode::TOO_MANY_REQUESTS,
                "the principal has too many concurrent deposits; try again",
            )
            .with_header(RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if active.total >= self.max {
            return Err(Problem::unavailable(
                "the server has too many concurrent deposits; try again",
            ));
        }
        active.total += 1;
        active.per_depositor.insert(depositor.clone(), own + 1);
        drop(active);
        Ok(UploadPermit {
            limiter: Arc::clone(self),
            depositor,
        })
    }
}

impl Drop for UploadPermit {
    fn drop(&mut self) {
        let mut active = self.limiter.active();
        active.total -= 1;
        if let Some(own) = active.per_depositor.get_mut(&self.depositor) {
            *own -= 1;
            if *own == 0 {
                active.per_depositor.remove(&self.depositor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: &str) -> Principal {
        Principal::worker(id.parse().unwrap(), "e".parse().unwrap())
    }

    #[test]
    fn uploads_are_limited_per_principal_and_in_total() {
        let config = HttpConfig::default()
            .with_max_uploads(3)
            .with_max_uploads_per_principal(2);
        let limiter = UploadLimiter::new(&config);
        let (one, other) = (
            worker("wkr_00000000000000000000000001"),
            worker("wkr_00000000000000000000000002"),
        );
        let acquire = |principal| {
            limiter
                .acquire(principal)
                .map_err(|problem| problem.status())
        };
        let first = acquire(&one).unwrap();
        let _second = acquire(&one).unwrap();
        assert_eq!(acquire(&one).unwrap_err(), 429);
        let third = acquire(&other).unwrap();
        assert_eq!(acquire(&other).unwrap_err(), 503);
        assert_eq!(acquire(&one).unwrap_err(), 429);
        drop(first);
        let _fourth = acquire(&one).unwrap();
        drop(third);
        let _fifth = acquire(&other).unwrap();
    }

    #[test]
    fn depositors_without_uploads_are_forgotten() {
        let limiter = UploadLimiter::new(&HttpConfig::default());
        let worker = worker("wkr_00000000000000000000000001");
        drop(limiter.acquire(&worker).unwrap());
        let active = limiter.active();
        assert_eq!((active.total, active.per_depositor.len()), (0, 0));
    }
}
