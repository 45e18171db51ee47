//! A large blob from its first part to its publication; see
//! [`UploadStrategy`](crate::upload_strategy::UploadStrategy) for the ways there.

use std::fmt;
use std::sync::Arc;

use artifact_backend::{ErrorKind, Result};
use futures_util::future::BoxFuture;
use object_store::path::Path;
use object_store::{Attributes, CopyMode, CopyOptions, ObjectStoreExt as _, PutPayload};

use crate::cleanup::{ActiveGuard, warn_left_behind};
use crate::create::Creation;
use crate::error::{Outcome, RequestError};
use crate::part_upload::{AddressedUpload, GenericUpload, Part, PartUpload};
use crate::progress::Body;
use crate::readback::ReadBack;
use crate::retry::Retry;
use crate::shared::Bucket;
use crate::upload_strategy::UploadStrategy;

/// A multipart upload in progress.
///
/// End it with [`commit`](Self::commit) or [`abort`](Self::abort). A dropped session leaves its parts
/// to the next sweep.
pub(crate) struct MultipartSession {
    bucket: Arc<Bucket>,
    creation: Creation,
    /// Where the parts are combined: the blob's own key, or a staging key.
    target: Path,
    upload: Box<dyn PartUpload>,
    // Keeps this process from sweeping the upload.
    _active: ActiveGuard,
}

impl MultipartSession {
    /// Begins an upload.
    pub(crate) async fn begin(
        bucket: &Arc<Bucket>,
        creation: Creation,
    ) -> Result<Self, RequestError> {
        let (write_id, attributes) = (creation.write_id, creation.attributes());
        let staging_key = match creation.id {
            Some(id) => bucket.layout.staged(id, write_id),
            None => bucket.layout.probe(write_id),
        };
        let (target, name, upload): (Path, String, Box<dyn PartUpload>) =
            match &bucket.capabilities.upload_strategy {
                UploadStrategy::Exclusive {
                    store,
                    write_id_on_completion,
                } => {
                    let key = creation.key.clone();
                    let attributes = if *write_id_on_completion {
                        Attributes::new()
                    } else {
                        attributes
                    };
                    let upload =
                        AddressedUpload::begin(bucket, store, &key, write_id, &attributes).await?;
                    // Several uploads may have the blob's key as their target.
                    let name = match upload.upload_id() {
                        "" => key.to_string(),
                        upload_id => upload_id.to_owned(),
                    };
                    (key, name, Box::new(upload))
                }
                UploadStrategy::Staged(store) => {
                    let key = staging_key;
                    let upload =
                        AddressedUpload::begin(bucket, store, &key, write_id, &attributes).await?;
                    (key.clone(), key.to_string(), Box::new(upload))
                }
                UploadStrategy::Generic => {
                    let key = staging_key;
                    let upload = GenericUpload::begin(bucket, &key, &attributes).await?;
                    (key.clone(), key.to_string(), Box::new(upload))
                }
            };
        Ok(Self {
            _active: bucket.cleanup.mark_active(name),
            bucket: Arc::clone(bucket),
            creation,
            target,
            upload,
        })
    }

