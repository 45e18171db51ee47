//! A download that decrypts the chunks that its range needs.
//!
//! It reads the last chunk first. The last chunk proves the size (C2SP chunked-encryption, "Implementation notes"), by which the
//! range is resolved and which the download reports. So a blob that was cut is noticed before any byte is delivered.

use std::ops::Range;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ByteRange, Download, Error, Operation, Result,
};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, future, stream};

use crate::error;
use crate::key::EncryptionKeys;
use crate::message::{CHUNK, HEADER, Layout, SEALED_CHUNK, SINGLE, chunk_at};
use crate::open::Opener;

const OPERATION: Operation = Operation::Download;

/// The chunks that are decrypted in one step. A step of this size keeps a thread for less than a millisecond.
const STEP: usize = 16;

/// Opens a download of the plain bytes in `range`.
///
/// A blob of one chunk is one request to `inner`. A longer blob is two in a row: the last chunk, then header and range.
pub(crate) async fn open<B: ArtifactBackend>(
    inner: &B,
    keys: &EncryptionKeys,
    id: ArtifactId,
    range: ByteRange,
) -> Result<Download> {
    let tail = inner.download(id, ByteRange::Suffix(SINGLE as u64)).await?;
    let (stored, mut stamp) = (tail.size(), tail.stamp());
    let layout = Layout::new(stored).ok_or_else(|| error::wrong_length(OPERATION, id, stored))?;
    let mut tail = BytesMut::from(tail.into_bytes().await?);
    if tail.len() as u64 != stored.min(SINGLE as u64) {
        return Err(error::changed_while_read(OPERATION, id));
    }

    // The size is not proven yet, but to read wrong positions does no harm.
    let wanted = range.resolve(layout.size());
    let chunks = chunks_before_last(layout, wanted.as_ref().ok());
    let (header, body) = if layout.last() == 0 {
        (tail.split_to(HEADER), None)
    } else if chunks.is_empty() {
        (read_header(inner, id).await?, None)
    } else if chunks.start == 0 {
        let end = layout.sealed_chunk(chunks.end - 1).end;
        let mut body = Body::open(inner, id, stored, 0..end).await?;
        (body.take(HEADER).await?, Some(body))
    } else {
        let start = layout.sealed_chunk(chunks.start).start;
        let end = layout.sealed_chunk(chunks.end - 1).end;
        let body = Body::open(inner, id, stored, start..end);
        let (header, body) = future::try_join(read_header(inner, id), body).await?;
        (header, Some(body))
    };

    let opener = Opener::new(keys, &header, id, OPERATION)?;
    let sealed_last = layout.sealed_chunk(layout.last());
    let len = usize::try_from(sealed_last.end - sealed_last.start).unwrap_or(SEALED_CHUNK);
    let mut last = tail.split_off(tail.len().saturating_sub(len));
    let len = opener.open(layout.last(), &mut last)?;
    last.truncate(len);
    let wanted = wanted.map_err(|range| Error::invalid_range(OPERATION, id, range))?;
    let last = part_of_last(layout, last.freeze(), &wanted);

    let size = layout.size();
    let Some(body) = body else {
        return Ok(match stamp {
            _ if last.len() as u64 != size => {
                let bytes = stream::iter([Ok(last)]).boxed();
                stamped(Download::new(id, size, wanted, bytes), stamp)
            }
            stamp => stamped(Download::in_memory(id, last), stamp),
        });
    };
    // A stamp that changed between the two reads is the stamp of neither.
    stamp = stamp.filter(|stamp| body.download.stamp() == Some(*stamp));
    let chunk_size = body.download.chunk_size().cloned();
    let plain = PlainChunks {
        body,
        opener,
        skip: usize::try_from(wanted.start - chunks.start * CHUNK as u64).unwrap_or(CHUNK),
        remaining: wanted.end - wanted.start - last.len() as u64,
        chunks,
        last,
    };
    let plain = stream::try_unfold(plain, |mut plain| async move {
        let bytes = plain.next().await?;
        Ok(bytes.map(|bytes| (bytes, plain)))
    });
    let mut download = stamped(Download::new(id, size, wanted, plain.boxed()), stamp);
    if let Some(chunk_size) = chunk_size {
        download = download.with_chunk_size(chunk_size);
    }
    Ok(download)
}

