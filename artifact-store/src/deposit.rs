//! A deposit: first the bytes, then the row.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactId, Sha256Digest};
use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::content_type::ContentType;
use crate::database::Rejected;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::file_name::FileName;
use crate::fresh_id::with_fresh_id;
use crate::hasher::{Digests, Hasher};
use crate::placement::PlacedBackend;
use crate::principal::Principal;
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::shared::Shared;
use crate::streaming::Streaming;
use crate::time::Deadline;

/// A description of an artifact to deposit.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    experiment: ExperimentId,
    created_by: PrincipalId,
    content_type: ContentType,
    file_name: Option<FileName>,
    size_hint: Option<u64>,
    sha256: Option<Sha256Digest>,
    expires_in: Option<Duration>,
}

impl NewArtifact {
    /// Describes an artifact that `depositor` deposits in `experiment`, with the default content
    /// type.
    pub fn new(experiment: ExperimentId, depositor: &Principal) -> Self {
        Self {
            experiment,
            created_by: depositor.id(),
            content_type: ContentType::default(),
            file_name: None,
            size_hint: None,
            sha256: None,
            expires_in: None,
        }
    }

    /// Sets the declared content type.
    #[must_use = "returns the changed value"]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// Sets the declared file name, or removes it.
    #[must_use = "returns the changed value"]
    pub fn with_file_name(mut self, file_name: impl Into<Option<FileName>>) -> Self {
        self.file_name = file_name.into();
        self
    }

    /// Sets the expected size in bytes, or removes it.
    ///
    /// It only decides how the bytes are stored. A deposit may be smaller or larger than its hint,
    /// and a hint above the size limit is no error by itself.
    #[must_use = "returns the changed value"]
    pub fn with_size_hint(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.size_hint = bytes.into();
        self
    }

    /// Sets the SHA-256 that the bytes must have, or removes it. A deposit of other bytes fails with
    /// [`DigestMismatch`](ErrorKind::DigestMismatch) before anything of it is visible. The check costs
    /// nothing: every deposit is hashed.
    #[must_use = "returns the changed value"]
    pub fn with_sha256(mut self, sha256: impl Into<Option<Sha256Digest>>) -> Self {
        self.sha256 = sha256.into();
        self
    }

    /// Sets how long the artifact is kept after its creation, or removes the limit. Without it, the
    /// [retention](crate::ManagedStore::set_retention) of the experiment decides.
    ///
    /// It becomes the row's [`expires_at`](Row::expires_at), which never changes. An expired artifact can still be
    /// read until a collector removes it.
    #[must_use = "returns the changed value"]
    pub fn with_expires_in(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.expires_in = period.into();
        self
    }
}

/// A deposit in progress: [`write`](Self::write) the bytes, then [`finish`](Self::finish).
///
/// The artifact is invisible until `finish` returns. The deposit, or the future of any of its
/// methods, may be dropped at any moment. That leaves nothing, or bytes without a row (an orphan,
/// which is collected later), or, if `finish` was writing the row, the whole artifact. It never
/// leaves a row without bytes.
///
/// Up to [`small_deposit_bytes`](crate::StoreConfig::with_small_deposit_bytes) are collected in
/// memory, in a buffer of at most twice that size. Beyond that, the bytes stream to the backend, and
/// a deposit holds at most two buffers of 256 KiB and 256 KiB of digests besides the chunk passed to `write`.
///
/// After an error, and after a dropped `write`, the deposit is unusable: every later call fails with
/// [`Unexpected`](ErrorKind::Unexpected), except [`abort`](Self::abort).
#[derive(Debug)]
#[must_use = "a dropped deposit stores nothing; call finish"]
pub struct Deposit {
    shared: Arc<Shared>,
    new: NewArtifact,
    /// Half the grace period after the beginning. The blob is no older than the deposit.
    deadline: Deadline,
    size: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Collecting(BytesMut),
    Streaming(Box<Streaming>),
    /// A call failed, was dropped, or is running.
    Unusable,
}

