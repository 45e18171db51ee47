//! A blob that arrives in pieces.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::PutPayload;
use tokio::task::{JoinError, JoinSet};

use crate::core::Core;
use crate::create::Creation;
use crate::mark::WriteId;
use crate::multipart::{self, Part, Session};
use crate::part_buffer::PartBuffer;
use crate::part_size::{MAX_OBJECT, MAX_PARTS, part_size};
use crate::trouble::Trouble;

type Sent = (usize, Result<Part, Trouble>);

/// Bytes on their way. Up to one part nothing is sent before the commit, which is then one request.
#[derive(Debug)]
pub(crate) struct CloudUpload {
    core: Arc<Core>,
    id: ArtifactId,
    expected: Option<u64>,
    /// The size of each part but the last.
    part_bytes: u64,
    filling: PartBuffer,
    /// Bytes taken in all.
    total: u64,
    session: Option<Session>,
    sending: JoinSet<Sent>,
    /// The parts by number; `None` outside for one that is on its way.
    parts: Vec<Option<Part>>,
    spoilt: bool,
}

impl CloudUpload {
    pub(crate) fn new(core: Arc<Core>, id: ArtifactId) -> Self {
        Self {
            part_bytes: part_size(core.config.part_bytes, None),
            core,
            id,
            expected: None,
            filling: PartBuffer::default(),
            total: 0,
            session: None,
            sending: JoinSet::new(),
            parts: Vec::new(),
            spoilt: false,
        }
    }

    async fn take(&mut self, mut bytes: Bytes) -> Result<()> {
        let too_large = |detail: String| {
            Error::new(ErrorKind::TooLarge, Operation::Write)
                .with_id(self.id)
                .with_detail(detail)
        };
        let length = bytes.len() as u64;
        if self.core.traits.is_cloud && self.total + length > MAX_OBJECT {
            return Err(too_large(
                "the providers take no blob of more than 5 TiB".into(),
            ));
        }
        if self.total + length > self.part_bytes.saturating_mul(MAX_PARTS) {
            return Err(too_large(format!(
                "an upload has at most {MAX_PARTS} parts, of {} bytes here; say its size before, or \
                 configure larger parts",
                self.part_bytes
            )));
        }
        self.total += length;
        while !bytes.is_empty() {
            if self.filling.len() == self.part_bytes {
                self.send(Operation::Write).await?;
            }
            let room = self.part_bytes - self.filling.len();
            let fits = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.filling.push(&bytes.split_to(fits));
        }
        Ok(())
    }

    /// Sends the part that has filled, once fewer than the most are on their way.
    async fn send(&mut self, operation: Operation) -> Result<()> {
        while self.sending.len() >= self.core.config.parallel_parts.max(1) {
            self.await_one(operation).await?;
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

    async fn begin(&self, operation: Operation) -> Result<Session> {
        let creation = Creation {
            operation: Operation::Commit,
            id: self.id,
            key: self.core.layout.blob(self.id),
            write_id: WriteId::new(),
            marks: self.core.keeps_marks(operation).await?,
        };
        Session::begin(&self.core, creation)
            .await
            .map_err(|trouble| trouble.into_error(operation, Some(self.id)))
    }

    /// Waits for one part to arrive, if any is on its way.
    async fn await_one(&mut self, operation: Operation) -> Result<()> {
        let Some(sent) = self.sending.join_next().await else {
            return Ok(());
        };
        let (number, part) = sent.map_err(|died| self.died(operation, died))?;
        let part = part.map_err(|trouble| trouble.into_error(operation, Some(self.id)))?;
        self.parts[number] = Some(part);
        Ok(())
    }

    fn died(&self, operation: Operation, died: JoinError) -> Error {
        Error::new(ErrorKind::Unexpected, operation)
            .with_id(self.id)
            .with_detail("the task that sent a part ended before its time")
            .with_source(died)
    }

    fn spoilt_error(&self, operation: Operation) -> Error {
        Error::new(ErrorKind::Unexpected, operation)
            .with_id(self.id)
            .with_detail("an earlier write of this upload failed; only abort is left")
    }

    async fn finish(&mut self) -> Result<()> {
        if self.session.is_none() {
            let payload = self.filling.take();
            return self
                .core
                .create_whole(Operation::Commit, self.id, payload)
                .await;
        }
        if self.filling.len() > 0 {
            self.send(Operation::Commit).await?;
        }
        while !self.sending.is_empty() {
            self.await_one(Operation::Commit).await?;
        }
        let parts = std::mem::take(&mut self.parts);
        let parts = parts.into_iter().flatten().collect();
        let session = self.session.take().expect("looked at above");
        session.commit(parts).await
    }

    /// Ends the parts on their way, then removes what has arrived.
    async fn remove(mut sending: JoinSet<Sent>, session: Session) -> Result<(), Trouble> {
        // Otherwise a part could arrive after the removal, and stay.
        sending.shutdown().await;
        session.abort().await
    }
}

#[async_trait]
impl Upload for CloudUpload {
    fn expect_size(&mut self, bytes: u64) {
        if self.total == 0 {
            self.expected = Some(bytes);
            self.part_bytes = part_size(self.core.config.part_bytes, self.expected);
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.spoilt {
            return Err(self.spoilt_error(Operation::Write));
        }
        // Also where this future is dropped before it is done.
        self.spoilt = true;
        self.take(bytes).await?;
        self.spoilt = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.spoilt {
            return Err(self.spoilt_error(Operation::Commit));
        }
        let id = self.id;
        // In a task of its own: where the caller goes away in the middle of it, somebody must still
        // find out what became of it, and remove what is left.
        let cleanup = self.core.cleanup.clone();
        let committing = cleanup.run(async move { self.finish().await });
        committing.await.unwrap_or_else(|died| {
            Err(Error::new(ErrorKind::Ambiguous, Operation::Commit)
                .with_id(id)
                .with_detail("the task that commits ended before its time")
                .with_source(died))
        })
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        let sending = std::mem::take(&mut self.sending);
        let cleanup = self.core.cleanup.clone();
        let (id, abort) = (self.id, Operation::Abort);
        match cleanup.run(Self::remove(sending, session)).await {
            Ok(removed) => removed.map_err(|trouble| trouble.into_error(abort, Some(id))),
            Err(died) => Err(self.died(abort, died)),
        }
    }
}

impl Drop for CloudUpload {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let sending = std::mem::take(&mut self.sending);
        self.core.cleanup.spawn(async move {
            if let Err(trouble) = Self::remove(sending, session).await {
                multipart::left(&trouble);
            }
        });
    }
}
