//! When the last byte of a request moved, so that a time-out ends silence and not a slow transfer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::PutPayload;
use tokio::time::Instant;

tokio::task_local! {
    /// The progress of the request that the current task is sending.
    static CURRENT: Progress;
}

/// When the last byte of a request moved, in either direction.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    /// How many milliseconds after `began` the last byte moved.
    last_millis: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            began: Instant::now(),
            last_millis: AtomicU64::new(0),
        }))
    }

    /// Sends a request whose bytes count as this progress.
    pub(crate) async fn of<T>(&self, request: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), request).await
    }

    /// Returns the progress of the request that the current task is sending.
    #[cfg(any(feature = "http", test))]
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Records that bytes have moved now.
    pub(crate) fn record(&self) {
        let millis = self.0.began.elapsed().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.0.last_millis.fetch_max(millis, Ordering::Relaxed);
    }

    /// Returns when the last byte moved, or else when the request began.
    pub(crate) fn last(&self) -> Instant {
        let millis = self.0.last_millis.load(Ordering::Relaxed);
        self.0.began + Duration::from_millis(millis)
    }
}

/// The body of a request, as far as its time-out depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: u64,
    /// The bytes themselves, if it can be seen which of them are on the way.
    payload: Option<PutPayload>,
}

impl Body {
    /// Returns a body of this size that does not show how much of it is on the way.
    pub(crate) fn of_size(bytes: u64) -> Self {
        Self {
            bytes,
            payload: None,
        }
    }

    /// Returns whether the body shows which bytes are on the way.
    pub(crate) fn is_visible(&self) -> bool {
        self.payload.is_some()
    }

    /// Returns the first and the last chunk on the way, which change while bytes move.
    ///
    /// The library has no hook for the bytes that it sends. But its HTTP client holds a copy of the
    /// handle of each chunk that waits for the connection, and of no other chunk.
    pub(crate) fn on_the_way(&self) -> Option<(usize, usize)> {
        let chunks = self.payload.as_ref()?.as_ref();
        let first = chunks.iter().position(|chunk| !chunk.is_unique())?;
        let last = chunks.iter().rposition(|chunk| !chunk.is_unique())?;
        Some((first, last))
    }
}

impl From<&PutPayload> for Body {
    fn from(payload: &PutPayload) -> Self {
        Self {
            bytes: payload.content_length() as u64,
            payload: Some(payload.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn progress_is_the_time_of_the_last_byte() {
        let progress = Progress::new();
        let began = Instant::now();
        assert_eq!(progress.last(), began);
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(progress.last(), began);
        progress.record();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(progress.last(), began + Duration::from_millis(1_500));
    }

    #[test]
    fn the_chunks_on_the_way_are_those_that_the_client_holds() {
        let chunks: PutPayload = (0..4).map(|number| Bytes::from(vec![number; 9])).collect();
        let body = Body::from(&chunks);
        assert_eq!(body.on_the_way(), None);
        let mut sending = chunks.clone().into_iter();
        let first = sending.next();
        assert_eq!(body.on_the_way(), Some((0, 0)));
        let second = sending.next();
        drop(first);
        assert_eq!(body.on_the_way(), Some((1, 1)));
        let third = sending.next();
        assert_eq!(body.on_the_way(), Some((1, 2)));
        drop((second, third));
        assert_eq!(body.on_the_way(), None);
    }
}
