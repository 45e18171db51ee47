//! A download: chunks of bounded size. A cached chunk is read on the caller's thread, any other by one
//! task on the blocking pool.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ByteRange, Download, Error, Operation, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::blob::{self, Blob};
use crate::buffers::Buffer;
use crate::error::{corrupt, failed};
use crate::shared::Shared;
use crate::{coop, sys};

/// The largest chunk in bytes. A download needs memory for two: one being read, one with the caller.
const CHUNK: u64 = 512 << 10;

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
    let chunks = stream::try_unfold(range.start, move |at| {
        let (shared, file) = (Arc::clone(&shared), Arc::clone(&file));
        async move {
            let length = (end - at).min(CHUNK);
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
    let download = Download::new(id, size, range, chunks.boxed());
    Ok(match stamp {
        Some(stamp) => download.with_stamp(stamp),
        None => download,
    })
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
