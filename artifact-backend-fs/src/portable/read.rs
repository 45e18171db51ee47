//! Loads and downloads: all reads run on the blocking pool.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use artifact_backend::{
    ArtifactId, ByteRange, ChunkSize, Download, Error, ErrorKind, Operation, Result,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::blob;
use super::error::failed;
use super::profile::Shared;
use crate::buffers::Buffer;
use crate::error::corrupt;

/// The size of a chunk in bytes, unless the reader sets another. A download needs memory for two: one
/// being read, one with the caller.
const CHUNK: usize = 512 << 10;

pub(super) fn load(shared: &Shared, id: ArtifactId) -> Result<Bytes> {
    let operation = Operation::Load;
    let (file, size) = blob::open(&shared.root, operation, id)?;
    // One byte more than the blob has, to detect a file that grew.
    let wanted = usize::try_from(size)
        .ok()
        .and_then(|size| size.checked_add(1));
    let Some(wanted) = wanted else {
        return Err(Error::new(ErrorKind::TooLarge, operation)
            .with_id(id)
            .with_detail("the blob does not fit in memory; use download instead of load"));
    };
    let mut buffer = shared.buffers.take(wanted);
    let length = fill(&file, &mut buffer.as_mut()[..wanted])
        .map_err(|error| failed(operation, Some(id), "read the blob", error))?;
    if length + 1 == wanted {
        return Ok(buffer.into_bytes(length));
    }
    let detail = "the file changed its size while it was read";
    Err(corrupt(operation, id, detail))
}

/// Reads until the buffer is full or the file ends. Returns the number of bytes.
fn fill(mut file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

pub(super) async fn download(
    shared: &Arc<Shared>,
    id: ArtifactId,
    range: ByteRange,
) -> Result<Download> {
    let operation = Operation::Download;
    let opening = Arc::clone(shared);
    let work = move || blob::open(&opening.root, operation, id);
    let (file, size) = shared.reads.run(operation, work).await?;
    let range = range
        .resolve(size)
        .map_err(|range| Error::invalid_range(operation, id, range))?;
    let (shared, file, end) = (Arc::clone(shared), Arc::new(file), range.end);
    let chunk_size = ChunkSize::new(CHUNK);
    let size_of_chunks = chunk_size.clone();
    let chunks = stream::try_unfold(range.start, move |at| {
        let (shared, file) = (Arc::clone(&shared), Arc::clone(&file));
        let length = (end - at).min(size_of_chunks.get() as u64);
        async move {
            if length == 0 {
                return Ok::<Option<(Bytes, u64)>, Error>(None);
            }
            let wanted = usize::try_from(length).expect("a chunk fits in memory");
            let buffer = shared.buffers.take(wanted);
            let work = move || read_chunk(&file, buffer, id, at, wanted);
            let chunk = shared.reads.run(operation, work).await?;
            Ok(Some((chunk, at + length)))
        }
    });
    let download = Download::new(id, size, range, chunks.boxed());
    Ok(download.with_chunk_size(chunk_size))
}

/// Reads the `wanted` bytes at `at`. A download reads one chunk after the other, so nothing else moves the
/// position of the file.
fn read_chunk(
    mut file: &File,
    mut buffer: Buffer,
    id: ArtifactId,
    at: u64,
    wanted: usize,
) -> Result<Bytes> {
    let read = file
        .seek(SeekFrom::Start(at))
        .and_then(|_| fill(file, &mut buffer.as_mut()[..wanted]))
        .map_err(|error| failed(Operation::Download, Some(id), "read the blob", error))?;
    if read < wanted {
        let detail = "the file became shorter while it was read";
        return Err(corrupt(Operation::Download, id, detail));
    }
    Ok(buffer.into_bytes(wanted))
}
