//! Reads a range of an artifact chunk by chunk, and delivers only bytes that were verified.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use artifact_backend::{
    ByteRange, Download, Error, ErrorKind, Operation, Result, Sha256Digest, Stamp,
};
use blake3::hazmat::{ChainingValue, HasherExt as _};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use crate::digests::{ChunkDigests, PieceDigests, PieceHasher, subtree};
use crate::read_memory::{MAX_CHUNK, MIN_CHUNK, Window, WindowPlan};
use crate::row::Row;
use crate::shared::Shared;

/// What the chunks of an artifact are compared with.
#[derive(Debug, Clone)]
pub(crate) enum ChunkCheck {
    Digests(Arc<ChunkDigests>),
    /// The artifact is one chunk, which has the SHA-256 of the row.
    WholeSha256,
}

/// A range of an artifact that is being read.
///
/// A chunk is read as a whole, also if only a part of it is wanted, and delivered once it was verified. If there is no
/// memory to hold it, or the reader is too slow to get so much, the chunk is read twice: the first pass keeps only the
/// digests of its pieces, which add up to that of the chunk, and the second one verifies each piece before it is
/// delivered. The digests of pieces are kept for later readers of small ranges, who then read only the pieces that they
/// want.
pub(crate) struct VerifiedRange {
    shared: Arc<Shared>,
    row: Arc<Row>,
    check: ChunkCheck,
    /// The size of every chunk but the last.
    chunk_bytes: u64,
    /// The positions that are neither delivered nor ready.
    wanted: Range<u64>,
    /// Whether the range is small, so that the digests of pieces are worth keeping.
    is_small: bool,
    source: Option<Source>,
    /// Whether the backend lets the reader choose the size of the chunks that it allocates.
    adapts: bool,
    stamp: Option<Stamp>,
    /// The verified pieces of the chunk that is being delivered, and the index of the chunk.
    pieces: Option<(u64, Arc<PieceDigests>)>,
    plan: WindowPlan,
    /// Verified bytes.
    ready: VecDeque<Bytes>,
}

/// An open download.
struct Source {
    /// Where its next byte is in the artifact.
    position: u64,
    download: Download,
    /// The rest of the last chunk.
    rest: Bytes,
}

impl Source {
    fn new(download: Download) -> Self {
        Self {
            position: download.range().start,
            download,
            rest: Bytes::new(),
        }
    }

    /// Reads exactly this number of bytes.
    async fn read(&mut self, mut bytes: u64) -> Result<Vec<Bytes>> {
        let mut read = Vec::new();
        while bytes > 0 {
            if self.rest.is_empty() {
                let Some(chunk) = self.download.next().await else {
                    return Err(Error::new(ErrorKind::Unexpected, Operation::Download)
                        .with_detail("the reader wants more than it has asked the backend for"));
                };
                self.rest = chunk?;
            }
            let length = self
                .rest
                .len()
                .min(usize::try_from(bytes).unwrap_or(usize::MAX));
            read.push(self.rest.split_to(length));
            bytes -= length as u64;
            self.position += length as u64;
        }
        Ok(read)
    }
}

