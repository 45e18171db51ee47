//! What the kernel knows of this process, under the names that all programs use for it.

use std::path::Path;

use artifact_backend::metrics::Metric;
use metrics::Gauge;

use super::samples::set;
use crate::files;

pub(super) const START: Metric = Metric::gauge(
    "process_start_time_seconds",
    &[],
    "When the process started, in seconds since 1970",
);
pub(super) const MEMORY: Metric = Metric::gauge(
    "process_resident_memory_bytes",
    &[],
    "Resident memory of the process; on Linux",
);
pub(super) const FILES: Metric = Metric::gauge(
    "process_open_fds",
    &[],
    "Open file descriptors of the process; on Linux",
);

#[derive(Debug)]
pub(super) struct ProcessMetrics {
    memory: Gauge,
    files: Gauge,
}

impl ProcessMetrics {
    pub(super) fn new(started: std::time::Duration) -> Self {
        START.register_gauge(&[]).set(started);
        Self {
            memory: MEMORY.register_gauge(&[]),
            files: FILES.register_gauge(&[]),
        }
    }

    /// Reads files of the kernel, which do not block.
    pub(super) fn record(&self) {
        if let Some(bytes) = resident_memory() {
            set(&self.memory, bytes);
        }
        if let Ok(found) = Path::new("/proc/self/fd").read_dir() {
            // One of them is that of this list.
            set(&self.files, (found.count() as u64).saturating_sub(1));
        }
    }
}

/// Returns the number of the line `VmRSS` of `/proc/self/status` (`proc_pid_status(5)`).
fn resident_memory() -> Option<u64> {
    let text = files::read_small(Path::new("/proc/self/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}
