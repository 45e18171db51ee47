//! What all operations share: the storage, and how one request, and one after another, is made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{BoxError, ErrorKind, random};
use futures_util::StreamExt;
use object_store::ObjectStore;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cleanup::Cleanup;
use crate::config::S3Config;
use crate::layout::Layout;
use crate::multipart::Large;
use crate::pending::PendingUploads;
use crate::trouble::{Class, Trouble};

/// What is known of a storage.
#[derive(Debug)]
pub(crate) struct Traits {
    /// How large blobs get there.
    pub(crate) large: Large,
    /// Where the incomplete multipart uploads are listed, if anywhere.
    pub(crate) pending: Option<Arc<dyn PendingUploads>>,
    /// Whether metadata is kept; found out where it is not known.
    pub(crate) marks: OnceCell<bool>,
    /// One of the three providers: lists in order, takes any range, counts parts.
    pub(crate) is_cloud: bool,
    /// A range of the last so many bytes can be asked for.
    pub(crate) suffix_ranges: bool,
}

/// One storage, and how it is used.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) layout: Layout,
    pub(crate) config: S3Config,
    pub(crate) traits: Traits,
    pub(crate) cleanup: Cleanup,
}

/// A body on its way out has a second for each so many bytes.
const LEAST_BYTES_PER_SECOND: u64 = 128 << 10;

impl Core {
    /// Makes one request that carries so many bytes, and waits for its answer as long as it may take.
    pub(crate) async fn request<T, E>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Trouble>
    where
        Trouble: From<E>,
    {
        let limit =
            self.config.answer_timeout + Duration::from_secs(bytes / LEAST_BYTES_PER_SECOND);
        match timeout(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Trouble::new(
                Class::Doubt,
                ErrorKind::Unavailable,
                format!(
                    "the storage did not answer within {} s",
                    limit.as_secs_f32()
                ),
            )),
        }
    }

    /// Makes a request that may be made twice, until it passes, is refused, or it is too late.
    pub(crate) async fn repeat<T, E, F, Fut>(&self, bytes: u64, request: F) -> Result<T, Trouble>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        Trouble: From<E>,
    {
        let mut retry = Retry::until(Instant::now() + self.config.deadline);
        loop {
            match self.request(bytes, request()).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) if trouble.may_pass() && retry.pause().await => {}
                Err(trouble) => return Err(self.settle(trouble).await),
            }
        }
    }

    /// Finds out whether what is missing is the object or the bucket: a request for the head of an
    /// object is answered without a body, so that nothing tells the two apart, while the list of a
    /// bucket that is not there fails.
    pub(crate) async fn settle(&self, trouble: Trouble) -> Trouble {
        if trouble.class != Class::Missing {
            return trouble;
        }
        match self.look_at_bucket().await {
            Ok(()) => trouble.of_class(Class::NoObject),
            Err(trouble) => trouble,
        }
    }

    /// Whether the bucket is there and may be listed.
    pub(crate) async fn look_at_bucket(&self) -> Result<(), Trouble> {
        let mut retry = Retry::until(Instant::now() + self.config.deadline);
        loop {
            let mut list = self.store.list(Some(self.layout.staging()));
            let first = async { list.next().await.transpose() };
            match self.request(0, first).await {
                Ok(_) => return Ok(()),
                Err(trouble) if trouble.class == Class::Missing => {
                    return Err(Trouble::new(
                        Class::NoBucket,
                        ErrorKind::Misconfigured,
                        "there is no such bucket; make it first, or name another",
                    ));
                }
                Err(trouble) if trouble.may_pass() && retry.pause().await => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }
}

impl From<BoxError> for Trouble {
    fn from(error: BoxError) -> Self {
        match error.downcast::<object_store::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => Trouble::new(
                Class::Doubt,
                ErrorKind::Unavailable,
                format!("the storage failed: {error}"),
            ),
        }
    }
}

/// Pauses between the attempts of one operation: each up to twice as long as the one before, and
/// random below that, so that callers who failed together do not come back together.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    most: Duration,
}

impl Retry {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(3);

    pub(crate) fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            most: Self::FIRST,
        }
    }

    /// Waits before the next attempt; `false`, at once, when it would come too late.
    pub(crate) async fn pause(&mut self) -> bool {
        let share = u32::from(random::bytes::<1>()[0]) + 1;
        let end = Instant::now() + self.most * share / 256;
        self.most = (self.most * 2).min(Self::LONGEST);
        if end >= self.deadline {
            return false;
        }
        sleep_until(end).await;
        true
    }
}