impl VerifiedRange {
    /// Prepares to read `wanted`, which is not empty.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        row: &Arc<Row>,
        check: ChunkCheck,
        wanted: Range<u64>,
    ) -> Self {
        let chunk_bytes = match &check {
            ChunkCheck::Digests(digests) => digests.chunk_bytes(),
            ChunkCheck::WholeSha256 => ChunkDigests::MIN_CHUNK_BYTES,
        };
        Self {
            shared: Arc::clone(shared),
            row: Arc::clone(row),
            check,
            chunk_bytes,
            is_small: (wanted.end - 1) / chunk_bytes - wanted.start / chunk_bytes < 2,
            wanted,
            source: None,
            adapts: false,
            stamp: None,
            pieces: None,
            plan: WindowPlan::new(&shared.read_memory),
            ready: VecDeque::new(),
        }
    }

    /// Returns the range to download first.
    pub(crate) fn first_range(&mut self) -> ByteRange {
        let (chunk, bounds) = self.chunk();
        let range = match self.known_pieces(chunk) {
            Some(pieces) => pieces.widen(&self.wanted_in(&bounds), bounds.end),
            None => bounds.start..self.end_of_chunks(),
        };
        to_byte_range(&range)
    }

    /// Reads and verifies the first bytes of an opened download, and returns the range as a download.
    ///
    /// # Errors
    ///
    /// `Corrupt` if these bytes are not those that were deposited, and the errors of the backend.
    pub(crate) async fn start(mut self, download: Download) -> Result<Download> {
        let (id, size, wanted) = (self.row.id, self.row.size, self.wanted.clone());
        self.opened(download)?;
        self.fill().await?;
        let stream = stream::try_unfold(self, |mut reader| async move {
            let next = reader.next().await?;
            Ok(next.map(|bytes| (bytes, reader)))
        });
        Ok(Download::new(id, size, wanted, stream.boxed()))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Ok(Some(bytes));
            }
            if self.wanted.is_empty() {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// Returns the index and the bounds of the chunk that is read next.
    fn chunk(&self) -> (u64, Range<u64>) {
        let index = self.wanted.start / self.chunk_bytes;
        let start = index * self.chunk_bytes;
        let end = start.saturating_add(self.chunk_bytes);
        (index, start..end.min(self.row.size))
    }

    fn wanted_in(&self, bounds: &Range<u64>) -> Range<u64> {
        self.wanted.start..self.wanted.end.min(bounds.end)
    }

    /// Returns the end of the last chunk of which a part is wanted.
    fn end_of_chunks(&self) -> u64 {
        let end = self.wanted.end.checked_next_multiple_of(self.chunk_bytes);
        end.unwrap_or(u64::MAX).min(self.row.size)
    }

    /// Returns the pieces of a chunk if they are known.
    fn known_pieces(&mut self, chunk: u64) -> Option<Arc<PieceDigests>> {
        if let Some((index, pieces)) = &self.pieces
            && *index == chunk
        {
            return Some(Arc::clone(pieces));
        }
        if !self.is_small {
            return None;
        }
        let pieces = self.shared.digests.pieces(self.row.id, chunk)?;
        self.pieces = Some((chunk, Arc::clone(&pieces)));
        Some(pieces)
    }

    /// Makes some of the wanted bytes ready.
    async fn fill(&mut self) -> Result<()> {
        let filled = self.try_fill().await;
        filled.map_err(|error| self.report(error))
    }

    async fn try_fill(&mut self) -> Result<()> {
        let (chunk, bounds) = self.chunk();
        if let Some(pieces) = self.known_pieces(chunk) {
            return self.read_pieces(&pieces, &bounds).await;
        }
        // Two passes are better if only a small part of a large chunk is wanted.
        let length = bounds.end - bounds.start;
        let wanted = self.wanted_in(&bounds);
        let is_worth_holding =
            length <= MAX_CHUNK as u64 || wanted.end - wanted.start >= length / 4;
        let rest = self.end_of_chunks() - bounds.start;
        let window = if is_worth_holding {
            self.plan.whole_chunks(length, rest, self.adapts)
        } else {
            None
        };
        match window {
            Some(window) => self.read_chunks(window, bounds.start).await,
            None => self.scan(chunk, bounds).await,
        }
    }

    /// Reads whole chunks into memory, and verifies each.
    async fn read_chunks(&mut self, window: Window, start: u64) -> Result<()> {
        let end_of_chunks = self.end_of_chunks();
        let whole = window.bytes() - window.bytes() % self.chunk_bytes;
        let end = match whole {
            0 => self.end_of_chunk(start),
            whole => end_of_chunks.min(start.saturating_add(whole)),
        };
        let mut read = self
            .read_at(start, end - start, end_of_chunks, window.bytes())
            .await?;
        let mut at = start;
        while at < end {
            let bounds = at..self.end_of_chunk(at);
            let parts = parts(&read, at - start, bounds.end - at);
            match self.verify(at / self.chunk_bytes, &bounds, parts) {
                Ok(()) => at = bounds.end,
                Err(error) if at == start => return Err(error),
                Err(_) => {
                    // The chunks before are sound. The next call reads this one again, and fails.
                    truncate(&mut read, at - start);
                    break;
                }
            }
        }
        self.release(start, read, &window);
        Ok(())
    }

    fn end_of_chunk(&self, start: u64) -> u64 {
        start.saturating_add(self.chunk_bytes).min(self.row.size)
    }

    /// Verifies a whole chunk. Keeps the digests of its pieces if only a part of it is wanted.
    fn verify<'b>(
        &self,
        chunk: u64,
        bounds: &Range<u64>,
        parts: impl Iterator<Item = &'b [u8]> + Clone,
    ) -> Result<()> {
        let keeps_pieces = self.is_small && self.wanted_in(bounds) != *bounds;
        let pieces = keeps_pieces.then(|| {
            let mut hasher = PieceHasher::new(bounds.start, self.chunk_bytes);
            parts.clone().for_each(|part| hasher.update(part));
            hasher.finish()
        });
        match &self.check {
            ChunkCheck::WholeSha256 => {
                let mut sha256 = Sha256::new();
                parts.for_each(|part| sha256.update(part));
                self.compare_sha256(sha256)?;
            }
            ChunkCheck::Digests(digests) => {
                let digest = if let Some((digest, _)) = &pieces {
                    *digest
                } else {
                    let mut hasher = subtree(bounds.start);
                    for part in parts {
                        hasher.update(part);
                    }
                    Some(hasher.finalize_non_root())
                };
                self.compare(digests, chunk, bounds, digest)?;
            }
        }
        if let Some((_, pieces)) = pieces {
            self.keep_pieces(chunk, Arc::new(pieces));
        }
        Ok(())
    }

    fn keep_pieces(&self, chunk: u64, pieces: Arc<PieceDigests>) {
        self.shared
            .digests
            .insert_pieces(self.row.id, chunk, pieces);
    }

    /// Reads a chunk without keeping it, verifies it, and remembers the digests of its pieces.
    async fn scan(&mut self, chunk: u64, bounds: Range<u64>) -> Result<()> {
        let end_of_chunks = self.end_of_chunks();
        let mut hasher = PieceHasher::new(bounds.start, self.chunk_bytes);
        let mut sha256 = match self.check {
            ChunkCheck::WholeSha256 => Some(Sha256::new()),
            ChunkCheck::Digests(_) => None,
        };
        let mut at = bounds.start;
        while at < bounds.end {
            let step = (bounds.end - at).min(MIN_CHUNK as u64);
            let bytes = self
                .read_at(at, step, end_of_chunks, MIN_CHUNK as u64)
                .await?;
            for bytes in bytes {
                hasher.update(&bytes);
                if let Some(sha256) = &mut sha256 {
                    sha256.update(&bytes);
                }
            }
            at += step;
            tokio::task::consume_budget().await;
        }
        let (digest, pieces) = hasher.finish();
        match (&self.check, sha256) {
            (ChunkCheck::Digests(digests), _) => self.compare(digests, chunk, &bounds, digest)?,
            (ChunkCheck::WholeSha256, sha256) => self.compare_sha256(sha256.unwrap_or_default())?,
        }
        let pieces = Arc::new(pieces);
        if self.is_small {
            self.keep_pieces(chunk, Arc::clone(&pieces));
        }
        self.pieces = Some((chunk, pieces));
        Ok(())
    }

    /// Reads some pieces of a chunk whose digests are known, and verifies each.
    async fn read_pieces(&mut self, pieces: &PieceDigests, bounds: &Range<u64>) -> Result<()> {
        let all = pieces.widen(&self.wanted_in(bounds), bounds.end);
        let window = self.plan.pieces(pieces.piece_bytes(), all.end - all.start);
        let end = all.end.min(all.start.saturating_add(window.bytes()));
        let read = self
            .read_at(all.start, end - all.start, all.end, window.bytes())
            .await?;
        let mut at = all.start;
        while at < end {
            let length = pieces.piece_bytes().min(end - at);
            if !pieces.matches(at, parts(&read, at - all.start, length)) {
                return Err(self.corrupt(&(at..at + length)));
            }
            at += length;
        }
        self.release(all.start, read, &window);
        Ok(())
    }

    /// Makes the wanted part of verified bytes ready.
    fn release(&mut self, start: u64, read: Vec<Bytes>, window: &Window) {
        let (mut at, mut released) = (start, 0);
        for bytes in read {
            let position = at;
            at += bytes.len() as u64;
            let cut = |bound| cut(bound, position, at);
            let part = bytes.slice(cut(self.wanted.start)..cut(self.wanted.end));
            if !part.is_empty() {
                released += part.len();
                self.ready.push_back(window.bind(part, bytes.len()));
            }
        }
        self.wanted.start = at.min(self.wanted.end);
        self.plan.delivered(released);
    }

    /// Reads `length` bytes at a position. If no open download is there, opens one that ends at `end`.
    async fn read_at(&mut self, at: u64, length: u64, end: u64, chunk: u64) -> Result<Vec<Bytes>> {
        let source = self
            .source
            .take()
            .filter(|source| source.position == at && at + length <= source.download.range().end);
        let mut source = if let Some(source) = source {
            source
        } else {
            let range = to_byte_range(&(at..end));
            let download = self.shared.backend.download(self.row.id, range).await?;
            self.opened(download)?;
            self.source
                .take()
                .ok_or_else(|| Error::new(ErrorKind::Unexpected, Operation::Download))?
        };
        if let Some(size) = source.download.chunk_size() {
            size.set(usize::try_from(chunk).unwrap_or(usize::MAX).min(MAX_CHUNK));
        }
        let read = source.read(length).await?;
        self.source = Some(source);
        Ok(read)
    }

    fn opened(&mut self, download: Download) -> Result<()> {
        self.stamp = download.stamp();
        self.adapts = download.chunk_size().is_some();
        let size = download.size();
        self.source = Some(Source::new(download));
        if size == self.row.size {
            return Ok(());
        }
        let detail = format!(
            "the stored blob has {size} bytes, its row says {}",
            self.row.size
        );
        Err(self.error(detail))
    }

    fn compare(
        &self,
        digests: &ChunkDigests,
        chunk: u64,
        bounds: &Range<u64>,
        actual: Option<ChainingValue>,
    ) -> Result<()> {
        match digests.get(chunk) {
            Some(expected) if actual.as_ref() == Some(expected) => Ok(()),
            _ => Err(self.corrupt(bounds)),
        }
    }

    fn compare_sha256(&self, actual: Sha256) -> Result<()> {
        let actual = Sha256Digest::from_bytes(actual.finalize().into());
        if actual == self.row.sha256 {
            return Ok(());
        }
        Err(self.corrupt(&(0..self.row.size)))
    }

    fn corrupt(&self, bytes: &Range<u64>) -> Error {
        self.error(format!(
            "the stored bytes {} to {} are not those that were deposited: they have another digest",
            bytes.start,
            bytes.end - 1
        ))
    }

    fn error(&self, detail: String) -> Error {
        Error::new(ErrorKind::Corrupt, Operation::Download)
            .with_id(self.row.id)
            .with_detail(detail)
    }

    /// Reports an error that says that the artifact is damaged.
    fn report(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Corrupt {
            self.shared.report_damage(self.row.id, self.stamp, &error);
        }
        error
    }
}

