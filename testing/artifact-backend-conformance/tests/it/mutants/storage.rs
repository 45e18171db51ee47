//! The storage of a mutant, with every hook.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use artifact_backend::{ArtifactId, BoxError, ErrorKind, Operation, StoreId};
use artifact_backend_conformance::{Fault, FaultBackend, Plant, Storage};
use artifact_backend_mem::MemBackend;
use async_trait::async_trait;
use bytes::Bytes;

use super::backend::Mutant;
use super::mutation::Mutation;

/// The state that all handles of one storage share.
#[derive(Debug, Default)]
pub(crate) struct SharedState {
    /// The ids of the uploads in flight, one entry for each upload.
    pub(crate) in_flight: Mutex<Vec<ArtifactId>>,
    /// The number of leftovers of dropped uploads.
    pub(crate) staged: AtomicU64,
    /// The number of sweeps so far.
    pub(crate) sweeps: AtomicU64,
    /// The number of stores in progress; for `RetryFindsOwnBlob`, of all stores so far.
    pub(crate) stores: AtomicU64,
    /// The deleted blobs, for `DeleteNotDurable`, which restores them.
    pub(crate) deleted: Mutex<BTreeMap<ArtifactId, Bytes>>,
    /// The objects outside the storage, by the id at which a planted link leads there.
    pub(crate) outside: Mutex<BTreeMap<ArtifactId, Bytes>>,
    /// The store id, for the mutations that change or remove it.
    pub(crate) store_id: Mutex<Option<StoreId>>,
    /// The number of ids that lists of a shard returned up to each id, for `ShardByPosition`.
    pub(crate) positions: Mutex<BTreeMap<ArtifactId, usize>>,
    /// Whether the storage was removed.
    pub(crate) lost: AtomicBool,
}

/// Locks a mutex of the shared state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds a lock")
}

/// Makes a new storage of a mutant.
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
            _lock: None,
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

/// An exclusive lock, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenLock(Arc<AtomicBool>);

impl OpenLock {
    fn take(taken: &Arc<AtomicBool>) -> Result<Self, BoxError> {
        if taken.swap(true, Ordering::SeqCst) {
            return Err("the storage is locked by another handle".into());
        }
        Ok(Self(Arc::clone(taken)))
    }
}

impl Drop for OpenLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Makes a new storage of a mutant that opens only once.
pub(crate) fn locked_storage(mutation: Mutation) -> Result<Storage, BoxError> {
    let (inner, shared) = (MemBackend::default(), Arc::new(SharedState::default()));
    let taken = Arc::new(AtomicBool::new(false));
    let open = move || {
        let durable = mutation != Mutation::NotDurable;
        let inner = if durable {
            inner.clone()
        } else {
            MemBackend::default()
        };
        Ok(Mutant {
            mutation,
            inner: Arc::new(inner),
            shared: Arc::clone(&shared),
            absent: Mutex::new(BTreeSet::new()),
            _lock: Some(OpenLock::take(&taken)?),
        })
    };
    let first: Result<_, BoxError> = open();
    let storage = Storage::new(first?);
    Ok(storage.with_exclusive_reopen(move || std::future::ready(open())))
}

/// A planted link from an id to an object outside the storage.
struct Link(Arc<SharedState>);

const OUTSIDE: &[u8] = b"a foreign file";

#[async_trait]
impl Plant for Link {
    fn name(&self) -> &'static str {
        "a link to an object outside"
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        lock(&self.0.outside).insert(id, Bytes::from_static(OUTSIDE));
        Ok(())
    }

    async fn check(&self) -> Result<(), BoxError> {
        match lock(&self.0.outside).values().next() {
            Some(bytes) if *bytes == OUTSIDE => Ok(()),
            other => Err(format!("the object outside is now {other:?}").into()),
        }
    }
}
