//! A blob on its way out: pieces of a bounded size, each read where it is if it is in memory, and by one
//! hop to the blocking pool if not.

use std::os::fd::AsFd;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ByteRange, Download, Error, Operation, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::backend::Shared;
use crate::load::{Blob, read_cached, read_piece};
use crate::pace;

/// The most bytes of one piece. A download needs two of them: one that is read, one that is with
/// whoever takes it.
const PIECE: u64 = 512 << 10;

/// Streams `range` of an open blob.
pub(crate) fn stream(
    shared: &Arc<Shared>,
    blob: Blob,
    id: ArtifactId,
    range: ByteRange,
) -> Result<Download> {
    let Blob { file, size, stamp } = blob;
    let range = range
        .resolve(size)
        .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
    let (shared, file) = (Arc::clone(shared), Arc::new(file));
    let end = range.end;
    let pieces = stream::try_unfold(range.start, move |at| {
        let (shared, file) = (Arc::clone(&shared), Arc::clone(&file));
        async move {
            let length = (end - at).min(PIECE);
            if length == 0 {
                return Ok::<Option<(Bytes, u64)>, Error>(None);
            }
            let wanted = usize::try_from(length).expect("a piece is far smaller than memory");
            let mut buffer = shared.buffers.take(wanted);
            let mut read = 0;
            if length <= shared.inline_bytes() {
                read = read_cached(file.as_fd(), &mut buffer.as_mut()[..wanted], at);
                pace::charge(read as u64).await;
            }
            let piece = if read == wanted {
                buffer.into_bytes(wanted)
            } else {
                let work = move || read_piece(&file, buffer, id, at, read, wanted);
                shared.reads.run(Operation::Download, work).await?
            };
            Ok(Some((piece, at + length)))
        }
    });
    let download = Download::new(id, size, range, pieces.boxed());
    Ok(match stamp {
        Some(stamp) => download.with_stamp(stamp),
        None => download,
    })
}
