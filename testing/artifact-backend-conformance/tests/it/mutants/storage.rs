//! A mutant with every hook that a storage can have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use artifact_backend::{ArtifactId, BoxError, ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Plant, Storage};
use artifact_backend_mem::MemBackend;
use async_trait::async_trait;
use bytes::Bytes;

use super::backend::Mutant;
use super::mutation::Mutation;

/// What all handles of one mutant's storage share.
#[derive(Debug, Default)]
pub(crate) struct SharedState {
    /// Uploads in flight: ids, as often as there are uploads of them.
    pub(crate) in_flight: Mutex<Vec<ArtifactId>>,
    /// Leftovers of uploads that were dropped.
    pub(crate) staged: AtomicU64,
    /// How often the storage was swept.
    pub(crate) sweeps: AtomicU64,
    /// Stores in progress.
    pub(crate) stores: AtomicU64,
    /// What was deleted, for the mutant that brings it back.
    pub(crate) deleted: Mutex<BTreeMap<ArtifactId, Bytes>>,
    /// What lies outside, and under which id something planted leads there.
    pub(crate) outside: Mutex<BTreeMap<ArtifactId, Bytes>>,
    /// Ids of which `CachesAbsence` believes that they are absent, by handle.
    pub(crate) lost: AtomicBool,
}

/// A lock; a test that panicked under it has failed already.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics under a lock")
}

/// A fresh storage of a mutant.
pub(crate) fn storage(mutation: Mutation) -> Storage {
    let inner = FaultBackend::new(MemBackend::default());
    let shared = Arc::new(SharedState::default());
    let open = {
        let (inner, shared) = (inner.clone(), Arc::clone(&shared));
        move || Mutant {
            mutation,
            inner: Arc::new(inner.clone()),
            shared: Arc::clone(&shared),
            absent: Mutex::new(BTreeSet::new()),
        }
    };
    let first = open();
    let (losing, counting, planting) = (shared.clone(), shared.clone(), shared.clone());
    let reopened = shared;
    Storage::new(first)
        .with_reopen(move || {
            let mut mutant = open();
            if mutation == Mutation::NotDurable {
                mutant.inner = Arc::new(MemBackend::default());
            }
            let reopened = Arc::clone(&reopened);
            async move {
                if mutation == Mutation::DeleteNotDurable {
                    let deleted = std::mem::take(&mut *lock(&reopened.deleted));
                    for (id, bytes) in deleted {
                        mutant.inner.store(id, bytes).await?;
                    }
                }
                Ok(mutant)
            }
        })
        .with_loss(move || {
            losing.lost.store(true, Ordering::SeqCst);
            async { Ok(()) }
        })
        .with_unknown_outcome(move |operation: Operation| {
            inner.inject(Fault::after(operation, ErrorKind::Ambiguous));
            async { Ok(()) }
        })
        .with_leftover_count(move || {
            let staged = counting.staged.load(Ordering::SeqCst);
            async move { Ok(staged) }
        })
        .with_plant(Link(planting))
}

/// What is planted: a link from an id to something outside.
struct Link(Arc<SharedState>);

const OUTSIDE: &[u8] = b"somebody else's file";

#[async_trait]
impl Plant for Link {
    fn name(&self) -> &'static str {
        "a link to the outside"
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        lock(&self.0.outside).insert(id, Bytes::from_static(OUTSIDE));
        Ok(())
    }

    async fn check(&self) -> Result<(), BoxError> {
        match lock(&self.0.outside).values().next() {
            Some(bytes) if *bytes == OUTSIDE => Ok(()),
            other => Err(format!("it is now {other:?}").into()),
        }
    }
}
