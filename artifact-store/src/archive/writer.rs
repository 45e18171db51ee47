//! Writes an archive.

use artifact_backend::Sha256Digest;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::header::{BLOCK, Header, MAX_OCTAL, extended, padding};
use super::records::{
    ArchivedRow, END, End, HEAD, Head, blob_name, blob_time, encode, list_name, sum_line, sums_name,
};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::row::Row;

/// Writes an archive in order. Buffers nothing but the digests of one part.
pub(super) struct ArchiveWriter<W> {
    sink: W,
    sha256: Sha256,
    end: End,
    sums: String,
}

impl<W: AsyncWrite + Unpin + Send> ArchiveWriter<W> {
    /// Begins an archive.
    pub(super) async fn begin(sink: W, head: &Head) -> Result<Self> {
        let mut writer = Self {
            sink,
            sha256: Sha256::new(),
            end: End::default(),
            sums: String::new(),
        };
        writer.record(HEAD, &json(head)?).await?;
        Ok(writer)
    }

    /// Begins a part.
    pub(super) async fn begin_part(&mut self, rows: &[ArchivedRow]) -> Result<()> {
        self.end.parts += 1;
        let lines: String = rows.iter().map(json).collect::<Result<_>>()?;
        self.record(&list_name(self.end.parts), &lines).await
    }

    /// Begins the blob of a row of the part. Its bytes follow.
    pub(super) async fn begin_blob(&mut self, row: &Row) -> Result<()> {
        self.sums.push_str(&sum_line(row));
        let (name, time) = (blob_name(row.id), blob_time(row));
        if row.size > MAX_OCTAL {
            let (header, record) = extended(&name, row.size, time);
            self.write(&header.encode()).await?;
            self.write(record.as_bytes()).await?;
            self.pad(header.size).await?;
        }
        let header = Header::file(&name, row.size, time);
        self.write(&header.encode()).await
    }

    /// Ends a blob.
    pub(super) async fn end_blob(&mut self, row: &Row) -> Result<()> {
        self.pad(row.size).await?;
        self.end.artifacts += 1;
        self.end.bytes += row.size;
        Ok(())
    }

    /// Ends a part.
    pub(super) async fn end_part(&mut self) -> Result<()> {
        let sums = std::mem::take(&mut self.sums);
        self.record(&sums_name(self.end.parts), &sums).await
    }

    /// Ends the archive. Before that, every reader refuses it.
    pub(super) async fn finish(mut self) -> Result<()> {
        let sha256 = self.sha256.clone().finalize();
        self.end.sha256 = Some(Sha256Digest::from_bytes(sha256.into()));
        let end = json(&self.end)?;
        self.record(END, &end).await?;
        self.write(&[0; 2 * BLOCK]).await?;
        self.sink.flush().await.map_err(failed)
    }

    /// Writes bytes of a blob.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).await.map_err(failed)
    }

    async fn record(&mut self, name: &str, text: &str) -> Result<()> {
        self.sha256.update(text);
        let size = text.len() as u64;
        self.write(&Header::file(name, size, 0).encode()).await?;
        self.write(text.as_bytes()).await?;
        self.pad(size).await
    }

    async fn pad(&mut self, size: u64) -> Result<()> {
        self.write(&[0; BLOCK][..padding(size)]).await
    }
}

fn json(record: &impl Serialize) -> Result<String> {
    encode(record).map_err(|error| {
        let error = Error::new(ErrorKind::Unexpected, Operation::Export).with_source(error);
        error.with_detail("a row cannot be written as JSON")
    })
}

fn failed(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => ErrorKind::OutOfSpace,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, Operation::Export)
        .with_detail("the archive cannot be written")
        .with_source(error)
}
