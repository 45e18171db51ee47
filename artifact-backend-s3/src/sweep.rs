//! Removes leftovers: staged objects, and multipart uploads that will never be completed.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{Operation, Result, SweepReport};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use tokio::time::Instant;

use crate::config::UploadTimes as _;
use crate::error::RequestError;
use crate::incomplete::{ArrivedParts, IncompleteUpload, IncompleteUploads};
use crate::inventory::Listing;
use crate::part_size::largest_part_size;
use crate::shared::Bucket;

/// Removes leftovers that are at least `older_than` old and inactive.
///
/// An upload is active if this process still uses it, or if it had activity within its
/// [grace period](crate::S3Config::with_upload_grace): it may belong to another process.
///
/// Removes what a page shows before it requests the next page. A leftover that cannot be removed is
/// logged and kept, and the sweep goes on. It ends early only if the bucket cannot be reached.
pub(crate) async fn sweep(bucket: &Arc<Bucket>, older_than: Duration) -> Result<SweepReport> {
    let mut sweep = Sweep {
        bucket,
        older_than,
        report: SweepReport::default(),
        retry_time: bucket.config.deadline,
    };
    let mut outcome = sweep.staged_objects().await;
    if let Some(uploads) = &bucket.capabilities.incomplete_uploads {
        for prefix in [bucket.layout.blobs(), bucket.layout.staging()] {
            let swept = sweep.incomplete_uploads(uploads.as_ref(), prefix).await;
            outcome = outcome.and(swept);
        }
    }
    match outcome {
        Ok(()) => Ok(sweep.report),
        Err(error) => Err(error.into_error(Operation::Sweep, None)),
    }
}

/// The number of pages read of one list, of up to 1,000 entries each. Protects against a server
/// whose list never ends.
const MAX_PAGES: usize = 100_000;

struct Sweep<'b> {
    bucket: &'b Arc<Bucket>,
    older_than: Duration,
    report: SweepReport,
    /// The time left for retries. All failures of a sweep share it, so that many leftovers that
    /// cannot be removed do not cost a deadline each.
    retry_time: Duration,
}

impl Sweep<'_> {
    async fn staged_objects(&mut self) -> Result<(), RequestError> {
        let mut listing = Listing::new(self.bucket, self.bucket.layout.staging());
        while let Some(object) = listing.next().await? {
            let removed = self.staged_object(&object).await;
            self.count(&object.location, removed).await?;
        }
        Ok(())
    }

    /// Removes a staged object, unless it is active. Returns its size.
    async fn staged_object(&mut self, object: &ObjectMeta) -> Result<Option<u64>, RequestError> {
        let key = &object.location;
        let modified = SystemTime::from(object.last_modified);
        let grace = self.bucket.config.grace_to_send(0);
        if self.bucket.cleanup.is_active(key.as_ref()) || !self.is_old(modified, grace) {
            return Ok(None);
        }
        let store = &self.bucket.store;
        self.request(|| store.delete(key)).await?;
        Ok(Some(object.size))
    }

    async fn incomplete_uploads(
        &mut self,
        uploads: &dyn IncompleteUploads,
        prefix: &Path,
    ) -> Result<(), RequestError> {
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .request(|| uploads.list(prefix, after.as_ref()))
                .await?;
            for upload in page.uploads {
                let removed = self.incomplete_upload(uploads, &upload).await;
                self.count(&upload.key, removed).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Aborts an upload, unless it is active. Returns the size of its parts.
    async fn incomplete_upload(
        &mut self,
        uploads: &dyn IncompleteUploads,
        upload: &IncompleteUpload,
    ) -> Result<Option<u64>, RequestError> {
        let config = &self.bucket.config;
        let names = [upload.upload_id.as_str(), upload.key.as_ref()];
        let is_active = names.iter().any(|name| self.bucket.cleanup.is_active(name));
        if is_active || !self.is_old(upload.begun, config.grace_for_part(config.part_bytes)) {
            return Ok(None);
        }
        // A long upload may still receive parts, so the time of its last part counts too.
        let arrived = self.arrived_parts(uploads, upload).await?;
        let grace = match arrived.last {
            Some(_) => config.grace_for_part(arrived.largest.max(config.part_bytes)),
            // The first part was full when the upload began, and is being sent. Its size is unknown.
            None => config.grace_to_send(largest_part_size(config.part_bytes)),
        };
        if !self.is_old(arrived.last.unwrap_or(upload.begun), grace) {
            return Ok(None);
        }
        self.request(|| uploads.abort(upload)).await?;
        Ok(Some(arrived.bytes))
    }

    async fn arrived_parts(
        &mut self,
        uploads: &dyn IncompleteUploads,
        upload: &IncompleteUpload,
    ) -> Result<ArrivedParts, RequestError> {
        let mut arrived = ArrivedParts::default();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .request(|| uploads.parts(upload, after.as_deref()))
                .await?;
            arrived.add(page.parts);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(arrived)
    }

    /// Counts a leftover. Fails if it could not be removed because the bucket cannot be reached.
    async fn count(
        &mut self,
        key: &Path,
        removed: Result<Option<u64>, RequestError>,
    ) -> Result<(), RequestError> {
        match removed {
            Ok(Some(bytes)) => self.report.count_removed(bytes),
            Ok(None) => self.report.count_kept(),
            // Its upload ended meanwhile, or another process removed it first.
            Err(error) if error.is_gone() => {}
            Err(error) => {
                tracing::warn!(%key, %error, "cannot remove a leftover; the next sweep will retry");
                self.report.count_kept();
                if error.is_retryable() {
                    self.bucket.check_exists().await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a request, and repeats it as long as time is left for retries.
    async fn request<T, F, Fut>(&mut self, request: F) -> Result<T, RequestError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, object_store::Error>> + Send,
    {
        let began = Instant::now();
        let repeat = self.bucket.repeat_within(self.retry_time, request);
        let response = repeat.await;
        if response.is_err() {
            self.retry_time = self.retry_time.saturating_sub(began.elapsed());
        }
        response
    }

    /// Whether the last activity is so long ago that there will be no more.
    fn is_old(&self, last: SystemTime, grace: Duration) -> bool {
        // If the storage's clock is ahead, leftovers seem younger than they are, which is safe.
        let age = self.bucket.config.clock.now().duration_since(last);
        age.is_ok_and(|age| age >= self.older_than.max(grace))
    }
}
