//! Reads ranges of a blob.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactId, ArtifactInventory, ByteRange, Download};
use opendal_core::raw::{RpRead, oio};
use opendal_core::{Buffer, BytesRange, Error, ErrorKind, MetadataBuilder, Result};

use crate::error::failed;

/// A blob from which ranges are read.
#[derive(Debug)]
pub struct BlobReader {
    backend: Arc<dyn ArtifactInventory>,
    id: ArtifactId,
}

type OpenRange = (RpRead, Box<dyn oio::ReadStreamDyn>);

impl BlobReader {
    pub(crate) fn new(backend: Arc<dyn ArtifactInventory>, id: ArtifactId) -> Self {
        Self { backend, id }
    }

    /// Opens a range that holds no byte.
    async fn open_empty(&self) -> Result<OpenRange> {
        let blob = self.backend.stat(self.id).await.map_err(failed)?;
        let metadata = MetadataBuilder::file(blob.size).build();
        Ok((RpRead::new(metadata), Box::new(Buffer::new())))
    }
}

impl oio::StreamRead for BlobReader {
    async fn open(&self, range: BytesRange) -> Result<OpenRange> {
        let range_of_blob = match range {
            // An empty range and one that begins at the end of the file are empty files to opendal.
            BytesRange::Range { size: Some(0), .. } | BytesRange::Suffix { size: 0 } => {
                return self.open_empty().await;
            }
            BytesRange::Range {
                offset: 0,
                size: None,
            } => ByteRange::Full,
            BytesRange::Range { offset, size: None } => ByteRange::From(offset),
            BytesRange::Range {
                offset,
                size: Some(size),
            } => ByteRange::FromTo {
                first: offset,
                last: offset.saturating_add(size - 1),
            },
            BytesRange::Suffix { size } => ByteRange::Suffix(size),
        };
        let download = match self.backend.download(self.id, range_of_blob).await {
            Err(error) if error.blob_size().is_some() && range.size().is_none() => {
                return self.open_empty().await;
            }
            download => download.map_err(failed)?,
        };
        let length = download.range().end - download.range().start;
        if range
            .size()
            .is_some_and(|size| !range.is_suffix() && size != length)
        {
            return Err(Error::new(
                ErrorKind::RangeNotSatisfied,
                "the range ends after the end of the blob",
            )
            .with_context("range", range)
            .with_context("size", download.size()));
        }
        let metadata = MetadataBuilder::file(download.size()).build();
        Ok((
            RpRead::new(metadata),
            Box::new(BlobStream(Mutex::new(download))),
        ))
    }
}

/// The bytes of a range. A lock makes the download `Sync`; it is never contended.
struct BlobStream(Mutex<Download>);

impl oio::ReadStream for BlobStream {
    async fn read(&mut self) -> Result<Buffer> {
        let download = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        match download.next().await {
            Some(chunk) => chunk.map(Buffer::from).map_err(failed),
            None => Ok(Buffer::new()),
        }
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream").finish_non_exhaustive()
    }
}
