//! Limits the number of connections, and chooses the idle connection that makes room for a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::ConnectionState;

/// Issues a permit for each connection, up to a limit.
#[derive(Debug)]
pub(crate) struct ConnectionLimiter {
    max_connections: usize,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    last_number: u64,
    by_number: HashMap<u64, Arc<ConnectionState>>,
}

/// A permit for one connection; returned to the limiter on drop.
#[derive(Debug)]
#[must_use = "the connection counts towards the limit until the permit is dropped"]
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    number: u64,
    pub(crate) state: Arc<ConnectionState>,
}

impl ConnectionLimiter {
    pub(crate) fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Self {
            max_connections,
            open: Mutex::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        // Each insertion and removal is one step, so a panic cannot leave the map inconsistent.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of connections with an open request or an unwritten response.
    pub(crate) fn busy(&self) -> usize {
        let open = self.open();
        let busy = |state: &&Arc<ConnectionState>| state.idle_since().is_none();
        open.by_number.values().filter(busy).count()
    }

    /// Returns a permit for a new connection.
    ///
    /// At the limit, the connection that has been idle longest is closed to make room. Returns `None`
    /// if each connection is serving a request.
    pub(crate) fn acquire(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let mut open = self.open();
        if open.by_number.len() >= self.max_connections {
            let idle = open.by_number.iter().filter_map(|(number, state)| {
                let since = state.idle_since()?;
                Some((since, *number))
            });
            let (_, number) = idle.min()?;
            // It no longer counts towards the limit. It only has to be closed.
            open.by_number.remove(&number)?.close_if_idle();
        }
        open.last_number += 1;
        let number = open.last_number;
        let state = ConnectionState::new();
        open.by_number.insert(number, Arc::clone(&state));
        drop(open);
        Some(ConnectionPermit {
            limiter: Arc::clone(self),
            number,
            state,
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.limiter.open().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let limiter = ConnectionLimiter::new(2);
        let first = limiter.acquire().unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = limiter.acquire().unwrap();
        let third = limiter.acquire().unwrap();
        let is_open =
            |permit: &ConnectionPermit| limiter.open().by_number.contains_key(&permit.number);
        assert_eq!([&first, &second, &third].map(is_open), [false, true, true]);
        drop(second);
        // There is room for this one.
        let fourth = limiter.acquire().unwrap();
        assert_eq!([&third, &fourth].map(is_open), [true, true]);
        // The connection that made room is not counted twice.
        drop(first);
        assert_eq!(limiter.open().by_number.len(), 2);
    }

    #[tokio::test]
    async fn connections_with_a_request_do_not_make_room() {
        let limiter = ConnectionLimiter::new(1);
        let permit = limiter.acquire().unwrap();
        let request = permit.state.begin_request();
        assert!(limiter.acquire().is_none());
        drop(request);
        // Its response is not written yet.
        assert!(limiter.acquire().is_none());
        permit.state.record_flush();
        assert!(limiter.acquire().is_some());
    }
}