/// Returns `length` bytes of these buffers from a position on.
fn parts(buffers: &[Bytes], from: u64, length: u64) -> impl Iterator<Item = &[u8]> + Clone {
    let (until, mut end) = (from + length, 0);
    buffers.iter().filter_map(move |buffer| {
        let start = end;
        end += buffer.len() as u64;
        let part = &buffer[cut(from, start, end)..cut(until, start, end)];
        (!part.is_empty()).then_some(part)
    })
}

/// Shortens these buffers to `length` bytes in all.
fn truncate(buffers: &mut Vec<Bytes>, length: u64) {
    let mut end = 0;
    for buffer in &mut *buffers {
        let start = end;
        end += buffer.len() as u64;
        buffer.truncate(cut(length, start, end));
    }
    buffers.retain(|buffer| !buffer.is_empty());
}

/// Returns where a position is in the buffer that holds `start..end`, or the nearest end of the buffer.
fn cut(position: u64, start: u64, end: u64) -> usize {
    // No more than the length of the buffer.
    usize::try_from(position.clamp(start, end) - start).unwrap_or(usize::MAX)
}

/// Returns a range that is not empty, as a backend takes it.
fn to_byte_range(range: &Range<u64>) -> ByteRange {
    ByteRange::FromTo {
        first: range.start,
        last: range.end - 1,
    }
}
