//! The minimum of free space below which nothing is deposited.

#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_free_bytes.rs")]
mod free_bytes;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use artifact_backend::blocking;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use self::free_bytes::free_bytes;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::placement::PlacedBackend;

/// How long a measurement is used.
const FRESH: Duration = Duration::from_secs(1);

/// The file systems that must keep some space free.
///
/// A deposit reads two atomic values and the clock. Once a second one of them waits for the `statvfs` calls, on the blocking pool; the
/// others use the last measurement meanwhile. At most one measurement runs at a time, also if its caller is gone, so a file system that
/// hangs holds one thread.
#[derive(Debug)]
pub(crate) struct FreeSpaceFloor {
    min_bytes: u64,
    folders: Vec<PathBuf>,
    /// Its folder counts too.
    placed: Option<PlacedBackend>,
    created: Instant,
    /// When the last measurement began, in milliseconds since `created` and one more; 0 before the first.
    measured: AtomicU64,
    is_low: AtomicBool,
    measuring: Arc<Mutex<()>>,
}

impl FreeSpaceFloor {
    /// Returns `None` if there is nothing to check.
    pub(crate) fn new(
        min_bytes: u64,
        folders: Vec<PathBuf>,
        placed: Option<PlacedBackend>,
    ) -> Option<Arc<Self>> {
        let has_any = !folders.is_empty() || placed.is_some();
        (min_bytes > 0 && has_any).then(|| {
            Arc::new(Self {
                min_bytes,
                folders,
                placed,
                created: Instant::now(),
                measured: AtomicU64::new(0),
                is_low: AtomicBool::new(false),
                measuring: Arc::default(),
            })
        })
    }

    /// Fails with `OutOfSpace` if a file system has less free space than the minimum.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<()> {
        if self.is_stale()
            && let Ok(turn) = Arc::clone(&self.measuring).try_lock_owned()
        {
            // In a box, so that a deposit is no larger.
            Box::pin(self.measure(turn)).await;
        }
        self.outcome()
    }

    /// As [`check`](Self::check), but waits for the measurement of another caller instead of using the last one.
    pub(crate) async fn check_now(self: &Arc<Self>) -> Result<()> {
        let turn = Arc::clone(&self.measuring).lock_owned().await;
        if self.is_stale() {
            self.measure(turn).await;
        }
        self.outcome()
    }

    fn outcome(&self) -> Result<()> {
        if !self.is_low.load(Ordering::Acquire) {
            return Ok(());
        }
        let detail = format!(
            "a file system of the store has less free space than the minimum of {} bytes; deposits go on once there is more",
            self.min_bytes
        );
        Err(Error::new(ErrorKind::OutOfSpace, Operation::Deposit).with_detail(detail))
    }

    fn is_stale(&self) -> bool {
        let measured = self.measured.load(Ordering::Acquire);
        let age = self.now().saturating_sub(measured);
        measured == 0 || u128::from(age) >= FRESH.as_millis()
    }

    fn now(&self) -> u64 {
        let millis = self.created.elapsed().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).saturating_add(1)
    }

    async fn measure(self: &Arc<Self>, turn: OwnedMutexGuard<()>) {
        let floor = Arc::clone(self);
        let measured = blocking::run(move || {
            let began = floor.now();
            floor.measure_now();
            floor.measured.store(began, Ordering::Release);
            // Not when the caller is gone: the thread may still wait for the file system then.
            drop(turn);
        });
        // Without a thread, the last measurement counts.
        let _ = measured.await;
    }

    /// Measures the free space. Whether a folder can be used at all, a deposit finds out.
    fn measure_now(&self) {
        let placed = self.placed.as_ref().map(PlacedBackend::parts);
        let blobs = placed.as_ref().and_then(|parts| parts.folder.as_ref());
        let free = blobs.into_iter().chain(&self.folders).filter_map(|folder| {
            let free = free_bytes(folder);
            let failed = free.as_ref().err();
            if let Some(error) = failed {
                tracing::debug!(%error, "cannot measure the free space of a folder");
            }
            free.ok()
        });
        if let Some(free) = free.min() {
            self.record(free);
        }
    }

    fn record(&self, free_bytes: u64) {
        let min_bytes = self.min_bytes;
        let is_low = free_bytes < min_bytes;
        if self.is_low.swap(is_low, Ordering::AcqRel) == is_low {
            return;
        }
        if is_low {
            tracing::error!(
                alarm = "low-free-space",
                free_bytes,
                min_bytes,
                "deposits are refused until a file system of the store has its minimum of free space again"
            );
        } else {
            tracing::info!(free_bytes, "deposits are accepted again");
        }
    }
}
