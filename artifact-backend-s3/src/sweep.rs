//! Leftovers: staged objects, and multipart uploads that nobody will complete.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{Operation, Result, SweepReport};
use object_store::ObjectStoreExt as _;

use crate::core::Core;
use crate::inventory::Listing;
use crate::multipart::is_gone;
use crate::trouble::Trouble;

/// Removes what is at least so old, and not alive.
///
/// Alive is what this process still uses, and what has had a sign of life within
/// [`upload_grace`](crate::S3Config::upload_grace): it may be an upload of another process.
pub(crate) async fn sweep(core: &Arc<Core>, older_than: Duration) -> Result<SweepReport> {
    let mut report = SweepReport::default();
    let error = |trouble: Trouble| trouble.into_error(Operation::Sweep, None);
    staged(core, older_than, &mut report).await.map_err(error)?;
    pending(core, older_than, &mut report)
        .await
        .map_err(error)?;
    Ok(report)
}

async fn staged(
    core: &Arc<Core>,
    older_than: Duration,
    report: &mut SweepReport,
) -> Result<(), Trouble> {
    let mut listing = Listing::new(Arc::clone(core), core.layout.staging().clone());
    while let Some(object) = listing.next().await? {
        let key = object.location;
        let modified = SystemTime::from(object.last_modified);
        if core.cleanup.is_alive(key.as_ref()) || !is_dead(core, modified, older_than) {
            report.count_kept();
            continue;
        }
        match core.repeat(0, || core.store.delete(&key)).await {
            // Somebody else was faster.
            Err(trouble) if is_gone(&trouble) => {}
            Err(trouble) => return Err(trouble),
            Ok(()) => report.count_removed(object.size),
        }
    }
    Ok(())
}

async fn pending(
    core: &Arc<Core>,
    older_than: Duration,
    report: &mut SweepReport,
) -> Result<(), Trouble> {
    let Some(pending) = &core.traits.pending else {
        return Ok(());
    };
    for place in [core.layout.blobs(), core.layout.staging()] {
        for upload in core.repeat(0, || pending.list(place)).await? {
            let names = [upload.upload_id.as_str(), upload.key.as_ref()];
            // An upload that goes on began long ago perhaps, so its last part is looked at too.
            let alive = names.iter().any(|name| core.cleanup.is_alive(name));
            if alive || !is_dead(core, upload.begun, older_than) {
                report.count_kept();
                continue;
            }
            let arrived = match core.repeat(0, || pending.parts(&upload)).await {
                Err(trouble) if is_gone(&trouble) => continue,
                arrived => arrived?,
            };
            let last = arrived.last.unwrap_or(upload.begun);
            if !is_dead(core, last, older_than) {
                report.count_kept();
                continue;
            }
            match core.repeat(0, || pending.abort(&upload)).await {
                Err(trouble) if is_gone(&trouble) => {}
                Err(trouble) => return Err(trouble),
                Ok(()) => report.count_removed(arrived.bytes),
            }
        }
    }
    Ok(())
}

/// Whether the last sign of life is so long ago that there will be no other.
fn is_dead(core: &Core, last: SystemTime, older_than: Duration) -> bool {
    // A storage whose clock is ahead makes leftovers younger than they are: the safe side.
    let age = core.config.clock.now().duration_since(last);
    age.is_ok_and(|age| age >= older_than.max(core.config.upload_grace))
}
