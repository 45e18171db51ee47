//! The bytes of one append.

use std::mem;
use std::sync::Arc;

use artifact_backend::{ArtifactId, Sha256Digest};
use bytes::{Bytes, BytesMut};

use super::{UploadPart, UploadSession, Uploads, fail, not_found, offset_mismatch};
use crate::deposit::{store_whole, within};
use crate::error::{Error, ErrorKind, Result};
use crate::streaming::Streaming;
use crate::time::Deadline;

/// How many parts a session may have, besides one for each full part. Clients that send a file byte by byte reach it.
const MAX_SMALL_PARTS: u64 = 10_000;

/// An append in progress: [`write`](Self::write) the bytes, then [`finish`](Self::finish).
///
/// Each time a part is full, it is made durable and recorded. `finish` does that with the rest. Call it also if the
/// connection of the client breaks: what has arrived by then need not be sent again.
///
/// An append that is dropped loses the bytes since its last part, nothing else. The same holds for a dropped future of its
/// methods. After an error other than `TooLarge` and `LengthMismatch`, every later call fails with
/// [`Unexpected`](ErrorKind::Unexpected).
///
/// A caller that has to verify the bytes before any of them counts calls [`hold`](Self::hold) first.
///
/// Memory: as that of a [`Deposit`](crate::Deposit).
#[derive(Debug)]
#[must_use = "a dropped append loses the bytes of its last part; call finish"]
pub struct Append {
    uploads: Uploads,
    session: UploadSession,
    part: Part,
    /// The parts that are stored and not recorded, in order. `None` if each part is recorded at once.
    held: Option<Vec<HeldPart>>,
}

/// A part whose blob is durable and whose record is not written yet.
#[derive(Debug)]
struct HeldPart {
    part: UploadPart,
    deadline: Deadline,
}

/// The part that is being received.
#[derive(Debug)]
struct Part {
    size: u64,
    bytes: PartBytes,
    /// Half the grace period after its first byte.
    deadline: Option<Deadline>,
}

#[derive(Debug)]
enum PartBytes {
    Collecting(BytesMut),
    Streaming(Box<Streaming>),
    /// A call failed, was dropped, or is running.
    Unusable,
}

impl Append {
    pub(super) fn begin(uploads: Uploads, session: UploadSession) -> Self {
        Self {
            uploads,
            session,
            part: Part::empty(),
            held: None,
        }
    }

    /// Records no part before [`finish`](Self::finish): until then, nothing of this append counts. Call it before the first
    /// [`write`](Self::write), and end the append by `finish` if the bytes are right, otherwise by [`discard`](Self::discard).
    ///
    /// Full parts are stored as before, so this takes no more memory. All of them have to be recorded within half of the
    /// [grace period](crate::StoreConfig::with_grace_period) after the first byte: a longer append fails with `Unavailable`. If
    /// the append is dropped or the process crashes, a collector removes the bytes.
    #[must_use = "returns the changed append"]
    pub fn hold(mut self) -> Self {
        self.held.get_or_insert_default();
        self
    }

    /// Ends the append, and keeps nothing of it that is not recorded: for an append on [hold](Self::hold), nothing at all. The
    /// session stays as it is. A blob that cannot be deleted now is deleted by a collector later, and so are those that a
    /// dropped future leaves.
    pub async fn discard(mut self) {
        for held in self.held.take().into_iter().flatten() {
            discard(&self.uploads, held.part.id).await;
        }
    }

    /// Returns the session as it was recorded last.
    pub fn session(&self) -> &UploadSession {
        &self.session
    }

    /// Returns the number of bytes that the session has with those that were written here, recorded or not.
    pub fn offset(&self) -> u64 {
        // The sum is far below u64::MAX: it is within the size limit, which a database can hold.
        self.part_offset().saturating_add(self.part.size)
    }

    /// Returns where the part begins that is being received.
    fn part_offset(&self) -> u64 {
        let last = self.held.as_ref().and_then(|held| held.last());
        last.map_or(self.session.offset, |HeldPart { part, .. }| {
            part.offset.saturating_add(part.size)
        })
    }

