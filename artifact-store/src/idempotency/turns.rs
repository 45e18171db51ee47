//! Deposits of this process that have the same key take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::IdempotencyKey;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// What a key belongs to, and the key.
type Scope = (ExperimentId, PrincipalId, IdempotencyKey);

/// The keys whose deposits are making their bytes and rows durable, or wait for that. Memory is needed only for these.
#[derive(Debug, Default)]
pub(crate) struct KeyTurns(Mutex<HashMap<Scope, Arc<AsyncMutex<()>>>>);

/// The turn of one deposit. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Dropped in this order: the place counts the references to its lock.
    _guard: OwnedMutexGuard<()>,
    _place: Place,
}

/// A place in the queue for a key.
#[derive(Debug)]
struct Place {
    turns: Arc<KeyTurns>,
    scope: Scope,
    lock: Arc<AsyncMutex<()>>,
}

impl KeyTurns {
    /// Waits until no other deposit with this key has a turn. If the future is dropped, the place in the queue is given up.
    pub(crate) async fn take(self: Arc<Self>, scope: Scope) -> Turn {
        let lock = Arc::clone(self.places().entry(scope.clone()).or_default());
        let place = Place {
            turns: self,
            scope,
            lock,
        };
        Turn {
            _guard: Arc::clone(&place.lock).lock_owned().await,
            _place: place,
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Scope, Arc<AsyncMutex<()>>>> {
        // No change of the map can fail halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.turns.places();
        // The map and this place. Another place has its own reference, which it got under the lock of the map.
        if Arc::strong_count(&self.lock) == 2 {
            places.remove(&self.scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn scope(key: &str) -> Scope {
        (
            "exp".parse().unwrap(),
            PrincipalId::Admin,
            key.parse().unwrap(),
        )
    }

    #[tokio::test]
    async fn one_key_has_one_turn_at_a_time_and_no_place_is_left() {
        let turns = Arc::new(KeyTurns::default());
        let first = Arc::clone(&turns).take(scope("a")).await;
        drop(Arc::clone(&turns).take(scope("b")).await);

        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Box::pin(Arc::clone(&turns).take(scope("a")));
        let mut given_up = Box::pin(Arc::clone(&turns).take(scope("a")));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert!(given_up.as_mut().poll(&mut context).is_pending());
        drop(given_up);
        assert_eq!(turns.places().len(), 1);

        drop(first);
        let Poll::Ready(second) = waiting.as_mut().poll(&mut context) else {
            panic!("the turn is free");
        };
        drop(second);
        assert_eq!(turns.places().len(), 0);
    }
}