impl Deposit {
    pub(crate) fn begin(shared: Arc<Shared>, new: NewArtifact) -> Self {
        let config = &shared.config;
        // The epoch is read before any byte is stored: the bytes are then where this placement says, or a later one.
        let epoch = shared.placed.as_ref().map_or(0, PlacedBackend::epoch);
        let deadline = Deadline::after(config.grace_period / 2, Arc::clone(&config.clock))
            .for_placement(epoch);
        let expected = new
            .size_hint
            .unwrap_or(0)
            .min(shared.config.max_artifact_bytes);
        let collected = match usize::try_from(expected) {
            Ok(bytes) if bytes <= shared.config.small_deposit_bytes => {
                BytesMut::with_capacity(bytes)
            }
            _ => BytesMut::new(),
        };
        Self {
            shared,
            new,
            deadline,
            size: 0,
            state: State::Collecting(collected),
        }
    }

    /// Returns the number of bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a chunk of any length.
    ///
    /// # Errors
    ///
    /// `TooLarge` as soon as the size limit is exceeded; the bytes are removed, or swept later if
    /// that fails. `Unavailable` if the deposit takes longer than half the
    /// [grace period](crate::StoreConfig::with_grace_period), or if the backend is unavailable or takes
    /// longer than the [commit time-out](crate::StoreConfig::with_commit_timeout).
    /// `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let limit = self.shared.config.commit_timeout;
        within(limit, self.write_chunk(bytes)).await
    }

    async fn write_chunk(&mut self, bytes: Bytes) -> Result<()> {
        let state = mem::replace(&mut self.state, State::Unusable);
        // The length of a buffer in memory is far below u64::MAX.
        let size = self.size.saturating_add(bytes.len() as u64);
        let limit = self.shared.config.max_artifact_bytes;
        if size > limit {
            let error = Error::new(ErrorKind::TooLarge, Operation::Deposit)
                .with_detail(format!("an artifact has at most {limit} bytes here"));
            return Err(state.abort_after(error).await);
        }
        if let Err(error) = self.check_age() {
            return Err(state.abort_after(error).await);
        }
        self.state = match state {
            State::Collecting(mut collected) if self.is_small(collected.len() + bytes.len()) => {
                collected.extend_from_slice(&bytes);
                State::Collecting(collected)
            }
            State::Collecting(collected) => {
                let expected = self.new.size_hint.map(|hint| hint.clamp(size, limit));
                let mut streaming = Streaming::begin(&*self.shared.backend, expected).await?;
                if !collected.is_empty() {
                    streaming = streaming.write(collected.freeze()).await?;
                }
                State::Streaming(Box::new(streaming.write(bytes).await?))
            }
            State::Streaming(streaming) => {
                State::Streaming(Box::new(streaming.write(bytes).await?))
            }
            State::Unusable => return Err(unusable()),
        };
        self.size = size;
        Ok(())
    }

    /// Makes the bytes durable, then writes the row. When this returns, both are durable.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the deposit took longer than half the grace period, if its bytes were collected
    /// because it stood still for longer than that, if they are in a backend that the store has left meanwhile, if the backend or the catalog is unavailable, if both together take
    /// longer than the
    /// [commit time-out](crate::StoreConfig::with_commit_timeout), or if the outcome is unknown.
    /// `NotFound` if the experiment does not exist. `DigestMismatch` if the bytes do not have the
    /// [expected SHA-256](NewArtifact::with_sha256); nothing is left then. `OutOfSpace` and the kinds
    /// that an operator must resolve.
    ///
    /// After another error, nothing or an orphan is left. The exception is `Unavailable` from the
    /// catalog or after the time-out: the artifact may then be recorded, under an id that no client
    /// knows. In all these cases, repeat the deposit.
    pub async fn finish(self) -> Result<Arc<Row>> {
        within(self.shared.config.commit_timeout, self.commit()).await
    }

    async fn commit(mut self) -> Result<Arc<Row>> {
        let state = mem::replace(&mut self.state, State::Unusable);
        if let Err(error) = self.check_age() {
            return Err(state.abort_after(error).await);
        }
        let (id, digests) = match state {
            State::Collecting(collected) => {
                store_whole(&self.shared, collected.freeze(), self.new.sha256).await?
            }
            State::Streaming(streaming) => streaming.commit(self.new.sha256).await?,
            State::Unusable => return Err(unusable()),
        };
        // A collector deletes a blob without a row once it is as old as the grace period. The row is
        // not begun after half of that; the other half is for its transaction.
        self.check_age().map_err(|error| error.with_id(id))?;

        let created_at = self.now(id)?;
        let NewArtifact {
            experiment,
            created_by,
            content_type,
            file_name,
            size_hint: _,
            sha256: _,
            expires_in,
        } = self.new;
        let sha256 = digests.sha256;
        let row = Row::new(id, experiment, created_by, self.size, sha256, created_at)
            .with_content_type(content_type)
            .with_file_name(file_name)
            .with_expires_at(expires_in.map(|period| time_after(created_at, period)));
        let (catalog, chunks) = (&self.shared.catalog, digests.chunks.as_ref());
        let inserted = catalog.insert_with(&row, chunks, Some(&self.deadline));
        if let Err(error) = inserted.await {
            follow_placement(&self.shared, &error).await;
            return Err(without_taken_id(error));
        }
        Ok(Arc::new(row))
    }

    /// Aborts the deposit and waits until its bytes are removed. Dropping it does the same without
    /// waiting.
    ///
    /// # Errors
    ///
    /// If the bytes could not be removed; they are then swept later.
    pub async fn abort(mut self) -> Result<()> {
        match mem::replace(&mut self.state, State::Unusable) {
            State::Streaming(streaming) => streaming.abort().await,
            State::Collecting(_) | State::Unusable => Ok(()),
        }
    }

    /// Returns whether `bytes` bytes, and the size hint, are small enough to be stored in one call.
    fn is_small(&self, bytes: usize) -> bool {
        let small = self.shared.config.small_deposit_bytes;
        bytes <= small && self.new.size_hint.is_none_or(|hint| hint <= small as u64)
    }

    /// Fails once half the grace period has passed since the deposit began.
    fn check_age(&self) -> Result<()> {
        if !self.deadline.has_passed() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, Operation::Deposit)
            .with_detail("the deposit took longer than half of the grace period for orphans"))
    }

    fn now(&self, id: ArtifactId) -> Result<Timestamp> {
        Timestamp::try_from(self.shared.config.clock.now()).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Deposit)
                .with_id(id)
                .with_detail("the system clock is thousands of years off; set it")
                .with_source(error)
        })
    }
}