    /// Appends a chunk of any length.
    ///
    /// # Errors
    ///
    /// - `TooLarge` if the file would exceed the size limit, and `LengthMismatch` if it would exceed its declared length or
    ///   the upload is complete. Nothing of the chunk is taken then; the bytes before it can still be finished.
    /// - `OffsetMismatch` if another append was faster, `NotFound` if the session is over.
    /// - `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.check_size(bytes.len() as u64)?;
        self.check_free_space().await?;
        while !bytes.is_empty() {
            let room = self.uploads.options.part_bytes - self.part.size;
            let taken = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            let chunk = bytes.split_to(taken);
            let limit = self.uploads.managed.store().config().commit_timeout;
            within(limit, self.write_chunk(chunk)).await?;
            if self.part.size == self.uploads.options.part_bytes {
                self.record().await?;
            }
        }
        Ok(())
    }

    /// Makes the bytes of the last part durable and returns the session. Without bytes it only returns the session. The parts of
    /// an append on [hold](Self::hold) are recorded now, one after the other; if one fails, those before it count.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). After `Unavailable`, the last part may be recorded or not: [`find`](super::Uploads::find)
    /// tells.
    pub async fn finish(mut self) -> Result<UploadSession> {
        if self.part.size > 0 || matches!(self.part.bytes, PartBytes::Unusable) {
            self.record().await?;
        }
        let limit = self.uploads.managed.store().config().commit_timeout;
        let mut held = self.held.take().unwrap_or_default().into_iter();
        while let Some(next) = held.next() {
            if let Err(error) = within(limit, self.record_stored(next)).await {
                self.held = Some(held.collect());
                self.discard().await;
                return Err(error);
            }
        }
        Ok(self.session)
    }

    /// Fails below the minimum of free space. The bytes since the last part are lost then.
    async fn check_free_space(&mut self) -> Result<()> {
        let store = self.uploads.managed.store();
        let checked = store.shared().check_free_space().await;
        if checked.is_err() {
            self.part.bytes = PartBytes::Unusable;
        }
        checked
    }

    fn check_size(&self, more: u64) -> Result<()> {
        if more == 0 {
            return Ok(());
        }
        let size = self.offset().saturating_add(more);
        if self.session.artifact.is_some() {
            return Err(fail(ErrorKind::LengthMismatch).with_detail("the upload is complete"));
        }
        if self.session.length.is_some_and(|length| size > length) {
            return Err(fail(ErrorKind::LengthMismatch)
                .with_detail("the content is longer than the declared length of the upload"));
        }
        self.uploads.check_size(size)?;
        let full = self.part_offset() / self.uploads.options.part_bytes;
        let held = self.held.as_ref().map_or(0, Vec::len) as u64;
        if self.session.parts.saturating_add(held) >= full.saturating_add(MAX_SMALL_PARTS) {
            return Err(fail(ErrorKind::LimitReached).with_detail(
                "the upload has too many small parts; send more bytes in each request, or begin again",
            ));
        }
        Ok(())
    }

    async fn write_chunk(&mut self, chunk: Bytes) -> Result<()> {
        let shared = self.uploads.managed.store().shared();
        let deadline = self.part.deadline.get_or_insert_with(|| {
            let config = &shared.config;
            Deadline::after(config.grace_period / 2, Arc::clone(&config.clock))
                .for_placement(self.uploads.epoch())
        });
        if deadline.has_passed() {
            return Err(too_slow());
        }
        let small = shared.config.small_deposit_bytes;
        let added = chunk.len();
        self.part.bytes = match mem::replace(&mut self.part.bytes, PartBytes::Unusable) {
            PartBytes::Collecting(mut collected) if collected.len() + added <= small => {
                collected.extend_from_slice(&chunk);
                PartBytes::Collecting(collected)
            }
            PartBytes::Collecting(collected) => {
                let mut streaming = Streaming::begin(&*shared.backend, None).await?;
                if !collected.is_empty() {
                    streaming = streaming.write(collected.freeze()).await?;
                }
                PartBytes::Streaming(Box::new(streaming.write(chunk).await?))
            }
            PartBytes::Streaming(streaming) => {
                PartBytes::Streaming(Box::new(streaming.write(chunk).await?))
            }
            PartBytes::Unusable => return Err(unusable()),
        };
        self.part.size += added as u64;
        Ok(())
    }

    /// Makes the part durable, and records it.
    async fn record(&mut self) -> Result<()> {
        let limit = self.uploads.managed.store().config().commit_timeout;
        within(limit, self.store_and_record()).await
    }

    async fn store_and_record(&mut self) -> Result<()> {
        let bytes = mem::replace(&mut self.part.bytes, PartBytes::Unusable);
        let (id, sha256) = store(&self.uploads, bytes).await?;
        let Some(deadline) = self.part.deadline.take() else {
            return Err(unusable());
        };
        let part = UploadPart::new(id, self.part_offset(), self.part.size, sha256);
        let stored = HeldPart { part, deadline };
        match &mut self.held {
            Some(held) => held.push(stored),
            None => self.record_stored(stored).await?,
        }
        self.part = Part::empty();
        Ok(())
    }

    async fn record_stored(&mut self, stored: HeldPart) -> Result<()> {
        let HeldPart { part, deadline } = stored;
        if deadline.has_passed() {
            discard(&self.uploads, part.id).await;
            return Err(too_slow());
        }
        let (upload, lifetime) = (self.session.id, self.uploads.options.lifetime);
        let catalog = self.uploads.managed.catalog();
        if !catalog
            .append_part(upload, &part, lifetime, &deadline)
            .await?
        {
            discard(&self.uploads, part.id).await;
            return Err(refusal(&self.uploads, &self.session).await);
        }
        // Read again, because the time of expiry has changed.
        self.session = self.uploads.stored(upload).await?;
        if self.session.offset != part.offset.saturating_add(part.size) {
            return Err(offset_mismatch(self.session.offset));
        }
        Ok(())
    }
}

