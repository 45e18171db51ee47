//! Removes leftovers: staged objects, and multipart uploads that will never be completed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{Operation, Result, SweepReport};
use object_store::ObjectStoreExt as _;

use crate::error::RequestError;
use crate::inventory::Listing;
use crate::shared::Bucket;

/// Removes leftovers that are at least `older_than` old and inactive.
///
/// An upload is active if this process still uses it, or if it had activity within
/// [`upload_grace`](crate::S3Config::with_upload_grace): it may belong to another process.
pub(crate) async fn sweep(bucket: &Arc<Bucket>, older_than: Duration) -> Result<SweepReport> {
    let mut report = SweepReport::default();
    let error = |error: RequestError| error.into_error(Operation::Sweep, None);
    sweep_staged_objects(bucket, older_than, &mut report)
        .await
        .map_err(error)?;
    sweep_incomplete_uploads(bucket, older_than, &mut report)
        .await
        .map_err(error)?;
    Ok(report)
}

async fn sweep_staged_objects(
    bucket: &Arc<Bucket>,
    older_than: Duration,
    report: &mut SweepReport,
) -> Result<(), RequestError> {
    let mut listing = Listing::new(bucket, bucket.layout.staging());
    while let Some(object) = listing.next().await? {
        let key = object.location;
        let modified = SystemTime::from(object.last_modified);
        if bucket.cleanup.is_active(key.as_ref()) || !is_old(bucket, modified, older_than) {
            report.count_kept();
            continue;
        }
        match bucket.repeat(0, || bucket.store.delete(&key)).await {
            // Another process removed it first.
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
            Ok(()) => report.count_removed(object.size),
        }
    }
    Ok(())
}

async fn sweep_incomplete_uploads(
    bucket: &Arc<Bucket>,
    older_than: Duration,
    report: &mut SweepReport,
) -> Result<(), RequestError> {
    let Some(uploads) = &bucket.capabilities.incomplete_uploads else {
        return Ok(());
    };
    for prefix in [bucket.layout.blobs(), bucket.layout.staging()] {
        for upload in bucket.repeat(0, || uploads.list(prefix)).await? {
            let names = [upload.upload_id.as_str(), upload.key.as_ref()];
            let is_active = names.iter().any(|name| bucket.cleanup.is_active(name));
            if is_active || !is_old(bucket, upload.begun, older_than) {
                report.count_kept();
                continue;
            }
            // A long upload may still receive parts, so the time of its last part counts too.
            let arrived = match bucket.repeat(0, || uploads.parts(&upload)).await {
                Err(error) if error.is_gone() => continue,
                arrived => arrived?,
            };
            let last = arrived.last.unwrap_or(upload.begun);
            if !is_old(bucket, last, older_than) {
                report.count_kept();
                continue;
            }
            match bucket.repeat(0, || uploads.abort(&upload)).await {
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
                Ok(()) => report.count_removed(arrived.bytes),
            }
        }
    }
    Ok(())
}

/// Whether the last activity is so long ago that there will be no more.
fn is_old(bucket: &Bucket, last: SystemTime, older_than: Duration) -> bool {
    // If the storage's clock is ahead, leftovers seem younger than they are, which is safe.
    let age = bucket.config.clock.now().duration_since(last);
    age.is_ok_and(|age| age >= older_than.max(bucket.config.upload_grace))
}
