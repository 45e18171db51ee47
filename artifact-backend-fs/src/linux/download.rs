//! A download: chunks of bounded size. A cached chunk is read on the caller's thread, any other by one
//! task on the blocking pool.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ByteRange, ChunkSize, Download, Error, Operation, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::buffers::Buffer;
use crate::linux::blob::{self, Blob};
use crate::linux::error::{corrupt, failed};
use crate::linux::shared::Shared;
use crate::linux::{coop, sys};

/// The size of a chunk in bytes, unless the reader sets another. A download needs memory for two: one
/// being read, one with the caller.
const CHUNK: usize = 512 << 10;
/// A download of at most this size is one chunk of that size, whatever the reader wants.
const SMALL: u64 = 16 << 10;

pub(crate) async fn open(
    shared: &Arc<Shared>,
    id: ArtifactId,
    range: ByteRange,
) -> Result<Download> {
    let cached = match shared.inline_limit() {
        0 => None,
        _ => blob::open_cached(&shared.root, Operation::Download, id)?,
    };
    let blob = if let Some(blob) = cached {
        blob
    } else {
        let root = Arc::clone(&shared.root);
        let work = move || blob::open(&root, Operation::Download, id);
        shared.reads.run(Operation::Download, work).await?
    };
    stream(shared, blob, id, range)
}

fn stream(shared: &Arc<Shared>, blob: Blob, id: ArtifactId, range: ByteRange) -> Result<Download> {
    let Blob { file, size, stamp } = blob;
    let range = range
        .resolve(size)
        .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
    let (shared, file) = (Arc::clone(shared), Arc::new(file));
    let end = range.end;
    let chunk_size = (end - range.start > SMALL).then(|| ChunkSize::new(CHUNK));
    let size_of_chunks = chunk_size.clone();
    let chunks = stream::try_unfold(range.start, move |at| {
        let (shared, file) = (Arc::clone(&shared), Arc::clone(&file));
        let max = size_of_chunks.as_ref().map_or(CHUNK, ChunkSize::get);
        async move {
            let length = (end - at).min(max as u64);
            if length == 0 {
                return Ok::<Option<(Bytes, u64)>, Error>(None);
            }
            let wanted = usize::try_from(length).expect("a chunk fits in memory");
            let mut buffer = shared.buffers.take(wanted);
            let mut read = 0;
            if length <= shared.inline_limit() {
                read = sys::read_cached(file.as_fd(), &mut buffer.as_mut()[..wanted], at);
                coop::charge(read as u64).await;
            }
            let chunk = if read == wanted {
                buffer.into_bytes(wanted)
            } else {
                let work = move || read_rest(&file, buffer, id, at, read, wanted);
                shared.reads.run(Operation::Download, work).await?
            };
            Ok(Some((chunk, at + length)))
        }
    });
    let mut download = Download::new(id, size, range, chunks.boxed());
    if let Some(stamp) = stamp {
        download = download.with_stamp(stamp);
    }
    if let Some(chunk_size) = chunk_size {
        download = download.with_chunk_size(chunk_size);
    }
    Ok(download)
}

/// Reads the `wanted` bytes at `at` into a buffer that already holds the first `length` of them.
fn read_rest(
    file: &File,
    mut buffer: Buffer,
    id: ArtifactId,
    at: u64,
    mut length: usize,
    wanted: usize,
) -> Result<Bytes> {
    while length < wanted {
        let from = at + length as u64;
        let room = &mut buffer.as_mut()[length..wanted];
        let read = sys::retry(|| rustix::io::pread(file, &mut *room, from))
            .map_err(|errno| failed(Operation::Download, Some(id), "read the blob", errno))?;
        if read == 0 {
            let detail = "the file became shorter while it was read";
            return Err(corrupt(Operation::Download, id, detail));
        }
        length += read;
    }
    Ok(buffer.into_bytes(wanted))
}
