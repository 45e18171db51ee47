//! The state that all operations share, and how they send requests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::ErrorKind;
use futures_util::StreamExt;
use object_store::{GetOptions, GetResult, ObjectStore, path::Path};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::cleanup::Cleanup;
use crate::config::{S3Config, time_to_send};
use crate::error::{Outcome, RequestError};
use crate::incomplete::IncompleteUploads;
use crate::layout::Layout;
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
    /// Whether it is one of the three providers, which list in order, accept any range and limit the
    /// number of parts.
    pub(crate) is_cloud: bool,
    /// Whether it supports suffix ranges (`bytes=-n`).
    pub(crate) suffix_ranges: bool,
}

impl Bucket {
    /// Sends one request with a body of `bytes` bytes and waits for its response.
    ///
    /// The time-out is the configured one, plus the time that the body takes at the minimum rate.
    pub(crate) async fn request<T, E>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, RequestError>
    where
        RequestError: From<E>,
    {
        let limit = self.config.answer_timeout + time_to_send(bytes);
        match timeout(limit, request).await {
            Ok(response) => Ok(response?),
            Err(_) => Err(RequestError::new(
                Outcome::Unknown,
                ErrorKind::Unavailable,
                format!(
                    "the storage did not respond within {} s",
                    limit.as_secs_f32()
                ),
            )),
        }
    }

    /// Sends an idempotent request until it succeeds, is rejected, or the deadline passes.
    pub(crate) async fn repeat<T, E, F, Fut>(
        &self,
        bytes: u64,
        request: F,
    ) -> Result<T, RequestError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        RequestError: From<E>,
    {
        self.repeat_within(self.config.deadline, bytes, request)
            .await
    }

    /// Like [`repeat`](Self::repeat), with a deadline that the caller chooses.
    pub(crate) async fn repeat_within<T, E, F, Fut>(
        &self,
        time: Duration,
        bytes: u64,
        request: F,
    ) -> Result<T, RequestError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        RequestError: From<E>,
    {
        let mut retry = Retry::within(time);
        loop {
            match self.request(bytes, request()).await {
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
            match self.request(0, first).await {
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