fn stamped(download: Download, stamp: Option<artifact_backend::Stamp>) -> Download {
    match stamp {
        Some(stamp) => download.with_stamp(stamp),
        None => download,
    }
}

/// Returns the numbers of the chunks that a range needs, without the last chunk of the message.
fn chunks_before_last(layout: Layout, wanted: Option<&Range<u64>>) -> Range<u64> {
    match wanted {
        Some(wanted) if !wanted.is_empty() => {
            let end = chunk_at(wanted.end - 1) + 1;
            chunk_at(wanted.start)..end.min(layout.last())
        }
        _ => 0..0,
    }
}

/// Returns the part of the last chunk that lies in the range.
fn part_of_last(layout: Layout, last: Bytes, wanted: &Range<u64>) -> Bytes {
    let start = layout.last() * CHUNK as u64;
    let inside = |position: u64| {
        let offset = usize::try_from(position.saturating_sub(start)).unwrap_or(last.len());
        offset.min(last.len())
    };
    last.slice(inside(wanted.start)..inside(wanted.end))
}

async fn read_header<B: ArtifactBackend>(inner: &B, id: ArtifactId) -> Result<BytesMut> {
    let range = ByteRange::FromTo {
        first: 0,
        last: HEADER as u64 - 1,
    };
    let header = inner.download(id, range).await?.into_bytes().await?;
    Ok(BytesMut::from(header))
}

/// The stored bytes of chunks in a row, as they arrive.
struct Body {
    download: Download,
    buffer: BytesMut,
    id: ArtifactId,
}

impl Body {
    async fn open<B: ArtifactBackend>(
        inner: &B,
        id: ArtifactId,
        stored: u64,
        sealed: Range<u64>,
    ) -> Result<Self> {
        let range = ByteRange::FromTo {
            first: sealed.start,
            last: sealed.end - 1,
        };
        let download = inner.download(id, range).await?;
        if download.size() != stored {
            return Err(error::changed_while_read(OPERATION, id));
        }
        let buffer = BytesMut::new();
        Ok(Self {
            download,
            buffer,
            id,
        })
    }

    /// Reads until the buffer holds at least `len` bytes.
    async fn fill(&mut self, len: usize) -> Result<()> {
        while self.buffer.len() < len {
            let Some(chunk) = self.download.next().await else {
                return Err(error::changed_while_read(OPERATION, self.id));
            };
            self.buffer.extend_from_slice(&chunk?);
        }
        Ok(())
    }

    async fn take(&mut self, len: usize) -> Result<BytesMut> {
        self.fill(len).await?;
        Ok(self.buffer.split_to(len))
    }
}

/// The plain bytes of a range.
struct PlainChunks {
    body: Body,
    opener: Opener,
    /// The chunks that are not decrypted yet, without the last of the message.
    chunks: Range<u64>,
    /// The bytes before the range in the next chunk.
    skip: usize,
    /// The bytes of the range that are in `chunks`.
    remaining: u64,
    /// The bytes of the range that are in the last chunk of the message.
    last: Bytes,
}

impl PlainChunks {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.chunks.is_empty() {
            let last = std::mem::take(&mut self.last);
            return Ok(Some(last).filter(|last| !last.is_empty()));
        }
        self.body.fill(SEALED_CHUNK).await?;
        let left = usize::try_from(self.chunks.end - self.chunks.start).unwrap_or(STEP);
        let count = (self.body.buffer.len() / SEALED_CHUNK).min(left).min(STEP);
        let mut bytes = self.body.buffer.split_to(count * SEALED_CHUNK);
        let len = self.opener.open(self.chunks.start, &mut bytes)?;
        self.chunks.start += count as u64;
        bytes.truncate(len);
        bytes.advance(std::mem::take(&mut self.skip));
        bytes.truncate(usize::try_from(self.remaining).unwrap_or(bytes.len()));
        self.remaining -= bytes.len() as u64;
        Ok(Some(bytes.freeze()))
    }
}
