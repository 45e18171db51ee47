//! Values for the tests, and a backend and a catalog whose calls can be made to fail.

mod backend;
mod catalog;
mod contract;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactInventory, ManualClock};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    ArtifactId, ArtifactStore, Catalog, ChunkDigests, ChunkHasher, Experiment, ExperimentId,
    MemoryDatabase, NewArtifact, Principal, Row, Sha256Digest, StoreConfig, WorkerId,
};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

pub(crate) use backend::{Fault, FaultyBackend};
pub(crate) use catalog::FaultyCatalog;
pub(crate) use contract::run_all;

pub(crate) const WORKER: &str = "wkr_0123456789abcdefghjkmnpqrs";
pub(crate) const OTHER_WORKER: &str = "wkr_zzzzzzzzzzzzzzzzzzzzzzzzzz";

/// Ids of an embedder's users. Each of them must be kept byte for byte.
pub(crate) const EXTERNAL: &[&str] = &[
    "a",
    "alice@example.com",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "spiffe://example.org/build?x=1&y=%00#z",
    "CN=Alice M\u{fc}ller, O=\"Example\", C=DE",
    "'); DROP TABLE artifacts; --",
    "$1 %s {0} ${HOME} `id` \\x00 \\",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "null",
    "system",
    "administrator",
    "wkr",
    "wkr-0123456789abcdefghjkmnpqrs",
    "\u{430}dmin",
    "\u{ff41}dmin",
    "e\u{301}",
    "\u{e9}",
    "\u{1f980}\u{10ffff}",
    "principal=admin status=200",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}\u{1d518}",
];

pub(crate) fn external(id: &str) -> Principal {
    Principal::external(id.parse().unwrap(), experiment())
}

pub(crate) fn experiment() -> ExperimentId {
    "exp-1".parse().unwrap()
}

pub(crate) fn other_experiment() -> ExperimentId {
    "exp-2".parse().unwrap()
}

pub(crate) fn worker() -> Principal {
    Principal::worker(worker_id(), experiment())
}

pub(crate) fn worker_id() -> WorkerId {
    WORKER.parse().unwrap()
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Returns the digests of the chunks of these bytes, if there is more than one.
pub(crate) fn chunk_digests(bytes: &[u8]) -> Option<ChunkDigests> {
    let mut hasher = ChunkHasher::new();
    hasher.update(bytes);
    hasher.finish()
}

/// An ordinary row.
pub(crate) fn row(id: u8) -> Row {
    Row::new(
        ArtifactId::from_bytes([id; 16]),
        experiment(),
        worker_id().into(),
        u64::from(id),
        Sha256Digest::from_bytes([id; 32]),
        time(1_700_000_000 + i64::from(id)),
    )
}

/// Bytes without repetition, so that a lost or swapped chunk changes the hash.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// A store in memory whose parts can be inspected and made to fail.
pub(crate) struct World {
    pub(crate) mem: Arc<MemBackend>,
    pub(crate) backend: Arc<FaultyBackend>,
    pub(crate) catalog: Arc<FaultyCatalog>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: ArtifactStore,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(StoreConfig::default()).await
    }

    pub(crate) async fn with(config: StoreConfig) -> Self {
        let mem = Arc::new(MemBackend::new(MemConfig::default()));
        let backend = Arc::new(FaultyBackend::new(mem.clone()));
        let memory = Arc::new(MemoryDatabase::new());
        for id in [experiment(), other_experiment()] {
            memory
                .create_experiment(&Experiment::new(id, time(0)))
                .await
                .unwrap();
        }
        let catalog = Arc::new(FaultyCatalog::new(memory));
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let config = config.with_clock(clock.clone());
        let store = ArtifactStore::new(backend.clone(), catalog.clone(), config);
        Self {
            mem,
            backend,
            catalog,
            clock,
            store,
        }
    }

    pub(crate) fn new_artifact() -> NewArtifact {
        NewArtifact::new(experiment(), &worker())
    }

    /// Deposits `bytes` in chunks of `piece` bytes.
    pub(crate) async fn deposit(
        &self,
        bytes: &[u8],
        piece: usize,
    ) -> artifact_store::Result<Arc<Row>> {
        let mut deposit = self.store.deposit(Self::new_artifact());
        for piece in bytes.chunks(piece.max(1)) {
            deposit.write(bytes::Bytes::copy_from_slice(piece)).await?;
        }
        deposit.finish().await
    }

    /// Returns the ids of all blobs.
    pub(crate) async fn blobs(&self) -> Vec<ArtifactId> {
        let list = self.mem.list().await.unwrap();
        list.map_ok(|stat| stat.id).try_collect().await.unwrap()
    }

    /// Asserts that no blob, no row and no upload is left.
    pub(crate) async fn assert_empty(&self) {
        assert_eq!(self.blobs().await, []);
        assert_eq!(self.mem.used_bytes(), 0);
        assert_eq!(self.catalog.inserted(), []);
    }
}

/// Polls once with a waker that does nothing; the caller decides when to poll again.
pub(crate) fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
