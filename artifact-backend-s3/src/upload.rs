//! The upload of a blob that arrives in chunks.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::PutPayload;
use tokio::task::{JoinError, JoinSet};

use crate::cleanup::warn_left_behind;
use crate::create::Creation;
use crate::error::RequestError;
use crate::multipart::MultipartSession;
use crate::part_buffer::PartBuffer;
use crate::part_size::{MAX_OBJECT_BYTES, MAX_PARTS, part_size};
use crate::part_upload::Part;
use crate::shared::Bucket;
use crate::write_id::WriteId;

type SentPart = (usize, Result<Part, RequestError>);

/// An upload. It sends nothing until the first part is full, so a blob of up to one part is a single
/// request at the commit.
#[derive(Debug)]
pub(crate) struct BucketUpload {
    bucket: Arc<Bucket>,
    id: ArtifactId,
    expected: Option<u64>,
    /// The size of each part but the last.
    part_bytes: u64,
    filling: PartBuffer,
    /// The number of bytes written so far.
    total: u64,
    session: Option<MultipartSession>,
    sending: JoinSet<SentPart>,
    /// The parts by number. The outer `None` is a part that is still being sent.
    parts: Vec<Option<Part>>,
    /// Whether an earlier write failed or was dropped halfway.
    failed: bool,
}

impl BucketUpload {
    pub(crate) fn new(bucket: Arc<Bucket>, id: ArtifactId) -> Self {
        Self {
            part_bytes: part_size(bucket.config.part_bytes, None),
            bucket,
            id,
            expected: None,
            filling: PartBuffer::default(),
            total: 0,
            session: None,
            sending: JoinSet::new(),
            parts: Vec::new(),
            failed: false,
        }
    }

    /// Appends a chunk, and sends each part that it fills.
    async fn append(&mut self, mut bytes: Bytes) -> Result<()> {
        let total = self.total + bytes.len() as u64;
        if self.bucket.capabilities.is_cloud && total > MAX_OBJECT_BYTES {
            return Err(self.too_large("the providers accept no blob larger than 5 TiB".into()));
        }
        if total > self.part_bytes.saturating_mul(MAX_PARTS) {
            return Err(self.too_large(format!(
                "an upload has at most {MAX_PARTS} parts, here of {} bytes; declare the expected \
                 size before the first write, or configure larger parts",
                self.part_bytes
            )));
        }
        self.total = total;
        while !bytes.is_empty() {
            if self.filling.len() == self.part_bytes {
                self.send_part(Operation::Write).await?;
            }
            let room = self.part_bytes - self.filling.len();
            let fits = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.filling.push(&bytes.split_to(fits));
        }
        Ok(())
    }

    /// Sends the buffered part, once fewer than the maximum number of parts are being sent.
    async fn send_part(&mut self, operation: Operation) -> Result<()> {
        while self.sending.len() >= self.bucket.config.parallel_parts {
            self.wait_for_part(operation).await?;
        }
        let payload: PutPayload = self.filling.take();
        let number = self.parts.len();
        let session = if let Some(session) = &mut self.session {
            session
        } else {
            let session = self.begin(operation).await?;
            self.session.insert(session)
        };
        let put = session.put_part(number, payload);
        self.parts.push(None);
        self.sending.spawn(async move { (number, put.await) });
        Ok(())
    }

    async fn begin(&self, operation: Operation) -> Result<MultipartSession> {
        let creation = Creation {
            operation: Operation::Commit,
            id: Some(self.id),
            key: self.bucket.layout.blob(self.id),
            write_id: WriteId::new(),
            keeps_metadata: self.bucket.keeps_metadata(operation).await?,
        };
        MultipartSession::begin(&self.bucket, creation)
            .await
            .map_err(|error| error.into_error(operation, Some(self.id)))
    }

    /// Waits until one of the parts being sent has arrived, if there is any.
    async fn wait_for_part(&mut self, operation: Operation) -> Result<()> {
        let Some(sent) = self.sending.join_next().await else {
            return Ok(());
        };
        let (number, part) = sent.map_err(|error| self.task_failed(operation, error))?;
        let part = part.map_err(|error| error.into_error(operation, Some(self.id)))?;
        self.parts[number] = Some(part);
        Ok(())
    }

    fn error(&self, kind: ErrorKind, operation: Operation) -> Error {
        Error::new(kind, operation).with_id(self.id)
    }

    fn too_large(&self, detail: String) -> Error {
        self.error(ErrorKind::TooLarge, Operation::Write)
            .with_detail(detail)
    }

    fn task_failed(&self, operation: Operation, error: JoinError) -> Error {
        self.error(ErrorKind::Unexpected, operation)
            .with_detail("the task that sends the parts panicked or was cancelled")
            .with_source(error)
    }

    fn failed_before(&self, operation: Operation) -> Error {
        self.error(ErrorKind::Unexpected, operation)
            .with_detail("an earlier write of this upload failed; it can only be aborted")
    }

    async fn finish(&mut self) -> Result<()> {
        if self.session.is_none() {
            let payload = self.filling.take();
            return self
                .bucket
                .create_in_one_request(Operation::Commit, self.id, payload)
                .await;
        }
        if self.filling.len() > 0 {
            self.send_part(Operation::Commit).await?;
        }
        while !self.sending.is_empty() {
            self.wait_for_part(Operation::Commit).await?;
        }
        let parts = std::mem::take(&mut self.parts);
        let parts = parts.into_iter().flatten().collect();
        let session = self.session.take().expect("it is checked above");
        session.commit(parts).await
    }

    /// Cancels the parts being sent, then removes those that have arrived.
    async fn remove(
        mut sending: JoinSet<SentPart>,
        session: MultipartSession,
    ) -> Result<(), RequestError> {
        // Otherwise a part could arrive after the removal and stay.
        sending.shutdown().await;
        session.abort().await
    }
}

#[async_trait]
impl Upload for BucketUpload {
    fn expect_size(&mut self, bytes: u64) {
        if self.total == 0 {
            self.expected = Some(bytes);
            self.part_bytes = part_size(self.bucket.config.part_bytes, self.expected);
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.failed {
            return Err(self.failed_before(Operation::Write));
        }
        // Stays set if this future is dropped before it is done.
        self.failed = true;
        self.append(bytes).await?;
        self.failed = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.failed {
            return Err(self.failed_before(Operation::Commit));
        }
        let id = self.id;
        // Runs in a task of its own: if the caller drops this future, the task still finds out the
        // outcome and removes the leftovers.
        let cleanup = self.bucket.cleanup.clone();
        let committing = cleanup.run(async move { self.finish().await });
        committing.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Ambiguous, Operation::Commit)
                .with_id(id)
                .with_detail("the task that commits panicked or was cancelled")
                .with_source(error))
        })
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        let sending = std::mem::take(&mut self.sending);
        let cleanup = self.bucket.cleanup.clone();
        match cleanup.run(Self::remove(sending, session)).await {
            Ok(removed) => {
                removed.map_err(|error| error.into_error(Operation::Abort, Some(self.id)))
            }
            Err(error) => Err(self.task_failed(Operation::Abort, error)),
        }
    }
}

impl Drop for BucketUpload {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let sending = std::mem::take(&mut self.sending);
        self.bucket.cleanup.spawn(async move {
            if let Err(error) = Self::remove(sending, session).await {
                warn_left_behind(&error);
            }
        });
    }
}
