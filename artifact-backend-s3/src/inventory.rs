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
    /// The key after which the stream was started.
    started_after: Option<Path>,
    /// Whether each object so far had a greater key than the one before.
    in_order: bool,
    retry: Retry,
    pub(crate) stream: BoxStream<'static, object_store::Result<ObjectMeta>>,
}

impl Listing {
    pub(crate) fn new(bucket: &Arc<Bucket>, prefix: &Path) -> Self {
        Self {
            stream: bucket.store.list(Some(prefix)),
            retry: Retry::within(bucket.config.deadline),
            bucket: Arc::clone(bucket),
            prefix: prefix.clone(),
            last: None,
            started_after: None,
            in_order: true,
        }
    }

    /// Lists the objects below a prefix whose keys are greater than `offset`.
    pub(crate) fn after(bucket: &Arc<Bucket>, prefix: &Path, offset: Path) -> Self {
        Self {
            stream: bucket.store.list_with_offset(Some(prefix), &offset),
            last: Some(offset.clone()),
            started_after: Some(offset),
            ..Self::new(bucket, prefix)
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<ObjectMeta>, RequestError> {
        loop {
            let next = async { self.stream.next().await.transpose() };
            let error = match self.bucket.request(next).await {
                Ok(None) => return Ok(None),
                Ok(Some(object)) => {
                    // Some servers repeat the object after which a list resumes.
                    let repeated = |after: &Path| object.location <= *after;
                    if self.last.as_ref() == Some(&object.location)
                        || self.started_after.as_ref().is_some_and(repeated)
                    {
                        continue;
                    }
                    self.in_order &= !self.last.as_ref().is_some_and(repeated);
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
            let ordered = self.in_order && self.bucket.capabilities.lists_in_order;
            let can_resume = ordered && error.is_retryable();
            if !can_resume || !self.retry.pause().await {
                return Err(error);
            }
            let (store, prefix) = (&self.bucket.store, Some(&self.prefix));
            self.stream = match &self.last {
                None => store.list(prefix),
                Some(last) => store.list_with_offset(prefix, last),
            };
            self.started_after.clone_from(&self.last);
        }
    }

    /// Returns the blob of an object, or logs that its key is not a blob key.
    pub(crate) fn blob_of(&self, object: &ObjectMeta) -> Option<BlobStat> {
        let id = self.bucket.layout.id_of(&object.location);
        if id.is_none() {
            tracing::warn!(
                key = %object.location,
                "skipped an object whose key is not a blob key"
            );
        }
        id.map(|id| stat_of(id, object))
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
            if let Some(blob) = listing.blob_of(&object) {
                return Ok(Some((blob, listing)));
            }
        }
    })
    .boxed()
}

pub(crate) fn stat_of(id: ArtifactId, object: &ObjectMeta) -> BlobStat {
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