/// Looks for a new placement after a row was refused, so that the repeated deposit goes to the right backend.
async fn follow_placement(shared: &Shared, error: &Error) {
    if let Some(placed) = &shared.placed
        && Rejected::LEFT_BACKEND.caused(error)
    {
        // It logs its failure. The deposit has failed anyway.
        let _ = placed.refresh().await;
    }
}

/// Returns the time after a period. A time that no timestamp can express becomes the last one that can be expressed: it
/// never comes.
fn time_after(time: Timestamp, period: Duration) -> Timestamp {
    time.checked_add(period).unwrap_or(Timestamp::MAX)
}

/// Stores a small artifact, and hashes it at the same time, or before if the digest is expected.
async fn store_whole(
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

/// Compares the digest of the bytes with the expected digest, if there is one.
pub(crate) fn check_digest(actual: Sha256Digest, expected: Option<Sha256Digest>) -> Result<()> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Error::new(ErrorKind::DigestMismatch, Operation::Deposit)
                .with_detail(format!("expected SHA-256 {expected}, received {actual}")))
        }
        _ => Ok(()),
    }
}

impl State {
    async fn abort_after(self, cause: Error) -> Error {
        match self {
            Self::Streaming(streaming) => streaming.abort_after(cause).await,
            Self::Collecting(_) => cause,
            Self::Unusable => unusable(),
        }
    }
}

/// Runs a step of a deposit. Drops it if it takes longer than the limit, if there is one.
async fn within<T>(limit: Option<Duration>, step: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(limit) = limit else {
        return step.await;
    };
    timeout(limit, step).await.unwrap_or_else(|_| {
        let detail = format!(
            "the backend and the database took longer than the commit time-out of {} s",
            limit.as_secs_f64()
        );
        Err(Error::new(ErrorKind::Unavailable, Operation::Deposit).with_detail(detail))
    })
}

/// Replaces `AlreadyExists`: the depositor did not choose the id. It is new, so it has no row: a collector condemned it.
fn without_taken_id(error: Error) -> Error {
    if error.kind() != ErrorKind::AlreadyExists {
        return error;
    }
    error.with_kind(ErrorKind::Unavailable).with_detail(
        "the deposit stood still for longer than the grace period, so its bytes were collected; repeat it",
    )
}

fn unusable() -> Error {
    Error::new(ErrorKind::Unexpected, Operation::Deposit)
        .with_detail("an earlier call on this deposit failed or was dropped; begin a new deposit")
}
