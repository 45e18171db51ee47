//! How many deposits may be under way, in all and of one principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_store::{ExperimentId, Principal, PrincipalId};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::config::HttpConfig;
use crate::problem::Problem;

/// Workers of two experiments may have the same id only by chance, but then they are two.
type Depositor = (Option<ExperimentId>, PrincipalId);

#[derive(Debug)]
pub(crate) struct Uploads {
    most: usize,
    most_each: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    /// Only of those who have one.
    each: HashMap<Depositor, usize>,
}

/// A deposit under way. Dropped, it makes room for the next.
#[derive(Debug)]
#[must_use = "the place is given back when it is dropped"]
pub(crate) struct Place {
    uploads: Arc<Uploads>,
    depositor: Depositor,
}

impl Uploads {
    pub(crate) fn new(config: &HttpConfig) -> Arc<Self> {
        Arc::new(Self {
            most: config.max_uploads.unwrap_or(usize::MAX),
            most_each: config.max_uploads_per_principal.unwrap_or(usize::MAX),
            now: Mutex::default(),
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Two numbers, each changed in one step: a panic leaves nothing half done.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more. 429 where the principal has its share, whoever else is there; 503
    /// where all places are taken.
    pub(crate) fn begin(self: &Arc<Self>, principal: &Principal) -> Result<Place, Problem> {
        let depositor = (principal.experiment().cloned(), principal.id());
        let mut now = self.now();
        let own = now.each.get(&depositor).copied().unwrap_or(0);
        if own >= self.most_each {
            return Err(Problem::plain(
                StatusCode::TOO_MANY_REQUESTS,
                "this principal has as many deposits under way as one may have; try again",
            )
            .with_header(RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if now.all >= self.most {
            let detail = "the server has as many deposits under way as it takes";
            return Err(Problem::unavailable(detail));
        }
        now.all += 1;
        now.each.insert(depositor.clone(), own + 1);
        drop(now);
        Ok(Place {
            uploads: Arc::clone(self),
            depositor,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.uploads.now();
        now.all -= 1;
        if let Some(own) = now.each.get_mut(&self.depositor) {
            *own -= 1;
            if *own == 0 {
                now.each.remove(&self.depositor);
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
    fn each_has_a_share_and_all_together_have_a_limit() {
        let config = HttpConfig::default()
            .with_max_uploads(3)
            .with_max_uploads_per_principal(2);
        let uploads = Uploads::new(&config);
        let (one, other) = (
            worker("wkr_00000000000000000000000001"),
            worker("wkr_00000000000000000000000002"),
        );
        let status = |who| uploads.begin(who).map_err(|problem| problem.status());
        let first = status(&one).unwrap();
        let _second = status(&one).unwrap();
        assert_eq!(status(&one).unwrap_err(), 429);
        let third = status(&other).unwrap();
        assert_eq!(status(&other).unwrap_err(), 503);
        assert_eq!(status(&one).unwrap_err(), 429);
        drop(first);
        let _fourth = status(&one).unwrap();
        drop(third);
        let _fifth = status(&other).unwrap();
    }

    #[test]
    fn nothing_is_remembered_of_who_has_gone() {
        let uploads = Uploads::new(&HttpConfig::default());
        drop(
            uploads
                .begin(&worker("wkr_00000000000000000000000001"))
                .unwrap(),
        );
        let now = uploads.now();
        assert_eq!((now.all, now.each.len()), (0, 0));
    }
}