async fn store(uploads: &Uploads, bytes: PartBytes) -> Result<(ArtifactId, Sha256Digest)> {
    let (id, digests) = match bytes {
        PartBytes::Collecting(collected) => {
            let shared = uploads.managed.store().shared();
            store_whole(shared, collected.freeze(), None).await?
        }
        PartBytes::Streaming(streaming) => streaming.commit(None).await?,
        PartBytes::Unusable => return Err(unusable()),
    };
    Ok((id, digests.sha256))
}

/// Returns why the part was not recorded.
async fn refusal(uploads: &Uploads, known: &UploadSession) -> Error {
    let session = match uploads.stored(known.id).await {
        Ok(session) => session,
        Err(error) if error.kind() == ErrorKind::NotFound => return not_found(),
        Err(error) => return error,
    };
    if session.offset != known.offset {
        return offset_mismatch(session.offset);
    }
    if session.artifact.is_some() || session.length != known.length {
        return fail(ErrorKind::LengthMismatch)
            .with_detail("another request has declared the length of the upload meanwhile");
    }
    fail(ErrorKind::Unavailable).with_detail(
        "the bytes were collected, or stored in a backend that the store has left; repeat the append",
    )
}

/// Deletes the blob of a part that was not recorded. It has an id that nothing else knows.
async fn discard(uploads: &Uploads, id: ArtifactId) {
    if let Err(error) = uploads.managed.backend().delete(id).await {
        tracing::warn!(
            %id,
            error = &error as &dyn std::error::Error,
            "the bytes of a refused append could not be deleted; a collector deletes them later"
        );
    }
}

impl Part {
    fn empty() -> Self {
        Self {
            size: 0,
            bytes: PartBytes::Collecting(BytesMut::new()),
            deadline: None,
        }
    }
}

fn too_slow() -> Error {
    fail(ErrorKind::Unavailable)
        .with_detail("a part of the upload took longer than half of the grace period for orphans")
}

fn unusable() -> Error {
    fail(ErrorKind::Unexpected)
        .with_detail("an earlier call on this append failed or was dropped; begin a new append")
}
