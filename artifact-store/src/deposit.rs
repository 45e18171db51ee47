//! An artifact on its way in: bytes first, then its row.

use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use artifact_backend::{ArtifactId, Sha256Digest};
use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::content_type::ContentType;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file_name::FileName;
use crate::hasher::Hasher;
use crate::names::{ExperimentId, PrincipalId};
use crate::principal::Principal;
use crate::row::Row;
use crate::store::Shared;
use crate::streaming::Streaming;

/// What is known of an artifact before its bytes come.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewArtifact {
    /// The experiment that it will belong to.
    pub experiment: ExperimentId,
    /// Who deposits it.
    pub created_by: PrincipalId,
    /// What it was declared to be.
    pub content_type: ContentType,
    /// What its file was called.
    pub file_name: Option<FileName>,
    /// About how many bytes will come. It decides nothing but how they are stored: more or fewer,
    /// also past the cap, are no error on that account.
    pub size_hint: Option<u64>,
}

impl NewArtifact {
    /// An artifact that `depositor` deposits in `experiment`, of the default content type.
    pub fn new(experiment: ExperimentId, depositor: &Principal) -> Self {
        Self {
            experiment,
            created_by: depositor.id().clone(),
            content_type: ContentType::default(),
            file_name: None,
            size_hint: None,
        }
    }

    /// The same, declared to be of this type.
    #[must_use = "this gives the value back, it does not change it in place"]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// The same, from a file of this name.
    #[must_use = "this gives the value back, it does not change it in place"]
    pub fn with_file_name(mut self, file_name: impl Into<Option<FileName>>) -> Self {
        self.file_name = file_name.into();
        self
    }

    /// The same, of about so many bytes.
    #[must_use = "this gives the value back, it does not change it in place"]
    pub fn with_size_hint(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.size_hint = bytes.into();
        self
    }
}

/// An artifact on its way in: [`write`](Self::write) its bytes, then [`finish`](Self::finish).
///
/// Nobody sees anything of it before `finish` returns. Dropped at any moment, the future of any of
/// its methods included, it leaves nothing, or bytes without a row (an orphan, which is collected
/// later), or, dropped while `finish` writes the row, the whole artifact. It never leaves a row
/// without bytes.
///
/// Up to [`small_deposit_bytes`](crate::StoreConfig::small_deposit_bytes) are collected in memory,
/// in a buffer that is at most twice as large; past that the bytes stream to the backend, and a
/// deposit holds at most two buffers of 256 KiB beside the piece that it is given.
///
/// After an error, and after a dropped `write`, the deposit is spent: every later call fails with
/// [`Unexpected`](ErrorKind::Unexpected), except [`abort`](Self::abort).
#[derive(Debug)]
#[must_use = "a deposit that is dropped leaves nothing; call finish"]
pub struct Deposit {
    shared: Arc<Shared>,
    new: NewArtifact,
    age: Age,
    size: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Collecting(BytesMut),
    Streaming(Box<Streaming>),
    /// A call failed, was dropped, or is running.
    Spent,
}

impl Deposit {
    pub(crate) fn begin(shared: Arc<Shared>, new: NewArtifact) -> Self {
        let age = Age {
            wall: shared.config.clock.now(),
            monotonic: Instant::now(),
        };
        let small = shared.config.small_deposit_bytes;
        let expected = new
            .size_hint
            .unwrap_or(0)
            .min(shared.config.max_artifact_bytes);
        let collected = match usize::try_from(expected) {
            Ok(bytes) if bytes <= small => BytesMut::with_capacity(bytes),
            _ => BytesMut::new(),
        };
        Self {
            shared,
            new,
            age,
            size: 0,
            state: State::Collecting(collected),
        }
    }

