//! Loads and downloads blobs.

use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend, ArtifactId, BlobStat, ByteRange, Download, Error, ErrorKind, Operation, Result,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::format::entry::{Content, Entry, blob_checksum};
use crate::linux::coop;
use crate::linux::error::{corrupt, of, raise};
use crate::linux::index::Found;
use crate::linux::segment::{self, NotCached, Wait};
use crate::linux::shared::{Shared, time};

/// The size up to which the checksum of a file is computed on the caller's thread, as those of packed blobs are.
const VERIFIED_INLINE: usize = 2 << 20;

/// Loads a whole blob. A cached one of a segment is read on the caller's thread.
pub(crate) async fn load(shared: &Arc<Shared>, id: ArtifactId) -> Result<Bytes> {
    let operation = Operation::Load;
    let mut found = find_blob(shared, operation, id).await?;
    loop {
        let read = match found.entry.content {
            Content::Large { size, crc } => load_large(shared, id, size, crc).await,
            _ => load_packed(shared, operation, &found).await,
        };
        match read {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // A delete may have taken the bytes away meanwhile, or a compaction moved them.
                let now = find_blob(shared, operation, id).await?;
                if now.entry == found.entry
                    && now.holder.file().number == found.holder.file().number
                {
                    return Err(raise(error));
                }
                found = now;
            }
            read => return read,
        }
    }
}

/// Finds the entry of a blob.
async fn find_blob(shared: &Arc<Shared>, operation: Operation, id: ArtifactId) -> Result<Found> {
    match shared.find(operation, id).await? {
        Some(found) if found.is_blob() => return Ok(found),
        Some(_) => {}
        None => shared.check_complete(operation, Some(id))?,
    }
    shared.root.check_alive(operation)?;
    Err(of(ErrorKind::NotFound, operation, id))
}

/// Reads the bytes of a blob from its segment and verifies them.
pub(crate) async fn load_packed(
    shared: &Arc<Shared>,
    operation: Operation,
    found: &Found,
) -> Result<Bytes> {
    let id = found.entry.id;
    let Content::Blob {
        offset,
        length,
        crc,
    } = found.entry.content
    else {
        return Err(of(ErrorKind::NotFound, operation, id));
    };
    let place = (offset, length, crc);
    if u64::from(length) <= shared.inline_bytes {
        let file = found.holder.file();
        if let Ok(bytes) = file.blob(operation, id, place, Wait::Never)? {
            coop::charge(length.into()).await;
            return bytes.ok_or_else(|| segment::damaged(operation, id));
        }
    }
    let holder = found.holder.clone();
    let work = move || holder.file().blob(operation, id, place, Wait::Disk);
    match shared.reads.run(operation, work).await? {
        Ok(bytes) => bytes.ok_or_else(|| segment::damaged(operation, id)),
        Err(NotCached) => unreachable!("a read that waits for the disk needs no cache"),
    }
}

/// Reads the note of a blob from its segment and verifies it. `None` if it was stored without one.
pub(crate) async fn load_note(
    shared: &Arc<Shared>,
    operation: Operation,
    found: &Found,
) -> Result<Option<Bytes>> {
    let Some(place) = found.entry.note else {
        return Ok(None);
    };
    let (holder, id) = (found.holder.clone(), found.entry.id);
    let work = move || holder.file().note(operation, id, place);
    let note = shared.reads.run(operation, work).await?;
    note.map(Some)
        .ok_or_else(|| segment::damaged_note(operation, id))
}

async fn load_large(shared: &Shared, id: ArtifactId, size: u64, crc: u64) -> Result<Bytes> {
    let operation = Operation::Load;
    let loaded = shared.large.load(id).await;
    let bytes = loaded.map_err(|error| missing(operation, id, error))?;
    if bytes.len() as u64 != size {
        return Err(segment::damaged(operation, id));
    }
    let verify = move |bytes: Bytes| (blob_checksum(id, &bytes) == crc).then_some(bytes);
    let verified = if bytes.len() <= VERIFIED_INLINE {
        coop::charge(size).await;
        verify(bytes)
    } else {
        let work = move || Ok(verify(bytes));
        shared.reads.run(operation, work).await?
    };
    verified.ok_or_else(|| segment::damaged(operation, id))
}

/// The index has the blob, so the absence of its file is damage.
fn missing(operation: Operation, id: ArtifactId, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let detail = "the file of the blob in the folder `large` is missing; restore it from a backup";
    corrupt(operation, id, detail)
}

/// Opens a blob for streaming. The bytes of a packed blob are read and verified before.
pub(crate) async fn download(
    shared: &Arc<Shared>,
    id: ArtifactId,
    range: ByteRange,
) -> Result<Download> {
    let operation = Operation::Download;
    let mut found = find_blob(shared, operation, id).await?;
    loop {
        let size = size(&found.entry);
        let resolved = range
            .resolve(size)
            .map_err(|range| Error::invalid_range(operation, id, range))?;
        let opened = match found.entry.content {
            Content::Large { size, .. } => open_large(shared, id, range, size).await,
            _ => load_packed(shared, operation, &found).await.map(|bytes| {
                if resolved == (0..size) {
                    return Download::in_memory(id, bytes);
                }
                let position = |at| usize::try_from(at).expect("the blob is in memory");
                let part = bytes.slice(position(resolved.start)..position(resolved.end));
                let chunks = stream::iter([Ok(part)]).boxed();
                Download::new(id, size, resolved, chunks)
            }),
        };
        match opened {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let now = find_blob(shared, operation, id).await?;
                if now.entry == found.entry
                    && now.holder.file().number == found.holder.file().number
                {
                    return Err(raise(error));
                }
                found = now;
            }
            opened => return opened,
        }
    }
}

async fn open_large(
    shared: &Shared,
    id: ArtifactId,
    range: ByteRange,
    size: u64,
) -> Result<Download> {
    let operation = Operation::Download;
    let opened = shared.large.download(id, range).await;
    let download = opened.map_err(|error| missing(operation, id, error))?;
    if download.size() != size {
        let detail =
            "the file of the blob in the folder `large` has another size; restore it from a backup";
        return Err(corrupt(operation, id, detail));
    }
    Ok(download)
}

/// Returns the size of a blob in bytes.
pub(crate) fn size(entry: &Entry) -> u64 {
    match entry.content {
        Content::Blob { length, .. } => length.into(),
        Content::Large { size, .. } => size,
        Content::Tombstone { .. } => 0,
    }
}

/// Returns the stat of a blob.
pub(crate) fn blob_stat(entry: &Entry) -> BlobStat {
    BlobStat::new(entry.id, size(entry), time(entry.modified))
}

/// Returns the size and time of a blob. They are in its entry, so its bytes are not looked at.
pub(crate) async fn stat(shared: &Arc<Shared>, id: ArtifactId) -> Result<BlobStat> {
    let found = find_blob(shared, Operation::Stat, id).await?;
    Ok(blob_stat(&found.entry))
}
