//! Reads an archive, and refuses every other file.

use std::collections::HashSet;

use artifact_backend::Sha256Digest;
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};

use super::header::{BLOCK, Header, belongs, padding, recorded_size};
use super::records::{
    ArchivedRow, END, End, HEAD, Head, MAX_LIST, MAX_RECORD, MAX_ROWS, blob_name, blob_time,
    decode, list_name, sum_line, sums_name,
};
use crate::digests::ChunkDigests;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::row::Row;

/// The most bytes in a chunk of a blob.
const CHUNK: usize = 256 << 10;

/// Reads an archive in order. Every byte is part of the form, and the bytes of each blob have the digest of their row.
///
/// An artifact that is in two parts is not noticed here: that would take memory for all ids.
pub(super) struct ArchiveReader<R> {
    source: BufReader<R>,
    head: Head,
    sha256: Sha256,
    end: End,
    /// The rows of the current part. Those before `next` have had their turn.
    rows: Vec<ArchivedRow>,
    next: usize,
    sums: String,
    /// The header that was read and does not belong to the current part.
    blob: Option<Blob>,
    /// Those of the last blob.
    chunk_digests: Option<ChunkDigests>,
    /// Whether a part was begun and not ended.
    in_part: bool,
}

/// A blob that is being read.
struct Blob {
    index: usize,
    remaining: u64,
    hasher: Hasher,
}

impl<R: AsyncRead + Unpin + Send> ArchiveReader<R> {
    /// Reads the first member.
    pub(super) async fn open(source: R) -> Result<Self> {
        let mut reader = Self {
            source: BufReader::new(source),
            head: Head::new(
                "none".parse().map_err(unexpected)?,
                jiff::Timestamp::UNIX_EPOCH,
                None,
            ),
            sha256: Sha256::new(),
            end: End::default(),
            rows: Vec::new(),
            next: 0,
            sums: String::new(),
            blob: None,
            chunk_digests: None,
            in_part: false,
        };
        let header = reader.header().await.map_err(|error| match error.kind() {
            ErrorKind::Corrupt => {
                damaged("it is not an archive of artifact export").with_source(error)
            }
            _ => error,
        })?;
        let text = reader.record(&header, HEAD, MAX_RECORD).await?;
        let head: Head = serde_json::from_slice(&text)
            .map_err(|error| damaged("its first member cannot be read").with_source(error))?;
        if let Some(version) = head.unknown_version() {
            let detail = format!(
                "the archive has version {version} of the form, and this program reads version 1"
            );
            return Err(Error::new(ErrorKind::Unsupported, Operation::Import).with_detail(detail));
        }
        if !head.is_archive() || decode::<Head>(&text).as_ref() != Some(&head) {
            return Err(damaged("its first member is not one of artifact export"));
        }
        reader.head = head;
        Ok(reader)
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the rows of the next part. `None` is the end of a complete archive, after which nothing follows.
    pub(super) async fn next_part(&mut self) -> Result<Option<Vec<ArchivedRow>>> {
        while self.next_blob().await?.is_some() {}
        let header = self.header().await?;
        if header.name == END {
            self.read_end(&header).await?;
            return Ok(None);
        }
        self.end.parts += 1;
        let list = self
            .record(&header, &list_name(self.end.parts), MAX_LIST)
            .await?;
        let mut rows = Vec::new();
        let mut ids = HashSet::new();
        for line in list.split_inclusive(|byte| *byte == b'\n') {
            let row = decode(line).filter(|archived: &ArchivedRow| self.is_valid(archived));
            let row = row.ok_or_else(|| wrong(&header, "a line is not a row of the experiment"))?;
            if !ids.insert(row.row.id) {
                return Err(wrong(&header, "it has an artifact twice").with_id(row.row.id));
            }
            if rows.len() == MAX_ROWS {
                return Err(wrong(&header, "it has more than 1,000 lines"));
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(wrong(&header, "it is empty"));
        }
        self.rows.clone_from(&rows);
        self.next = 0;
        self.in_part = true;
        Ok(Some(rows))
    }

    /// Goes on to the next blob of the part, and returns the index of its row. A row without a blob was removed during
    /// the export. `None` is the end of the part.
    pub(super) async fn next_blob(&mut self) -> Result<Option<usize>> {
        while self.chunk().await?.is_some() {}
        if !self.in_part {
            return Ok(None);
        }
        let header = self.header().await?;
        let rest = self.rows.get(self.next..).unwrap_or_default();
        let found = rest
            .iter()
            .position(|archived| header.name == blob_name(archived.row.id));
        let Some(found) = found else {
            let sums = self
                .record(&header, &sums_name(self.end.parts), MAX_LIST)
                .await?;
            if sums != std::mem::take(&mut self.sums) {
                return Err(wrong(&header, "it does not list the blobs before it"));
            }
            self.in_part = false;
            return Ok(None);
        };
        let index = self.next + found;
        let row = &self.rows[index].row;
        if header.size != row.size || header.mtime != blob_time(row) {
            return Err(wrong(&header, "its size or time is not that of its row").with_id(row.id));
        }
        self.sums.push_str(&sum_line(row));
        self.next = index + 1;
        self.blob = Some(Blob {
            index,
            remaining: header.size,
            hasher: Hasher::of_size(header.size),
        });
        Ok(Some(index))
    }

    /// Returns the next bytes of the blob. `None` is the end of a blob that has the digest of its row.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(mut blob) = self.blob.take() else {
            return Ok(None);
        };
        if blob.remaining == 0 {
            let row = self.rows[blob.index].row.clone();
            let digests = blob.hasher.finish();
            self.end_blob(&row, digests.sha256).await?;
            self.chunk_digests = digests.chunks;
            return Ok(None);
        }
        let length = usize::try_from(blob.remaining).map_or(CHUNK, |left| left.min(CHUNK));
        let mut chunk = BytesMut::with_capacity(length);
        while chunk.len() < length {
            let wanted = (length - chunk.len()) as u64;
            let read = (&mut self.source).take(wanted).read_buf(&mut chunk).await;
            if read.map_err(unreadable)? == 0 {
                return Err(cut_off());
            }
        }
        let chunk = chunk.freeze();
        blob.remaining -= length as u64;
        blob.hasher = blob.hasher.update(chunk.clone()).await?;
        self.blob = Some(blob);
        Ok(Some(chunk))
    }