    /// How many bytes were taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a piece of any length.
    ///
    /// # Errors
    ///
    /// `TooLarge` as soon as the cap is passed: nothing remains, or what could not be removed is
    /// swept later. `Unavailable` when the deposit takes longer than half the
    /// [grace period](crate::StoreConfig::grace_period), or the backend cannot serve; `OutOfSpace`
    /// and the operator's kinds.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let state = mem::replace(&mut self.state, State::Spent);
        // Lengths of buffers in memory never come near the end of u64.
        let size = self.size.saturating_add(bytes.len() as u64);
        let cap = self.shared.config.max_artifact_bytes;
        if size > cap {
            let error = Error::new(ErrorKind::TooLarge, Operation::Deposit)
                .with_detail(format!("an artifact has at most {cap} bytes here"));
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
                let expected = self.new.size_hint.map(|hint| hint.clamp(size, cap));
                let mut streaming = Streaming::begin(&*self.shared.backend, expected).await?;
                if !collected.is_empty() {
                    streaming = streaming.write(collected.freeze()).await?;
                }
                State::Streaming(Box::new(streaming.write(bytes).await?))
            }
            State::Streaming(streaming) => {
                State::Streaming(Box::new(streaming.write(bytes).await?))
            }
            State::Spent => return Err(spent()),
        };
        self.size = size;
        Ok(())
    }

    /// Makes the bytes durable, then records the row, which is durable too when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it took longer than half the grace period, when the backend or the rows
    /// cannot serve, or when it cannot be known whether they did; `NotFound` when the experiment
    /// does not exist; `OutOfSpace` and the operator's kinds. What an error leaves is nothing or an
    /// orphan, except `Unavailable` from the rows, which may also have recorded the artifact under
    /// an id that nobody was told. Make the deposit again.
    pub async fn finish(mut self) -> Result<Arc<Row>> {
        let state = mem::replace(&mut self.state, State::Spent);
        if let Err(error) = self.check_age() {
            return Err(state.abort_after(error).await);
        }
        let (id, sha256) = match state {
            State::Collecting(collected) => store_whole(&self.shared, collected.freeze()).await?,
            State::Streaming(streaming) => streaming.commit().await?,
            State::Spent => return Err(spent()),
        };
        // A collector deletes a blob without a row once it is as old as the grace period. This one
        // is younger than half of that, and its row takes less than the other half to write.
        self.check_age().map_err(|error| error.with_id(id))?;

        let created_at = self.now(id)?;
        let NewArtifact {
            experiment,
            created_by,
            content_type,
            file_name,
            size_hint: _,
        } = self.new;
        let row = Row::new(id, experiment, created_by, self.size, sha256, created_at)
            .with_content_type(content_type)
            .with_file_name(file_name);
        self.shared.rows.insert(&row).await?;
        Ok(Arc::new(row))
    }

    /// Gives up, and waits until what was written is removed. Dropping does the same without
    /// waiting.
    ///
    /// # Errors
    ///
    /// When what was written could not be removed; it is then swept later.
    pub async fn abort(mut self) -> Result<()> {
        match mem::replace(&mut self.state, State::Spent) {
            State::Streaming(streaming) => streaming.abort().await,
            State::Collecting(_) | State::Spent => Ok(()),
        }
    }

    /// Whether this many bytes, and what is expected to come, are stored in one call.
    fn is_small(&self, bytes: usize) -> bool {
        let small = self.shared.config.small_deposit_bytes;
        bytes <= small && self.new.size_hint.is_none_or(|hint| hint <= small as u64)
    }

    /// Refuses when half the grace period is over since the deposit began. The blob is no older
    /// than the deposit.
    fn check_age(&self) -> Result<()> {
        let config = &self.shared.config;
        if self.age.at_least(config.clock.now()) <= config.grace_period / 2 {
            return Ok(());
        }
        Err(
            Error::new(ErrorKind::Unavailable, Operation::Deposit).with_detail(
                "the deposit took longer than half the grace period of the collection of orphans",
            ),
        )
    }

    fn now(&self, id: ArtifactId) -> Result<Timestamp> {
        Timestamp::try_from(self.shared.config.clock.now()).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Deposit)
                .with_id(id)
                .with_detail("the clock is off by thousands of years")
                .with_source(error)
        })
    }
}

/// Stores a small artifact and hashes it meanwhile.
async fn store_whole(shared: &Shared, bytes: Bytes) -> Result<(ArtifactId, Sha256Digest)> {
    let (hashed, stored) = join(
        Hasher::default().update(bytes.clone()),
        fresh_id(|id| shared.backend.store(id, bytes.clone())),
    )
    .await;
    let (id, ()) = stored?;
    Ok((id, hashed?.finish()))
}

impl State {
    async fn abort_after(self, first: Error) -> Error {
        match self {
            Self::Streaming(streaming) => streaming.abort_after(first).await,
            Self::Collecting(_) => first,
            Self::Spent => spent(),
        }
    }
}

/// When a deposit began, by two clocks.
#[derive(Debug, Clone, Copy)]
struct Age {
    wall: SystemTime,
    monotonic: Instant,
}

impl Age {
    /// The greater of what two clocks say: a wall clock can be set back, and a monotonic one can
    /// stand still while the machine sleeps.
    fn at_least(self, now: SystemTime) -> std::time::Duration {
        let wall = now.duration_since(self.wall).unwrap_or_default();
        wall.max(self.monotonic.elapsed())
    }
}

fn spent() -> Error {
    Error::new(ErrorKind::Unexpected, Operation::Deposit)
        .with_detail("the deposit failed before, or a call of it was dropped")
}

/// How often a fresh id is tried. Ids do not collide by chance, so this is about unknown outcomes.
const ATTEMPTS: usize = 3;

/// Calls `store` with a fresh id, and again with another one when that id is taken, or when it
/// cannot be known whether the bytes were stored under it (they are then an orphan).
pub(crate) async fn fresh_id<T, F>(
    mut store: impl FnMut(ArtifactId) -> F,
) -> Result<(ArtifactId, T)>
where
    F: Future<Output = artifact_backend::Result<T>>,
{
    use artifact_backend::ErrorKind as Backend;
    let mut attempt = 1;
    loop {
        let id = ArtifactId::mint();
        match store(id).await {
            Ok(stored) => return Ok((id, stored)),
            Err(error)
                if attempt < ATTEMPTS
                    && matches!(error.kind(), Backend::AlreadyExists | Backend::Ambiguous) =>
            {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "trying another artifact id"
                );
                attempt += 1;
            }
            Err(error) => return Err(lost(id, error)),
        }
    }
}

/// What the failure of one deposit under a fresh id means. That the id is taken is no fault of the
/// depositor's, and another try has another id.
pub(crate) fn lost(id: ArtifactId, error: artifact_backend::Error) -> Error {
    let error = Error::backend(Operation::Deposit, error).with_id(id);
    match error.kind() {
        ErrorKind::AlreadyExists => error.with_kind(ErrorKind::Unavailable),
        // Nothing was asked for that could be absent.
        ErrorKind::NotFound | ErrorKind::InvalidRange => error.with_kind(ErrorKind::Unexpected),
        _ => error,
    }
}
