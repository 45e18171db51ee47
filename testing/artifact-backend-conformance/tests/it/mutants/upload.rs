//! An upload with one mutation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use artifact_backend::{
    ArtifactId, ArtifactInventory, Error, ErrorKind, Operation, Result, Upload,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::task::yield_now;

use super::backend::Mutant;
use super::mutation::Mutation;
use super::storage::{SharedState, lock};

#[derive(Debug)]
pub(crate) struct MutantUpload {
    mutation: Mutation,
    id: ArtifactId,
    backend: Arc<dyn ArtifactInventory>,
    shared: Arc<SharedState>,
    /// `None` after the commit or abort.
    inner: Option<Box<dyn Upload>>,
    /// The number of sweeps before the upload began.
    sweeps: u64,
    /// The written bytes, for the mutations that use them.
    written: BytesMut,
    held: Vec<Bytes>,
    expected: Option<u64>,
    ended: bool,
    broken: bool,
}

impl MutantUpload {
    pub(crate) fn new(mutant: &Mutant, id: ArtifactId, inner: Box<dyn Upload>) -> Self {
        lock(&mutant.shared.in_flight).push(id);
        Self {
            mutation: mutant.mutation,
            id,
            backend: Arc::clone(&mutant.inner),
            shared: Arc::clone(&mutant.shared),
            inner: Some(inner),
            sweeps: mutant.shared.sweeps.load(Ordering::SeqCst),
            written: BytesMut::new(),
            held: Vec::new(),
            expected: None,
            ended: false,
            broken: false,
        }
    }

    fn check(&self, operation: Operation) -> Result<()> {
        let swept = self.shared.sweeps.load(Ordering::SeqCst) != self.sweeps;
        if self.broken || (self.mutation == Mutation::SweepsUploads && swept) {
            return Err(Error::new(ErrorKind::Unexpected, operation).with_id(self.id));
        }
        Ok(())
    }
}

#[async_trait]
impl Upload for MutantUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.expected = Some(bytes);
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.check(Operation::Write)?;
        // The future can be dropped between the two awaits below, in the unmodified upload too.
        self.broken = self.mutation != Mutation::IgnoresDroppedWrite;
        let mut bytes = bytes;
        match self.mutation {
            Mutation::EmptyChunkEnds => {
                self.ended |= bytes.is_empty();
                if self.ended {
                    bytes.clear();
                }
            }
            Mutation::TrustsSizeHint => {
                let remaining = self
                    .expected
                    .map_or(u64::MAX, |size| size - self.written.len() as u64);
                bytes.truncate(usize::try_from(remaining).unwrap_or(usize::MAX));
                self.written.extend_from_slice(&bytes);
            }
            Mutation::PublishesEarly => {
                self.written.extend_from_slice(&bytes);
                self.backend.delete(self.id).await?;
                let part = self.written.clone().freeze();
                self.backend.store(self.id, part).await?;
            }
            Mutation::CommitsOnDrop | Mutation::CommitsOnAbort => {
                self.written.extend_from_slice(&bytes);
            }
            Mutation::HoldsUpload => self.held.push(bytes.clone()),
            _ => {}
        }
        let inner = self
            .inner
            .as_mut()
            .expect("only commit and abort take the inner upload");
        let rest = bytes.split_off(bytes.len() / 2);
        inner.write(bytes).await?;
        yield_now().await;
        inner.write(rest).await?;
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.check(Operation::Commit)?;
        if matches!(
            self.mutation,
            Mutation::LastCommitWins | Mutation::PublishesEarly
        ) {
            self.backend.delete(self.id).await?;
        }
        let inner = self
            .inner
            .take()
            .expect("only commit and abort take the inner upload");
        yield_now().await;
        match inner.commit().await {
            Err(error) if error.kind() == ErrorKind::Ambiguous => match self.mutation {
                Mutation::OkForAmbiguous => Ok(()),
                _ => Err(error),
            },
            result => result,
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let inner = self
            .inner
            .take()
            .expect("only commit and abort take the inner upload");
        inner.abort().await?;
        yield_now().await;
        if self.mutation == Mutation::CommitsOnAbort {
            let bytes = std::mem::take(&mut self.written).freeze();
            self.backend.store(self.id, bytes).await?;
        }
        Ok(())
    }
}

impl Drop for MutantUpload {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.shared.in_flight);
        if let Some(at) = in_flight.iter().position(|id| *id == self.id) {
            in_flight.swap_remove(at);
        }
        drop(in_flight);
        if self.inner.is_none() {
            return;
        }
        match self.mutation {
            Mutation::SweepKeepsStaged | Mutation::SweepMissesStaged => {
                self.shared.staged.fetch_add(1, Ordering::SeqCst);
            }
            Mutation::CommitsOnDrop => {
                let bytes = std::mem::take(&mut self.written).freeze();
                let store = self.backend.store(self.id, bytes);
                // A store into a map completes at its first poll.
                let _ = futures_util::FutureExt::now_or_never(store);
            }
            _ => {}
        }
    }
}
