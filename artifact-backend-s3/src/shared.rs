//! The state that all operations share, and how they send requests.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::ErrorKind;
use artifact_backend_config::S3Config;
use futures_util::StreamExt;
use object_store::{GetOptions, GetResult, ObjectStore, path::Path};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::cleanup::Cleanup;
use crate::config::UploadTimes as _;
use crate::error::{Outcome, RequestError};
use crate::incomplete::IncompleteUploads;
use crate::layout::Layout;
use crate::progress::{Body, Progress};
use crate::retry::Retry;
use crate::upload_strategy::UploadStrategy;

/// The storage of one backend: the client, its settings, and the tasks that clean up after it.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) layout: Layout,
    pub(crate) config: S3Config,
    pub(crate) capabilities: Capabilities,
    pub(crate) cleanup: Cleanup,
}

/// What a storage can do.
#[derive(Debug)]
pub(crate) struct Capabilities {
    /// How blobs larger than one part are uploaded.
    pub(crate) upload_strategy: UploadStrategy,
    /// Lists incomplete multipart uploads, if the storage can.
    pub(crate) incomplete_uploads: Option<Arc<dyn IncompleteUploads>>,
    /// Whether the storage keeps metadata; tested on first use if it is not known.
    pub(crate) keeps_metadata: OnceCell<bool>,
    /// Whether it is one of the three providers, which accept any range and limit the number of parts.
    pub(crate) is_cloud: bool,
    /// Whether its lists are in the order of the keys, as those of the providers are. The directory buckets of S3
    /// Express, and `ObjectStore` in general, promise no order.
    pub(crate) lists_in_order: bool,
    /// Whether it supports suffix ranges (`bytes=-n`).
    pub(crate) suffix_ranges: bool,
}

/// How often a request looks whether bytes move, during the time that they may stand still.
const LOOKS: u32 = 16;

