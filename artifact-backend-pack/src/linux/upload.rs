//! An upload: in memory until it is larger than a packed blob, then in a file.

use std::fmt;
use std::mem;
use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ErrorKind, NotedUpload, Operation, Result, Upload, async_trait,
};
use bytes::{Bytes, BytesMut};

use crate::linux::backend::Handle;
use crate::linux::error::of;
use crate::linux::noted::checked;
use crate::linux::store;

/// The checksum of the bytes so far, as [`blob_checksum`](crate::format::entry::blob_checksum).
struct Checksum(Box<crc_fast::Digest>);

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checksum")
    }
}

#[derive(Debug)]
enum Collected {
    Memory(BytesMut),
    File {
        upload: Box<dyn Upload>,
        size: u64,
        checksum: Checksum,
    },
    /// The beginning of the file failed or was dropped.
    Broken,
}

#[derive(Debug)]
pub(crate) struct PackUpload {
    handle: Arc<Handle>,
    id: ArtifactId,
    expected: Option<u64>,
    bytes: Collected,
}

impl PackUpload {
    pub(crate) fn new(handle: Arc<Handle>, id: ArtifactId) -> Self {
        Self {
            handle,
            id,
            expected: None,
            bytes: Collected::Memory(BytesMut::new()),
        }
    }

    /// Moves the bytes from memory to a file.
    async fn begin_file(&mut self, collected: Bytes) -> Result<()> {
        let shared = self.handle.shared();
        let mut upload = shared.large.upload(self.id).await?;
        if let Some(expected) = self.expected {
            upload.expect_size(expected);
        }
        let mut checksum = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        checksum.update(self.id.as_bytes());
        self.bytes = Collected::File {
            upload,
            size: 0,
            checksum: Checksum(Box::new(checksum)),
        };
        self.write_file(collected).await
    }

    /// Writes to the file, whose own upload is broken by an error or a dropped future.
    async fn write_file(&mut self, chunk: Bytes) -> Result<()> {
        let Collected::File {
            upload,
            size,
            checksum,
        } = &mut self.bytes
        else {
            return Err(self.broken(Operation::Write));
        };
        checksum.0.update(&chunk);
        *size += chunk.len() as u64;
        upload.write(chunk).await
    }

    fn broken(&self, operation: Operation) -> artifact_backend::Error {
        of(ErrorKind::Unexpected, operation, self.id)
            .with_detail("an earlier write of this upload failed or was dropped; abort the upload")
    }

    /// Publishes the bytes, with a note if there is one.
    async fn finish(mut self: Box<Self>, note: Option<Bytes>) -> Result<()> {
        let shared = Arc::clone(self.handle.shared());
        match mem::replace(&mut self.bytes, Collected::Broken) {
            Collected::Memory(buffer) => {
                let bytes = buffer.freeze();
                store::store(&shared, Operation::Commit, self.id, bytes, note).await
            }
            Collected::File {
                upload,
                size,
                checksum,
            } => {
                shared
                    .root
                    .check_trusted(Operation::Commit, Some(self.id))?;
                let crc = checksum.0.finalize();
                store::commit_large(&shared, self.id, upload, (size, crc), note).await
            }
            Collected::Broken => Err(self.broken(Operation::Commit)),
        }
    }
}

#[async_trait]
impl Upload for PackUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.expected = Some(bytes);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let shared = Arc::clone(self.handle.shared());
        match &mut self.bytes {
            Collected::Broken => Err(self.broken(Operation::Write)),
            Collected::Memory(buffer) if buffer.len() + bytes.len() <= shared.max_packed_bytes => {
                buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Collected::Memory(_) => {
                shared.root.check_trusted(Operation::Write, Some(self.id))?;
                let collected = mem::replace(&mut self.bytes, Collected::Broken);
                if let Collected::Memory(buffer) = collected {
                    self.begin_file(buffer.freeze()).await?;
                }
                self.write_file(bytes).await
            }
            Collected::File { .. } => self.write_file(bytes).await,
        }
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.finish(None).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        match mem::replace(&mut self.bytes, Collected::Broken) {
            Collected::File { upload, .. } => upload.abort().await,
            Collected::Memory(_) | Collected::Broken => Ok(()),
        }
    }
}

#[async_trait]
impl NotedUpload for PackUpload {
    async fn commit_noted(self: Box<Self>, note: Bytes) -> Result<()> {
        let note = checked(Operation::Commit, self.id, note)?;
        self.finish(note).await
    }
}