    /// Returns the chunk digests of the blob whose end was read last, once.
    pub(super) fn take_chunk_digests(&mut self) -> Option<ChunkDigests> {
        self.chunk_digests.take()
    }

    async fn end_blob(&mut self, row: &Row, sha256: Sha256Digest) -> Result<()> {
        self.skip_padding(row.size).await?;
        if sha256 != row.sha256 {
            let detail = format!(
                "the SHA-256 of the blob is {sha256}, its row says {}",
                row.sha256
            );
            return Err(damaged(detail).with_id(row.id));
        }
        self.end.artifacts += 1;
        self.end.bytes = self.end.bytes.saturating_add(row.size);
        Ok(())
    }

    async fn read_end(&mut self, header: &Header) -> Result<()> {
        let sha256 = self.sha256.clone().finalize();
        self.end.sha256 = Some(Sha256Digest::from_bytes(sha256.into()));
        let text = self.record(header, END, MAX_RECORD).await?;
        if decode::<End>(&text).as_ref() != Some(&self.end) {
            return Err(wrong(header, "it does not match the members before it"));
        }
        let mut zeros = [0; 2 * BLOCK];
        self.fill(&mut zeros).await?;
        if zeros != [0; 2 * BLOCK] {
            return Err(damaged("it does not end with two empty blocks"));
        }
        match self.source.read(&mut zeros).await.map_err(unreadable)? {
            0 => Ok(()),
            _ => Err(damaged("something follows after its end")),
        }
    }

    fn is_valid(&self, archived: &ArchivedRow) -> bool {
        let ArchivedRow { row, hold } = archived;
        row.experiment == self.head.experiment
            && hold.as_ref().is_none_or(|hold| hold.id == row.id)
            && i64::try_from(row.size).is_ok()
    }

    /// Reads the header of a file. Its size is the real one.
    async fn header(&mut self) -> Result<Header> {
        let first = self.header_block().await?;
        if !first.is_extended() {
            return Ok(first);
        }
        if first.size > BLOCK as u64 {
            return Err(not_ours());
        }
        let record = self.content(first.size).await?;
        let mut file = self.header_block().await?;
        match recorded_size(&record) {
            Some(size) if belongs(&first, &file) => file.size = size,
            _ => return Err(not_ours()),
        }
        Ok(file)
    }

    async fn header_block(&mut self) -> Result<Header> {
        let mut block = [0; BLOCK];
        self.fill(&mut block).await?;
        if block == [0; BLOCK] {
            return Err(damaged(
                "it ends before its last member: the export was not finished",
            ));
        }
        Header::decode(&block).ok_or_else(not_ours)
    }

    /// Reads the whole member with this name, and adds it to the digest of the members.
    async fn record(&mut self, header: &Header, name: &str, limit: u64) -> Result<Bytes> {
        if header.name != name {
            let detail = format!(
                "the member {name} is missing, {} is in its place",
                header.name.escape_debug()
            );
            return Err(damaged(detail));
        }
        if header.size > limit || header.mtime != 0 {
            return Err(wrong(header, "it is too large or has a time"));
        }
        let content = self.content(header.size).await?;
        self.sha256.update(&content);
        Ok(content)
    }

    /// Reads a small member.
    async fn content(&mut self, size: u64) -> Result<Bytes> {
        let mut content = BytesMut::zeroed(usize::try_from(size).map_err(unexpected)?);
        self.fill(&mut content).await?;
        self.skip_padding(size).await?;
        Ok(content.freeze())
    }

    async fn skip_padding(&mut self, size: u64) -> Result<()> {
        let mut block = [0; BLOCK];
        let length = padding(size);
        self.fill(&mut block[..length]).await?;
        if block == [0; BLOCK] {
            return Ok(());
        }
        Err(not_ours())
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let read = self.source.read_exact(bytes).await;
        read.map(drop).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => cut_off(),
            _ => unreadable(error),
        })
    }
}

fn wrong(header: &Header, what: &str) -> Error {
    damaged(format!("the member {}: {what}", header.name.escape_debug()))
}

/// The archive, or the file, is not one that an exporter has finished.
fn damaged(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Import).with_detail(detail)
}

fn not_ours() -> Error {
    damaged("a member has not the form of an archive of artifact export")
}

fn cut_off() -> Error {
    damaged("the archive is cut off: get it once more, as a whole")
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Import)
        .with_detail("the archive cannot be read")
        .with_source(error)
}

fn unexpected(error: impl Into<artifact_backend::BoxError>) -> Error {
    Error::new(ErrorKind::Unexpected, Operation::Import).with_source(error)
}