impl Bucket {
    /// Sends one request without a body and waits for its response.
    pub(crate) async fn request<T, E>(
        &self,
        request: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, RequestError>
    where
        RequestError: From<E>,
    {
        self.send(&Body::of_size(0), request).await
    }

    /// Sends one request and waits for its response.
    ///
    /// Fails if no byte moves, in either direction, for `answer_timeout` plus the time that the body
    /// takes at the minimum rate: buffers on the way may hold the whole body before it is sent.
    pub(crate) async fn send<T, E>(
        &self,
        body: &Body,
        request: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, RequestError>
    where
        RequestError: From<E>,
    {
        let limit = self.config.answer_timeout + self.config.time_to_send(body.bytes);
        let progress = Progress::new();
        let mut request = pin!(progress.of(request));
        let mut on_the_way = body.on_the_way();
        loop {
            let end = progress.last() + limit;
            let look = if body.is_visible() {
                end.min(Instant::now() + limit / LOOKS)
            } else {
                end
            };
            if let Ok(response) = timeout_at(look, &mut request).await {
                return Ok(response?);
            }
            let now_on_the_way = body.on_the_way();
            if on_the_way != now_on_the_way {
                on_the_way = now_on_the_way;
                progress.record();
            }
            if Instant::now() >= progress.last() + limit {
                return Err(silent(limit));
            }
        }
    }

    /// Sends an idempotent request until it succeeds, is rejected, or the deadline passes. The
    /// deadline counts from the end of the first attempt.
    pub(crate) async fn repeat<T, E, F, Fut>(&self, request: F) -> Result<T, RequestError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        RequestError: From<E>,
    {
        self.repeat_within(self.config.deadline, request).await
    }

    /// Like [`repeat`](Self::repeat), with a deadline that the caller chooses.
    pub(crate) async fn repeat_within<T, E, F, Fut>(
        &self,
        time: Duration,
        request: F,
    ) -> Result<T, RequestError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        RequestError: From<E>,
    {
        let mut retry = Retry::within(time);
        loop {
            let attempt = self.request(request());
            let response = match retry.deadline() {
                None => attempt.await,
                Some(end) => timeout_at(end, attempt)
                    .await
                    .unwrap_or_else(|_| Err(silent(self.config.answer_timeout))),
            };
            match response {
                Ok(response) => return Ok(response),
                Err(error) if error.is_retryable() && retry.pause().await => {}
                Err(error) => return Err(self.resolve_not_found(error).await),
            }
        }
    }

    /// Like [`repeat`](Self::repeat), for a request with a body. An attempt that begins before the
    /// deadline may go on after it.
    pub(crate) async fn repeat_send<T, E, F, Fut>(
        &self,
        body: &Body,
        request: F,
    ) -> Result<T, RequestError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        RequestError: From<E>,
    {
        let mut retry = Retry::within(self.config.deadline);
        loop {
            match self.send(body, request()).await {
                Ok(response) => return Ok(response),
                Err(error) if error.is_retryable() && retry.pause().await => {}
                Err(error) => return Err(self.resolve_not_found(error).await),
            }
        }
    }

    /// Finds out whether the object or the whole bucket is missing.
    ///
    /// The response to a HEAD request has no body, so it does not say which. A list fails if the
    /// bucket does not exist.
    pub(crate) async fn resolve_not_found(&self, error: RequestError) -> RequestError {
        if error.outcome != Outcome::NotFound {
            return error;
        }
        match self.check_exists().await {
            Ok(()) => error.with_outcome(Outcome::NoObject),
            Err(error) => error,
        }
    }

    /// Checks that the bucket exists and can be listed.
    pub(crate) async fn check_exists(&self) -> Result<(), RequestError> {
        let mut retry = Retry::within(self.config.deadline);
        loop {
            let mut list = self.store.list(Some(self.layout.staging()));
            let first = async { list.next().await.transpose() };
            match self.request(first).await {
                Ok(_) => return Ok(()),
                Err(error) if error.outcome == Outcome::NotFound => {
                    return Err(RequestError::no_bucket());
                }
                Err(error) if error.is_retryable() && retry.pause().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns everything of an object but its bytes, including the metadata, which
    /// `ObjectStoreExt::head` would drop.
    pub(crate) async fn head(&self, key: &Path) -> Result<GetResult, object_store::Error> {
        self.store
            .get_opts(key, GetOptions::new().with_head(true))
            .await
    }
}

fn silent(limit: Duration) -> RequestError {
    let detail = format!("the storage was silent for {} s", limit.as_secs_f32());
    RequestError::new(Outcome::Unknown, ErrorKind::Unavailable, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use object_store::PutPayload;
    use object_store::memory::InMemory;
    use tokio::time::sleep;

    use super::*;

    fn bucket() -> Bucket {
        Bucket {
            store: Arc::new(InMemory::new()),
            layout: Layout::new(""),
            config: S3Config::default(),
            capabilities: Capabilities {
                upload_strategy: UploadStrategy::Generic,
                incomplete_uploads: None,
                keeps_metadata: OnceCell::new_with(Some(true)),
                is_cloud: true,
                lists_in_order: true,
                suffix_ranges: true,
            },
            cleanup: Cleanup::default(),
        }
    }

    type Response = Result<&'static str, object_store::Error>;

    fn part() -> Body {
        Body::of_size(8 << 20)
    }

    /// `answer_timeout`, and 8 MiB at 128 KiB/s.
    const SILENCE: Duration = Duration::from_secs(15 + 64);

    #[tokio::test(start_paused = true)]
    async fn a_request_fails_when_no_byte_moves_and_not_while_some_do() {
        let bucket = bucket();
        let slow = async {
            let progress = Progress::current().unwrap();
            for _ in 0..10 {
                sleep(Duration::from_secs(60)).await;
                progress.record();
            }
            Response::Ok("done")
        };
        assert_eq!(bucket.send(&part(), slow).await.unwrap(), "done");

        let began = Instant::now();
        let stalled = async {
            sleep(Duration::from_secs(60)).await;
            Progress::current().unwrap().record();
            std::future::pending::<Response>().await
        };
        let error = bucket.send(&part(), stalled).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(began.elapsed(), Duration::from_secs(60) + SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_never_answered_is_sent_again() {
        let bucket = bucket();
        let attempts = AtomicU32::new(0);
        let request = || async {
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                std::future::pending::<()>().await;
            }
            // As long as a part of 8 MiB takes on a fourth of 5 Mbit/s.
            sleep(Duration::from_secs(54)).await;
            Response::Ok("done")
        };
        assert_eq!(bucket.repeat_send(&part(), request).await.unwrap(), "done");
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_chunks_move_does_not_fail() {
        let bucket = bucket();
        let payload: PutPayload = (0..32).map(|_| Bytes::from(vec![0; 256 << 10])).collect();
        let send = |stops_at: usize| {
            let chunks = payload.clone();
            async move {
                for (number, chunk) in chunks.into_iter().enumerate() {
                    if number == stops_at {
                        std::future::pending::<()>().await;
                    }
                    sleep(Duration::from_secs(60)).await;
                    drop(chunk);
                }
                Response::Ok("done")
            }
        };
        let body = Body::from(&payload);
        assert_eq!(bucket.send(&body, send(32)).await.unwrap(), "done");

        let began = Instant::now();
        let error = bucket.send(&body, send(3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let stopped = Duration::from_secs(180) + SILENCE;
        let took = began.elapsed();
        assert!(
            took >= stopped && took <= stopped + SILENCE / LOOKS,
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_storage_is_unavailable_after_the_deadline() {
        let bucket = bucket();
        let never = || std::future::pending::<Response>();
        let began = Instant::now();
        let error = bucket.repeat(never).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(began.elapsed() <= Duration::from_secs(15 + 30));

        let began = Instant::now();
        let error = bucket.repeat_send(&part(), never).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(began.elapsed() <= 2 * SILENCE + Duration::from_secs(3));
    }
}
