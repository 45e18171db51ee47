//! The minimum of free space below which nothing is deposited.

#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_free_bytes.rs")]
mod free_bytes;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use artifact_backend::blocking;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::free_bytes::free_bytes;
use crate::error::{Error, ErrorKind, Operation, Result};

/// How long a measurement is used.
const FRESH: Duration = Duration::from_secs(1);

/// The file systems that must keep some space free.
///
/// A deposit reads two atomic values and the clock. Once a second one of them waits for the `statvfs` calls, on the blocking pool; the
/// others use the last measurement meanwhile.
#[derive(Debug)]
pub(crate) struct FreeSpaceFloor {
    min_bytes: u64,
    folders: Vec<PathBuf>,
    created: Instant,
    /// When the last measurement began, in milliseconds since `created` and one more; 0 before the first.
    measured: AtomicU64,
    is_low: AtomicBool,
    measuring: Mutex<()>,
}

impl FreeSpaceFloor {
    /// Returns `None` if there is nothing to check.
    pub(crate) fn new(min_bytes: u64, folders: Vec<PathBuf>) -> Option<Self> {
        (min_bytes > 0 && !folders.is_empty()).then(|| Self {
            min_bytes,
            folders,
            created: Instant::now(),
            measured: AtomicU64::new(0),
            is_low: AtomicBool::new(false),
            measuring: Mutex::new(()),
        })
    }

    /// Fails with `OutOfSpace` if a file system has less free space than the minimum.
    pub(crate) async fn check(&self) -> Result<()> {
        if self.is_kept().await {
            return Ok(());
        }
        let min = self.min_bytes;
        Err(Error::new(ErrorKind::OutOfSpace, Operation::Deposit).with_detail(format!(
            "a file system of the store has less than its minimum of {min} bytes free; deposits go on once there is more"
        )))
    }

    /// Returns whether every file system has enough free space, as far as it can be measured.
    pub(crate) async fn is_kept(&self) -> bool {
        let now = self.now();
        let measured = self.measured.load(Ordering::Acquire);
        let age = u128::from(now.saturating_sub(measured));
        if (measured == 0 || age >= FRESH.as_millis())
            && let Ok(_guard) = self.measuring.try_lock()
        {
            // In a box, so that a deposit is no larger.
            Box::pin(self.measure()).await;
            self.measured.store(now, Ordering::Release);
        }
        !self.is_low.load(Ordering::Acquire)
    }

    fn now(&self) -> u64 {
        let millis = self.created.elapsed().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).saturating_add(1)
    }

    async fn measure(&self) {
        let (folders, min) = (self.folders.clone(), self.min_bytes);
        let measured = blocking::run(move || {
            let free = folders
                .iter()
                .filter_map(|folder| match free_bytes(folder) {
                    Ok(free) => Some(free),
                    Err(error) => {
                        // Whether the folder can be used, a deposit finds out.
                        tracing::debug!(%error, "cannot measure the free space of a folder");
                        None
                    }
                });
            free.min()
        });
        let Ok(Some(free)) = measured.await else {
            return;
        };
        let is_low = free < min;
        if self.is_low.swap(is_low, Ordering::AcqRel) == is_low {
            return;
        }
        if is_low {
            tracing::error!(
                alarm = "low-free-space",
                free_bytes = free,
                min_bytes = min,
                "deposits are refused until a file system of the store has its minimum of free space again"
            );
        } else {
            tracing::info!(free_bytes = free, "deposits are accepted again");
        }
    }
}
