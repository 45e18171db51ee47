//! When the last byte of a request moved, so that a time-out ends silence and not a slow transfer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    #[cfg(feature = "http")]
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Records that bytes have moved now.
    #[cfg(any(feature = "http", test))]
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

#[cfg(feature = "http")]
pub(crate) mod body {
    //! Bodies that record their progress.

    use bytes::Bytes;
    use http_body_util::BodyExt as _;
    use object_store::PutPayload;
    use object_store::client::{HttpRequestBody, HttpResponseBody};

    use super::Progress;

    /// The size in bytes of the pieces whose sending is recorded. A smaller body is not split.
    const PIECE_BYTES: usize = 128 << 10;

    /// A piece of a request body. The HTTP client drops it when the connection has taken its bytes.
    struct Piece {
        bytes: Bytes,
        progress: Progress,
    }

    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }

    impl Drop for Piece {
        fn drop(&mut self) {
            self.progress.record();
        }
    }

    /// Returns a request body that records when each of its pieces has been sent. Copies no byte.
    pub(crate) fn recording_request(chunks: Vec<Bytes>, progress: &Progress) -> HttpRequestBody {
        let piece = |bytes: Bytes| {
            Bytes::from_owner(Piece {
                bytes,
                progress: progress.clone(),
            })
        };
        let pieces = chunks.into_iter().flat_map(|mut chunk| {
            let mut pieces = Vec::with_capacity(chunk.len().div_ceil(PIECE_BYTES));
            while !chunk.is_empty() {
                pieces.push(piece(chunk.split_to(chunk.len().min(PIECE_BYTES))));
            }
            pieces
        });
        pieces.collect::<PutPayload>().into()
    }

    /// Returns a response body that records when its chunks arrive.
    pub(crate) fn recording_response(
        body: HttpResponseBody,
        progress: Progress,
    ) -> HttpResponseBody {
        HttpResponseBody::new(body.map_frame(move |frame| {
            progress.record();
            frame
        }))
    }
}

#[cfg(test)]
mod tests {
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
}
