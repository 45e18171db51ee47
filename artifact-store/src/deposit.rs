//! A deposit: first the bytes, then the row.

mod repeat;
mod state;
mod storing;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::Sha256Digest;
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use self::repeat::{find_repeated, lost_turn, repeat};
use self::state::{State, unusable};
pub(crate) use self::storing::store_whole;
use self::storing::{Stored, Storing, begin_streaming};
use crate::database::Rejected;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::idempotency::{IdempotencyKey, find_earlier};
use crate::new_artifact::NewArtifact;
use crate::placement::PlacedBackend;
use crate::quota::{Allowance, Step};
use crate::row::Row;
use crate::shared::Shared;
use crate::time::Deadline;

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
    /// `None` until bytes are written.
    allowance: Option<Allowance>,
    size: u64,
    state: State,
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
            allowance: None,
            size: 0,
            state: State::Collecting(collected),
        }
    }

    /// Uses what [`ArtifactStore::reserve`](crate::ArtifactStore::reserve) has reserved for this deposit. Call it before the first
    /// byte. An allowance of another depositor is dropped.
    pub fn with_allowance(mut self, allowance: Allowance) -> Self {
        self.allowance = Some(allowance).filter(|allowance| allowance.is_for(&self.new));
        self
    }

    /// Reserves what the deposit needs of its quotas, as [`ArtifactStore::reserve`](crate::ArtifactStore::reserve) does, unless it
    /// is reserved already. Without it, the first [`write`](Self::write) does the same.
    ///
    /// # Errors
    ///
    /// Those of [`ArtifactStore::reserve`](crate::ArtifactStore::reserve).
    pub async fn reserve(&mut self) -> Result<()> {
        let limit = self.shared.config.commit_timeout;
        let reserved = within(limit, self.allow(self.size)).await;
        if reserved.is_err() {
            self.state = State::Unusable;
        }
        reserved
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
    /// longer than the [commit time-out](crate::StoreConfig::with_commit_timeout). `QuotaExceeded` as soon as the bytes do not fit
    /// into a [quota](crate::ManagedStore::set_quota), `TooManyInFlight` if it allows no further deposit at the same time.
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
        if let Err(error) = self.allow(size).await {
            return Err(state.abort_after(error).await);
        }
        self.state = match state {
            State::Collecting(mut collected) if self.is_small(collected.len() + bytes.len()) => {
                collected.extend_from_slice(&bytes);
                State::Collecting(collected)
            }
            State::Collecting(collected) => {
                if let Some(repeated) = find_repeated(&self.shared, &self.new).await? {
                    let repeated = repeated.write(collected.freeze()).await?;
                    State::Repeated(Box::new(repeated.write(bytes).await?))
                } else {
                    let expected = self.new.size_hint.map(|hint| hint.clamp(size, limit));
                    let mut streaming = begin_streaming(&self.shared, &self.new, expected).await?;
                    if !collected.is_empty() {
                        streaming = streaming.write(collected.freeze()).await?;
                    }
                    State::Streaming(Box::new(streaming.write(bytes).await?))
                }
            }
            State::Repeated(repeated) => State::Repeated(Box::new(repeated.write(bytes).await?)),
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
    /// [expected SHA-256](NewArtifact::with_sha256); nothing is left then. `KeyReused` if the
    /// [key](NewArtifact::with_idempotency_key) belongs to another deposit. `NameTaken` or `Sealed` if another deposit got
    /// its [name in a collection](crate::CollectionStore::deposit) first, or the collection was sealed. `QuotaExceeded` and
    /// `TooManyInFlight` as [`write`](Self::write). `OutOfSpace` and the kinds that an operator must resolve.
    ///
    /// After another error, nothing or an orphan is left. The exception is `Unavailable` from the
    /// catalog or after the time-out: the artifact may then be recorded, under an id that no client
    /// knows. In all these cases, repeat the deposit. With the same
    /// [key](NewArtifact::with_idempotency_key), it then returns that artifact.
    pub async fn finish(self) -> Result<Arc<Row>> {
        within(self.shared.config.commit_timeout, self.commit()).await
    }

    async fn commit(mut self) -> Result<Arc<Row>> {
        let state = mem::replace(&mut self.state, State::Unusable);
        if let Err(error) = self.check_age() {
            return Err(state.abort_after(error).await);
        }
        if let Err(error) = self.allow(self.size).await {
            return Err(state.abort_after(error).await);
        }
        match self.new.idempotency_key.clone() {
            None => self.store(state, None).await,
            // In a box, so that the future of a deposit without a key is no larger.
            Some(key) => Box::pin(self.store_once(state, key)).await,
        }
    }

    /// Stores the artifact, unless an earlier deposit with the same key did.
    async fn store_once(self, state: State, key: IdempotencyKey) -> Result<Arc<Row>> {
        if let State::Repeated(repeated) = state {
            let (earlier, sha256) = repeated.finish();
            return repeat(earlier, &self.new, self.size, sha256);
        }
        let scope = (
            self.new.experiment.clone(),
            self.new.created_by.clone(),
            key.clone(),
        );
        // Held until the row is written or refused: the next deposit with the key then finds it, before its bytes are durable.
        let _turn = Arc::clone(&self.shared.key_turns).take(scope).await;
        match find_earlier(&*self.shared.catalog, &self.new, &key).await {
            Ok(None) => self.store(state, Some(&key)).await,
            Ok(Some(earlier)) => {
                let sha256 = state.discard().await?;
                repeat(earlier, &self.new, self.size, sha256)
            }
            Err(error) => Err(state.abort_after(error).await),
        }
    }

    async fn store(mut self, state: State, key: Option<&IdempotencyKey>) -> Result<Arc<Row>> {
        let storing = Storing {
            shared: &self.shared,
            new: &self.new,
            size: self.size,
        };
        let Stored { row, chunks, open } = storing.store(state).await?;
        let id = row.id;
        // A collector deletes a blob without a row once it is as old as the grace period. The row is
        // not begun after half of that; the other half is for its transaction.
        self.check_age().map_err(|error| error.with_id(id))?;

        let mut allowance = self.allowance.take();
        if let Some(allowance) = &mut allowance {
            let settled = allowance.settle(&self.shared, &self.new, id, self.size);
            settled.await.map_err(|error| error.with_id(id))?;
        }
        let (catalog, chunks) = (&self.shared.catalog, chunks.as_ref());
        let deadline = Some(&self.deadline);
        let is_unlimited = allowance.as_ref().is_none_or(Allowance::is_unlimited);
        // A note has the row and the key.
        let may_lag =
            is_unlimited && chunks.is_none() && open.as_ref().is_some_and(|open| open.may_lag);
        let inserted = match (key, &self.new.place) {
            (_, Some(place)) => {
                let inserted = place.insert(&row, chunks, &self.deadline);
                // In a box, so that the future of a deposit without a name is no larger.
                Box::pin(inserted).await.map(|()| true)
            }
            (key, None) => match (catalog.replayed().filter(|_| may_lag), key) {
                (Some(catalog), key) => catalog.insert_noted(&row, deadline, key).await,
                (None, None) => {
                    let inserted = catalog.insert_with(&row, chunks, deadline).await;
                    inserted.map(|()| true)
                }
                (None, Some(key)) => catalog.insert_keyed(&row, chunks, deadline, key).await,
            },
        };
        // The database has the row, or it is refused.
        drop(open);
        if let Some(allowance) = allowance {
            allowance.end(&inserted);
        }
        match inserted {
            Ok(true) => {
                self.shared.deposited.count(row.size);
                Ok(Arc::new(row))
            }
            Ok(false) => Box::pin(lost_turn(&self.shared, &self.new, self.size, row.sha256)).await,
            Err(error) => {
                follow_placement(&self.shared, &error).await;
                Err(without_taken_id(error))
            }
        }
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
            State::Collecting(_) | State::Repeated(_) | State::Unusable => Ok(()),
        }
    }

    /// Reserves room for this number of bytes in all, unless it is reserved already.
    async fn allow(&mut self, size: u64) -> Result<()> {
        self.shared.check_free_space_for(&self.new).await?;
        match &self.allowance {
            Some(allowance) if allowance.covers(size) => Ok(()),
            // In a box, so that the future of a deposit without quotas is no larger.
            _ => Box::pin(self.reserve_for(size)).await,
        }
    }

    async fn reserve_for(&mut self, size: u64) -> Result<()> {
        let step = Step::of(&self.shared, &self.new, size);
        if let Some(allowance) = &mut self.allowance {
            return allowance.grow(step).await;
        }
        let allowance = Allowance::begin(&self.shared, &self.new, step).await?;
        self.allowance = Some(allowance);
        Ok(())
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

/// Runs a step of a deposit. Drops it if it takes longer than the limit, if there is one.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
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
        "the deposit stood still for too long, so its bytes were collected or its quota was given to another; repeat it",
    )
}
