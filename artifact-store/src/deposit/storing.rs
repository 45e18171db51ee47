//! Where a deposit stores its bytes, with its row as their note if the store writes rows as notes.

use std::sync::Arc;

use artifact_backend::{ArtifactId, NotedBackend, Sha256Digest};
use bytes::Bytes;
use futures_util::future::join;
use jiff::Timestamp;

use super::check_digest;
use super::state::{State, unusable};
use crate::digests::ChunkDigests;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::fresh_id::with_fresh_id;
use crate::hasher::{Digests, Hasher};
use crate::idempotency::expiry;
use crate::new_artifact::NewArtifact;
use crate::row::Row;
use crate::row_notes::{OpenDeposit, RowNotes, encode};
use crate::shared::Shared;
use crate::streaming::Streaming;
use crate::time::truncate_to_micros;

/// The bytes of a deposit are durable.
pub(super) struct Stored {
    pub(super) row: Row,
    pub(super) chunks: Option<ChunkDigests>,
    /// Set if the row is durable too, as the note of the bytes.
    pub(super) open: Option<OpenDeposit>,
}

/// What the bytes of a deposit are stored with. A deposit itself cannot be shared by reference, because an upload cannot.
pub(super) struct Storing<'d> {
    pub(super) shared: &'d Shared,
    pub(super) new: &'d NewArtifact,
    /// The number of bytes.
    pub(super) size: u64,
}

impl Storing<'_> {
    /// Makes the bytes durable.
    pub(super) async fn store(&self, state: State) -> Result<Stored> {
        match state {
            State::Collecting(collected) => {
                let bytes = collected.freeze();
                if let Some((noted, notes)) = noted(self.shared, self.new).await? {
                    // In a box, so that the future of a deposit without notes is no larger.
                    let stored = Box::pin(self.store_noted(&*noted, notes, bytes.clone()));
                    match stored.await {
                        Err(error) if error.kind() == ErrorKind::Unsupported => {}
                        stored => return stored,
                    }
                }
                let (id, digests) = store_whole(self.shared, bytes, self.new.sha256).await?;
                self.stored(id, digests)
            }
            State::Streaming(streaming) if streaming.is_noted() => {
                Box::pin(self.commit_noted(*streaming)).await
            }
            State::Streaming(streaming) => {
                let (id, digests) = streaming.commit(self.new.sha256).await?;
                self.stored(id, digests)
            }
            State::Repeated(_) | State::Unusable => Err(unusable()),
        }
    }

    fn stored(&self, id: ArtifactId, digests: Digests) -> Result<Stored> {
        let row = self.row().map_err(|error| error.with_id(id))?;
        Ok(Stored {
            row: Row {
                id,
                sha256: digests.sha256,
                ..row
            },
            chunks: digests.chunks,
            open: None,
        })
    }

    /// Stores a small artifact with its row as a note. The row has the digest, so the bytes are hashed before.
    async fn store_noted(
        &self,
        backend: &dyn NotedBackend,
        notes: &RowNotes,
        bytes: Bytes,
    ) -> Result<Stored> {
        let hashed = Hasher::of_size(bytes.len() as u64).update(bytes.clone());
        let digests = hashed.await?.finish();
        check_digest(digests.sha256, self.new.sha256)?;
        let row = Row {
            sha256: digests.sha256,
            ..self.row()?
        };
        let open = notes.begin();
        // The note does not have the id, so it is the same for each that is tried.
        let note = encode(&row, self.new.idempotency_key.as_ref());
        let stored = with_fresh_id(|id| backend.store_noted(id, bytes.clone(), note.clone()));
        let (id, ()) = stored.await?;
        Ok(Stored {
            row: Row { id, ..row },
            chunks: digests.chunks,
            open: Some(open),
        })
    }

    /// Ends the upload of a larger artifact with its row as a note.
    async fn commit_noted(&self, streaming: Streaming) -> Result<Stored> {
        let row = match self.row() {
            Ok(row) => row,
            Err(error) => return Err(streaming.abort_after(error).await),
        };
        let Some(notes) = self.shared.row_notes.get() else {
            return Err(streaming.abort_after(unusable()).await);
        };
        let open = notes.begin();
        let note = |_, sha256| {
            let row = row.clone();
            let key = self.new.idempotency_key.as_ref();
            Some(encode(&Row { sha256, ..row }, key))
        };
        let (id, digests) = streaming.commit_with(self.new.sha256, note).await?;
        Ok(Stored {
            row: Row {
                id,
                sha256: digests.sha256,
                ..row
            },
            chunks: digests.chunks,
            open: Some(open),
        })
    }

    /// Returns the row of the deposit, created now. Its id and its digest are not known yet.
    fn row(&self) -> Result<Row> {
        let created_at = truncate_to_micros(now(self.shared)?);
        let NewArtifact {
            experiment,
            created_by,
            content_type,
            file_name,
            size_hint: _,
            least_size: _,
            sha256: _,
            expires_in,
            idempotency_key: _,
            place: _,
        } = self.new;
        let (experiment, created_by) = (experiment.clone(), created_by.clone());
        let (id, sha256) = (
            ArtifactId::from_bytes([0; 16]),
            Sha256Digest::from_bytes([0; 32]),
        );
        let row = Row::new(id, experiment, created_by, self.size, sha256, created_at);
        Ok(row
            .with_content_type(content_type.clone())
            .with_file_name(file_name.clone())
            .with_expires_at(expiry(created_at, *expires_in)))
    }
}

fn now(shared: &Shared) -> Result<Timestamp> {
    Timestamp::try_from(shared.config.clock.now()).map_err(|error| {
        Error::new(ErrorKind::Misconfigured, Operation::Deposit)
            .with_detail("the system clock is thousands of years off; set it")
            .with_source(error)
    })
}

/// Returns the backend for blobs with notes, if the row of this deposit is to be one. A row that the database will refuse, because its
/// experiment does not exist, becomes no note, which would make the experiment.
async fn noted<'s>(
    shared: &'s Shared,
    new: &NewArtifact,
) -> Result<Option<(Arc<dyn NotedBackend>, &'s RowNotes)>> {
    let Some(noted) = shared.noted() else {
        return Ok(None);
    };
    let exists = shared.experiment(&new.experiment).await?.is_some();
    Ok(exists.then_some(noted))
}

/// Begins to store an artifact that is too large to be stored in one call.
pub(super) async fn begin_streaming(
    shared: &Shared,
    new: &NewArtifact,
    expected: Option<u64>,
) -> Result<Streaming> {
    if let Some((noted, _)) = noted(shared, new).await? {
        match Streaming::begin_noted(&*noted, expected).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            begun => return begun,
        }
    }
    Streaming::begin(&*shared.backend, expected).await
}

/// Stores a small artifact, and hashes it at the same time, or before if the digest is expected.
pub(crate) async fn store_whole(
    shared: &Shared,
    bytes: Bytes,
    expected: Option<Sha256Digest>,
) -> Result<(ArtifactId, Digests)> {
    let empty = Hasher::of_size(bytes.len() as u64);
    if expected.is_some() {
        let digests = empty.update(bytes.clone()).await?.finish();
        check_digest(digests.sha256, expected)?;
        let (id, ()) = with_fresh_id(|id| shared.backend.store(id, bytes.clone())).await?;
        return Ok((id, digests));
    }
    let (hashed, stored) = join(
        empty.update(bytes.clone()),
        with_fresh_id(|id| shared.backend.store(id, bytes.clone())),
    )
    .await;
    let (id, ()) = stored?;
    Ok((id, hashed?.finish()))
}
