//! Compaction: moves the live records of a segment that is mostly useless to the open one, then removes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use futures_util::{TryStreamExt, stream};

use crate::format::entry::{Content, Entry};
use crate::format::frame::{Body, Record};
use crate::linux::error::{failed, raise};
use crate::linux::index::Holder;
use crate::linux::load::{load_note, load_packed};
use crate::linux::segment::{self, NotCached, Sealed, SegmentFile, Wait};
use crate::linux::shared::Shared;
use crate::linux::spares::Spare;
use crate::linux::sys;

/// How many records are moved at the same time, so that they share frames.
const MOVES: usize = 64;
/// A segment is compacted when this share of its bytes is useless, in per cent. Less would move more than 2.3 bytes to free one; more
/// would leave a store half of whose blobs were deleted as it is.
const USELESS_PERCENT: u64 = 30;

/// Compacts each sealed segment of which at least [`USELESS_PERCENT`] of the bytes are useless.
pub(crate) async fn compact(shared: &Arc<Shared>) -> Result<()> {
    count_freed(shared).await?;
    for sealed in shared.index.sealed() {
        let freed = sealed.freed.load(Ordering::Relaxed);
        let has_blobs = sealed.footer.payload_bytes > 0;
        // Opening takes the absence of the last one for a loss.
        let is_last = sealed.number() >= shared.root.head();
        if !is_last && has_blobs && is_worth_it(freed, sealed.footer.payload_bytes) {
            match compact_one(shared, &sealed).await {
                // The segment stays, with the damaged blob.
                Err(error) if error.damaged_blob().is_some() => {
                    raise(error);
                }
                done => done?,
            }
        }
    }
    Ok(())
}

fn is_worth_it(freed: u64, payload: u64) -> bool {
    freed.saturating_mul(100) >= payload.saturating_mul(USELESS_PERCENT)
}

/// Counts what the sealed segments of the time before the start have made useless. Their indexes are read once.
async fn count_freed(shared: &Arc<Shared>) -> Result<()> {
    for sealed in shared.uncounted() {
        let reading = Arc::clone(shared);
        let work = move || {
            if sealed.footer.replacing > 0 {
                for number in 0..sealed.blocks() {
                    for entry in block(&sealed, number)? {
                        reading.index.count_freed(&entry);
                    }
                }
            }
            reading.counted(sealed.number());
            Ok(())
        };
        shared.reads.run(Operation::Sweep, work).await?;
    }
    Ok(())
}

fn block(sealed: &Sealed, number: u64) -> Result<Vec<Entry>> {
    match sealed.block(Operation::Sweep, number, Wait::Disk)? {
        Ok(entries) => Ok(entries),
        Err(NotCached) => unreachable!("a read that waits for the disk needs no cache"),
    }
}

async fn compact_one(shared: &Arc<Shared>, sealed: &Arc<Sealed>) -> Result<()> {
    // A tombstone is needed as long as an older segment may have the blob. With notes it stays for ever: a record elsewhere may be
    // older than the deletion.
    let drops_tombstones = shared
        .index
        .sealed()
        .first()
        .is_some_and(|first| first.number() == sealed.number())
        && !shared.root.has_notes();
    for number in 0..sealed.blocks() {
        let reading = Arc::clone(sealed);
        let work = move || block(&reading, number);
        let entries = shared.reads.run(Operation::Sweep, work).await?;
        let needed = entries.into_iter().filter(|entry| {
            !drops_tombstones || !matches!(entry.content, Content::Tombstone { .. })
        });
        stream::iter(needed.map(Ok::<_, Error>))
            .try_for_each_concurrent(MOVES, |entry| move_one(shared, sealed, entry))
            .await?;
    }
    remove(shared, sealed).await
}

/// Moves a record, unless a newer one of its id has replaced it.
async fn move_one(shared: &Arc<Shared>, sealed: &Arc<Sealed>, entry: Entry) -> Result<()> {
    let operation = Operation::Sweep;
    let claim = shared.claims.acquire(entry.id).await;
    let found = shared.find(operation, entry.id).await?;
    let Some(found) = found.filter(
        |found| matches!(&found.holder, Holder::Sealed(holder) if holder.number() == sealed.number()),
    ) else {
        return Ok(());
    };
    let body = match entry.content {
        Content::Blob { .. } => Body::Blob(load_packed(shared, operation, &found).await?),
        Content::Large { size, crc } => Body::Large { size, crc },
        Content::Tombstone { .. } => Body::Tombstone { freed: 0 },
    };
    let replaces = match entry.content {
        Content::Blob { .. } => sealed.number(),
        Content::Large { .. } | Content::Tombstone { .. } => 0,
    };
    let note = load_note(shared, operation, &found).await?;
    let record = Record {
        id: entry.id,
        modified: entry.modified,
        replaces,
        body,
        note,
    };
    shared.commit(operation, record, claim).await
}

/// Removes a segment without live records, or keeps its file for a later one. Readers that have it open can go on.
async fn remove(shared: &Arc<Shared>, sealed: &Arc<Sealed>) -> Result<()> {
    let number = sealed.number();
    let (removing, file) = (Arc::clone(shared), Arc::clone(&sealed.file));
    let work = move || {
        let root = &removing.root;
        if root.is_in_doubt() != Ok(false) {
            return Err(Error::new(ErrorKind::Unexpected, Operation::Sweep)
                .with_detail("a sync has failed, so no segment is removed"));
        }
        // Only what is durably gone may be forgotten: tombstones are dropped once no older segment is left.
        let fail = |errno| failed(Operation::Sweep, None, "remove a segment", errno);
        let name = segment::name(number);
        let spare = can_be_spare(&removing, &file).then(|| Spare::of(&file));
        let removed = match &spare {
            Some(spare) => sys::rename(root.segments(), &name, &spare.name),
            None => sys::unlink(root.segments(), &name),
        };
        removed.map_err(fail)?;
        root.sync(root.segments()).map_err(fail)?;
        removing.index.remove(number);
        drop(file);
        if let Some(spare) = spare {
            root.spares.add(spare);
        }
        Ok(())
    };
    shared.reads.run(Operation::Sweep, work).await?;
    tracing::info!(segment = segment::name(number), "a segment was compacted");
    Ok(())
}

/// Returns whether the file is worth keeping: to write into a hole takes a new block, as in a new file.
fn can_be_spare(shared: &Shared, file: &SegmentFile) -> bool {
    shared.root.spares.has_room()
        && sys::size(&file.file).is_ok_and(|size| size <= u64::from(shared.segment_bytes))
        && sys::is_without_holes(&file.file) == Ok(true)
}
