//! Limits how many requests of one kind are in progress, in total and per principal.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::metrics::Level;
use artifact_store::{ExperimentId, LinkId, Principal, PrincipalId};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::config::HttpConfig;
use crate::metrics::PermitMetrics;
use crate::problem::Problem;

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// A principal within its experiment: two experiments might contain the same id.
    Principal(Option<ExperimentId>, PrincipalId),
    /// A link, which needs no credential.
    Link(LinkId),
}

#[derive(Debug)]
pub(crate) struct ConcurrencyLimiter {
    max: usize,
    max_per_principal: usize,
    /// The details of the problems beyond the total limit, and beyond the limit of a principal.
    details: (&'static str, &'static str),
    active: Mutex<Active>,
    metrics: PermitMetrics,
}

/// The requests in progress.
#[derive(Debug, Default)]
struct Active {
    total: usize,
    /// Contains only those with at least one request in progress.
    per_holder: HashMap<Holder, usize>,
}

/// A permit for one request; returned to the limiter on drop.
#[derive(Debug)]
#[must_use = "dropping the permit ends the request for the limiter"]
pub(crate) struct Permit {
    limiter: Arc<ConcurrencyLimiter>,
    holder: Holder,
    _level: Level,
}

impl ConcurrencyLimiter {
    pub(crate) fn of_uploads(config: &HttpConfig) -> Arc<Self> {
        let details = (
            "the server has too many concurrent deposits; try again",
            "the principal has too many concurrent deposits; try again",
        );
        Self::new(
            "deposit",
            config.max_uploads,
            config.max_uploads_per_principal,
            details,
        )
    }

    pub(crate) fn of_fetches(config: &HttpConfig) -> Arc<Self> {
        let details = (
            "the server has too many concurrent fetches; try again",
            "the principal has too many concurrent fetches; try again",
        );
        Self::new(
            "fetch",
            config.max_fetches,
            config.max_fetches_per_principal,
            details,
        )
    }

    pub(crate) fn of_lists(config: &HttpConfig) -> Arc<Self> {
        let details = (
            "the server has too many concurrent lists; try again",
            "the principal has too many concurrent lists; try again",
        );
        Self::new(
            "list",
            config.max_lists,
            config.max_lists_per_principal,
            details,
        )
    }

    fn new(
        kind: &'static str,
        max: Option<usize>,
        max_per_principal: Option<usize>,
        details: (&'static str, &'static str),
    ) -> Arc<Self> {
        Arc::new(Self {
            max: max.unwrap_or(usize::MAX),
            max_per_principal: max_per_principal.unwrap_or(usize::MAX),
            details,
            active: Mutex::default(),
            metrics: PermitMetrics::new(kind, max),
        })
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        // Each change is one assignment, so a panic leaves no inconsistent state.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit for a request of a principal.
    pub(crate) fn acquire(self: &Arc<Self>, principal: &Principal) -> Result<Permit, Problem> {
        let holder = Holder::Principal(principal.experiment().cloned(), principal.id());
        self.acquire_for(holder)
    }

    /// Takes a permit. Fails with 429 if the holder has reached its own limit, and else with 503
    /// if the total limit is reached.
    pub(crate) fn acquire_for(self: &Arc<Self>, holder: Holder) -> Result<Permit, Problem> {
        let mut active = self.active();
        let Active { total, per_holder } = &mut *active;
        // The key is hashed once.
        let own = per_holder.entry(holder.clone());
        let count = match &own {
            Entry::Occupied(own) => *own.get(),
            Entry::Vacant(_) => 0,
        };
        if count >= self.max_per_principal {
            return Err(
                Problem::plain(StatusCode::TOO_MANY_REQUESTS, self.details.1)
                    .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
            );
        }
        if *total >= self.max {
            return Err(Problem::unavailable(self.details.0));
        }
        *total += 1;
        own.insert_entry(count + 1);
        drop(active);
        Ok(Permit {
            limiter: Arc::clone(self),
            holder,
            _level: self.metrics.begin(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut active = self.limiter.active();
        active.total -= 1;
        if let Entry::Occupied(mut own) = active.per_holder.entry(self.holder.clone()) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
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
    fn requests_are_limited_per_principal_and_in_total() {
        let config = HttpConfig::default()
            .with_max_uploads(3)
            .with_max_uploads_per_principal(2);
        let limiter = ConcurrencyLimiter::of_uploads(&config);
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
    fn principals_without_requests_are_forgotten() {
        let limiter = ConcurrencyLimiter::of_uploads(&HttpConfig::default());
        let worker = worker("wkr_00000000000000000000000001");
        drop(limiter.acquire(&worker).unwrap());
        let active = limiter.active();
        assert_eq!((active.total, active.per_holder.len()), (0, 0));
    }
}