    /// Sends a part, and resends it if that can help.
    pub(crate) fn put_part(
        &mut self,
        number: usize,
        payload: PutPayload,
    ) -> BoxFuture<'static, Result<Part, RequestError>> {
        self.upload.put_part(number, payload)
    }

    /// Publishes the parts as a blob, unless the blob exists. The outcomes are those of
    /// [`Bucket::create`]. In each case the leftovers are removed now or by a sweep.
    pub(crate) async fn commit(self, parts: Vec<Part>) -> Result<()> {
        match self.bucket.capabilities.upload_strategy {
            UploadStrategy::Exclusive { .. } => self.complete_exclusively(parts).await,
            UploadStrategy::Staged(_) | UploadStrategy::Generic => {
                self.complete_and_copy(parts).await
            }
        }
    }

    async fn complete_exclusively(self, parts: Vec<Part>) -> Result<()> {
        let outcome = self
            .bucket
            .create(&self.creation, &completion_allowance(&parts), || {
                self.upload.complete(&parts)
            })
            .await;
        match &outcome {
            Ok(()) => {}
            // The completion may still be in progress, and only its upload can tell.
            Err(error) if error.kind() == ErrorKind::Ambiguous => tracing::warn!(
                key = %self.creation.key,
                "the outcome of an upload is unknown; its leftovers stay until the next sweep"
            ),
            // The read-back found that the object under the key, if any, is not from this upload.
            Err(error) => self.remove(Leftovers::All, error.kind()).await,
        }
        outcome
    }

    async fn complete_and_copy(self, parts: Vec<Part>) -> Result<()> {
        let (operation, id) = (self.creation.operation, self.creation.id);
        if let Err(error) = self.complete_at_staging_key(parts).await {
            self.remove(Leftovers::All, error.kind()).await;
            return Err(error.into_error(operation, id));
        }
        let (from, to) = (&self.target, &self.creation.key);
        let copy = || {
            let options = CopyOptions::new().with_mode(CopyMode::Create);
            self.bucket.store.copy_opts(from, to, options)
        };
        let outcome = self
            .bucket
            .create(&self.creation, &Body::of_size(0), copy)
            .await;
        match &outcome {
            Ok(()) => self
                .remove_target()
                .await
                .unwrap_or_else(|error| warn_left_behind(&error)),
            Err(error) => self.remove(Leftovers::Target, error.kind()).await,
        }
        outcome
    }

    /// Combines the parts under the staging key. The key contains the write id, so no other writer
    /// uses it: if an object exists there, the parts are combined.
    async fn complete_at_staging_key(&self, parts: Vec<Part>) -> Result<(), RequestError> {
        let bucket = &self.bucket;
        let allowance = completion_allowance(&parts);
        let complete = || self.upload.complete(&parts);
        let completed = if self.upload.can_retry_completion() {
            bucket.repeat_send(&allowance, complete).await
        } else {
            bucket.send(&allowance, complete()).await
        };
        let Err(error) = completed else {
            return Ok(());
        };
        if !matches!(error.outcome, Outcome::Unknown | Outcome::NoUpload) {
            return Err(error);
        }
        let retry = Retry::within(bucket.config.readback_time);
        let expected = self.creation.kept_write_id();
        match bucket.read_back(&self.target, expected, retry).await {
            Ok(ReadBack::Ours | ReadBack::Unattributed) => Ok(()),
            _ => Err(error),
        }
    }

    /// Removes everything that was sent.
    pub(crate) async fn abort(&self) -> Result<(), RequestError> {
        match self.upload.abort().await {
            Err(error) if !error.is_gone() => return Err(error),
            _ => {}
        }
        match self.bucket.capabilities.upload_strategy {
            UploadStrategy::Exclusive { .. } => Ok(()),
            // The parts may already be combined.
            UploadStrategy::Staged(_) | UploadStrategy::Generic => self.remove_target().await,
        }
    }

    /// Removes what a commit that failed with this kind has left.
    ///
    /// A storage that does not respond must not delay the error of the commit, so only if it has
    /// responded this waits until all is removed.
    async fn remove(self, leftovers: Leftovers, failure: ErrorKind) {
        let cleanup = self.bucket.cleanup.clone();
        let removal = async move {
            let removed = match leftovers {
                Leftovers::All => self.abort().await,
                Leftovers::Target => self.remove_target().await,
            };
            removed.unwrap_or_else(|error| warn_left_behind(&error));
        };
        match failure {
            ErrorKind::Unavailable | ErrorKind::Ambiguous => cleanup.spawn(removal),
            _ => removal.await,
        }
    }

    async fn remove_target(&self) -> Result<(), RequestError> {
        let remove = || self.bucket.store.delete(&self.target);
        match self.bucket.repeat(remove).await {
            Err(error) if !error.is_gone() => Err(error),
            _ => Ok(()),
        }
    }
}

/// What a failed commit leaves behind.
#[derive(Clone, Copy)]
enum Leftovers {
    /// The parts, and the object that they may be combined to.
    All,
    /// The object that the parts were combined to.
    Target,
}

impl fmt::Debug for MultipartSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultipartSession")
            .field("creation", &self.creation)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Returns the body size that sets the time-out of a completion. Completing takes longer the more
/// parts there are; S3's documentation says minutes.
fn completion_allowance(parts: &[Part]) -> Body {
    Body::of_size(parts.len() as u64 * (8 << 10))
}
