//! All connections: how many there may be, and which one makes room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Pulse;

/// The connections that are served.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    last: u64,
    open: HashMap<u64, Arc<Pulse>>,
}

/// One of them. Dropped, it makes room.
#[derive(Debug)]
#[must_use = "the connection counts until this is dropped"]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    number: u64,
    pub(crate) pulse: Arc<Pulse>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            now: Mutex::default(),
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Insertions and removals: a panic leaves nothing half done.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for one more. Where all are taken, the connection that has asked for nothing for the
    /// longest time is ended for it; `None` where each of them is being served.
    pub(crate) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let mut now = self.now();
        if now.open.len() >= self.most {
            let idle = now.open.iter().filter_map(|(number, pulse)| {
                let since = pulse.idle_since()?;
                Some((since, *number))
            });
            let (_, number) = idle.min()?;
            // It counts no more: nothing is left of it but to be closed.
            now.open.remove(&number)?.evict();
        }
        now.last += 1;
        let number = now.last;
        let pulse = Pulse::new();
        now.open.insert(number, Arc::clone(&pulse));
        drop(now);
        Some(Seat {
            connections: Arc::clone(self),
            number,
            pulse,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.now().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_that_is_idle_for_the_longest_makes_room() {
        let connections = Connections::new(2);
        let first = connections.seat().unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = connections.seat().unwrap();
        let third = connections.seat().unwrap();
        let open = |seat: &Seat| connections.now().open.contains_key(&seat.number);
        assert_eq!([&first, &second, &third].map(open), [false, true, true]);
        drop(second);
        // Nobody has to make room for this one.
        let fourth = connections.seat().unwrap();
        assert_eq!([&third, &fourth].map(open), [true, true]);
        // What was sent away is not counted twice.
        drop(first);
        assert_eq!(connections.now().open.len(), 2);
    }

    #[tokio::test]
    async fn whoever_is_served_makes_no_room() {
        let connections = Connections::new(1);
        let seat = connections.seat().unwrap();
        let request = seat.pulse.begin();
        assert!(connections.seat().is_none());
        drop(request);
        // Its answer is still to be written.
        assert!(connections.seat().is_none());
        seat.pulse.flushed();
        assert!(connections.seat().is_some());
    }
}
