//! What maintenance does: list, stat, delete.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactId, BlobList, BlobStat, ErrorKind, Operation, Result};
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use tokio::time::{Instant, timeout};

use crate::core::{Core, Retry};
use crate::multipart::is_gone;
use crate::trouble::{Class, Trouble};

/// Every object below a place, page by page, taken up again behind the last one where a page fails.
pub(crate) struct Listing {
    core: Arc<Core>,
    place: Path,
    last: Option<Path>,
    retry: Retry,
    stream: BoxStream<'static, object_store::Result<ObjectMeta>>,
}

impl Listing {
    pub(crate) fn new(core: Arc<Core>, place: Path) -> Self {
        Self {
            stream: core.store.list(Some(&place)),
            retry: Retry::until(Instant::now() + core.config.deadline),
            core,
            place,
            last: None,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<ObjectMeta>, Trouble> {
        loop {
            let next = timeout(self.core.config.answer_timeout, self.stream.next());
            let trouble = match next.await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(object))) => {
                    // Not every server leaves out the object that a list begins behind.
                    if self.core.traits.is_cloud
                        && self
                            .last
                            .as_ref()
                            .is_some_and(|last| object.location <= *last)
                    {
                        continue;
                    }
                    self.last = Some(object.location.clone());
                    let deadline = Instant::now() + self.core.config.deadline;
                    self.retry = Retry::until(deadline);
                    return Ok(Some(object));
                }
                Ok(Some(Err(error))) => Trouble::from(error),
                Err(_) => Trouble::new(
                    Class::Doubt,
                    ErrorKind::Unavailable,
                    "the storage did not go on with a list",
                ),
            };
            if trouble.class == Class::Missing {
                return Err(self.core.settle(trouble).await);
            }
            // Only where lists are in order is "behind the last one" a place.
            let again = self.core.traits.is_cloud && trouble.may_pass();
            if !again || !self.retry.pause().await {
                return Err(trouble);
            }
            self.stream = match &self.last {
                None => self.core.store.list(Some(&self.place)),
                Some(last) => self.core.store.list_with_offset(Some(&self.place), last),
            };
        }
    }
}

/// Every blob. An object that cannot be one is told in the log and passed over.
pub(crate) fn list(core: &Arc<Core>) -> BlobList {
    let listing = Listing::new(Arc::clone(core), core.layout.blobs().clone());
    stream::try_unfold(listing, |mut listing| async move {
        loop {
            let object = listing.next().await;
            let object = object.map_err(|trouble| trouble.into_error(Operation::List, None))?;
            let Some(object) = object else {
                return Ok(None);
            };
            if let Some(id) = listing.core.layout.id_of(&object.location) {
                return Ok(Some((stat_of(id, &object), listing)));
            }
            tracing::warn!(
                key = %object.location,
                "an object that is no blob of ours lies among them; it was passed over"
            );
        }
    })
    .boxed()
}

fn stat_of(id: ArtifactId, object: &ObjectMeta) -> BlobStat {
    // In whole seconds: a header of HTTP has no more, so only then do list and stat agree.
    let modified = SystemTime::from(object.last_modified);
    let since_epoch = modified.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_epoch.unwrap_or_default().as_secs();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    BlobStat::new(id, object.size, modified)
}

impl Core {
    pub(crate) async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let object = self.stat_object(Operation::Stat, id).await?;
        Ok(stat_of(id, &object))
    }

    /// Deletes a blob of ours, and nothing else.
    pub(crate) async fn delete(&self, id: ArtifactId) -> Result<()> {
        match self.stat_object(Operation::Delete, id).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let key = self.layout.blob(id);
        match self.repeat(0, || self.store.delete(&key)).await {
            Err(trouble) if trouble.class == Class::Doubt => {
                Err(trouble.into_error_of(ErrorKind::Ambiguous, Operation::Delete, Some(id)))
            }
            Err(trouble) if !is_gone(&trouble) => {
                Err(trouble.into_error(Operation::Delete, Some(id)))
            }
            _ => Ok(()),
        }
    }
}
