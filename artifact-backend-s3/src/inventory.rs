//! Maintenance: list, stat, delete.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactId, BlobList, BlobStat, ErrorKind, Operation, Result};
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::error::{Outcome, RequestError};
use crate::retry::Retry;
use crate::shared::Bucket;

/// A list of the objects below a prefix. If a page fails, the list resumes after the last object.
pub(crate) struct Listing {
    bucket: Arc<Bucket>,
    prefix: Path,
    last: Option<Path>,
    retry: Retry,
    stream: BoxStream<'static, object_store::Result<ObjectMeta>>,
}

impl Listing {
    pub(crate) fn new(bucket: &Arc<Bucket>, prefix: &Path) -> Self {
        Self {
            stream: bucket.store.list(Some(prefix)),
            retry: Retry::within(bucket.config.deadline),
            bucket: Arc::clone(bucket),
            prefix: prefix.clone(),
            last: None,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<ObjectMeta>, RequestError> {
        let is_cloud = self.bucket.capabilities.is_cloud;
        loop {
            let next = async { self.stream.next().await.transpose() };
            let error = match self.bucket.request(next).await {
                Ok(None) => return Ok(None),
                Ok(Some(object)) => {
                    // Some servers repeat the object after which a list resumes.
                    let last = self.last.as_ref();
                    if is_cloud && last.is_some_and(|last| object.location <= *last) {
                        continue;
                    }
                    self.last = Some(object.location.clone());
                    self.retry = Retry::within(self.bucket.config.deadline);
                    return Ok(Some(object));
                }
                Err(error) => error,
            };
            if error.outcome == Outcome::NotFound {
                return Err(self.bucket.resolve_not_found(error).await);
            }
            // A list can only resume after the last object if it is in order.
            let can_resume = is_cloud && error.is_retryable();
            if !can_resume || !self.retry.pause().await {
                return Err(error);
            }
            let (store, prefix) = (&self.bucket.store, Some(&self.prefix));
            self.stream = match &self.last {
                None => store.list(prefix),
                Some(last) => store.list_with_offset(prefix, last),
            };
        }
    }
}

/// Lists every blob. Logs and skips objects whose key is not a blob key.
pub(crate) fn list(bucket: &Arc<Bucket>) -> BlobList {
    let listing = Listing::new(bucket, bucket.layout.blobs());
    stream::try_unfold(listing, |mut listing| async move {
        loop {
            let object = listing.next().await;
            let object = object.map_err(|error| error.into_error(Operation::List, None))?;
            let Some(object) = object else {
                return Ok(None);
            };
            if let Some(id) = listing.bucket.layout.id_of(&object.location) {
                return Ok(Some((stat_of(id, &object), listing)));
            }
            tracing::warn!(
                key = %object.location,
                "skipped an object whose key is not a blob key"
            );
        }
    })
    .boxed()
}

fn stat_of(id: ArtifactId, object: &ObjectMeta) -> BlobStat {
    // In whole seconds. HTTP headers are no more precise, so only then do list and stat agree.
    let modified = SystemTime::from(object.last_modified);
    let since_epoch = modified.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_epoch.unwrap_or_default().as_secs();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    BlobStat::new(id, object.size, modified)
}

impl Bucket {
    pub(crate) async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let object = self.stat_object(Operation::Stat, id).await?;
        Ok(stat_of(id, &object))
    }

    /// Deletes a blob, but never a foreign object under a blob's key.
    pub(crate) async fn delete(&self, id: ArtifactId) -> Result<()> {
        match self.stat_object(Operation::Delete, id).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let key = self.layout.blob(id);
        match self.repeat(|| self.store.delete(&key)).await {
            Err(error) if error.outcome == Outcome::Unknown => {
                Err(error.into_error_of_kind(ErrorKind::Ambiguous, Operation::Delete, Some(id)))
            }
            Err(error) if !error.is_gone() => Err(error.into_error(Operation::Delete, Some(id))),
            _ => Ok(()),
        }
    }
}
