//! What is looked up when a program reads the metrics, because no event changes it.

use std::path::Path;
use std::time::UNIX_EPOCH;

use artifact_audit::AuditLog;
use artifact_backend::blocking;
use artifact_backend::metrics::{Metric, describe};
use artifact_server::{ServerHandle, Tls};
use artifact_store::{Database, ReadinessProbe};
use metrics::Gauge;
use tokio::runtime::Handle;

use super::super::plan::ServePlan;
use super::free_space::{self, FreeSpace};
use super::process::{self, ProcessMetrics};
use crate::files;

const BUILD: Metric = Metric::gauge(
    "artifact_build_info",
    &["version"],
    "1; the label is the version of the program",
);
const READY: Metric = Metric::gauge(
    "artifact_ready",
    &[],
    "1 while the server can serve requests, as /readyz says; 0 from the signal on that ends it",
);
const BLOCKING_RUNNING: Metric = Metric::gauge(
    "artifact_blocking_pool_running",
    &[],
    "Work that runs on the threads for blocking calls",
);
const BLOCKING_WAITING: Metric = Metric::gauge(
    "artifact_blocking_pool_waiting",
    &[],
    "Work that waits for a thread for blocking calls",
);
const TASKS: Metric = Metric::gauge("artifact_runtime_tasks", &[], "Tasks of the async runtime");
const RUNTIME_QUEUE: Metric = Metric::gauge(
    "artifact_runtime_waiting_tasks",
    &[],
    "Tasks in the common queue of the async runtime",
);
const AUDIT_FAILED: Metric = Metric::gauge(
    "artifact_audit_log_failed",
    &[],
    "1 while the audit log cannot be written, otherwise 0; absent without an audit log",
);
const CERTIFICATE: Metric = Metric::gauge(
    "artifact_tls_certificate_expiry_timestamp_seconds",
    &[],
    "When the certificate of the server expires, in seconds since 1970; absent without TLS",
);

/// The metrics of the program itself.
pub(crate) const METRICS: &[Metric] = &[
    BUILD,
    READY,
    BLOCKING_RUNNING,
    BLOCKING_WAITING,
    TASKS,
    RUNTIME_QUEUE,
    free_space::FREE,
    free_space::SIZE,
    AUDIT_FAILED,
    CERTIFICATE,
    super::super::sweep::RUNS,
    super::super::sweep::REMOVED,
    super::super::sweep::FREED,
    process::START,
    process::MEMORY,
    process::FILES,
];

/// Where the values come from.
pub(crate) struct Samples {
    database: Database,
    server: ServerHandle,
    readiness: ReadinessProbe,
    audit: Option<(AuditLog, Gauge)>,
    tls: Option<(Tls, Gauge)>,
    free_space: FreeSpace,
    process: ProcessMetrics,
    ready: Gauge,
    running: Gauge,
    waiting: Gauge,
    tasks: Gauge,
    queue: Gauge,
}

impl Samples {
    pub(crate) fn new(
        plan: &ServePlan<'_>,
        database: &Database,
        server: ServerHandle,
        readiness: ReadinessProbe,
        audit: Option<&AuditLog>,
        tls: Option<&Tls>,
    ) -> Self {
        describe(METRICS);
        let version = env!("CARGO_PKG_VERSION");
        BUILD.register_gauge(&[version]).set(1);
        let store = &plan.store;
        let folders = [
            ("data", Some(store.settings.data_dir.as_path())),
            ("blobs", store.settings.backend.path()),
            ("database", store.database.path().map(files::parent)),
            (
                "audit",
                store.settings.audit.audit_log.as_deref().map(files::parent),
            ),
        ];
        let folders = folders
            .into_iter()
            .filter_map(|(role, path): (_, Option<&Path>)| Some((role, path?)));
        let now = artifact_backend::Clock::now(&artifact_backend::SystemClock);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            database: database.clone(),
            server,
            readiness,
            audit: audit.map(|log| (log.clone(), AUDIT_FAILED.register_gauge(&[]))),
            tls: tls.map(|tls| (tls.clone(), CERTIFICATE.register_gauge(&[]))),
            free_space: FreeSpace::new(folders),
            process: ProcessMetrics::new(now),
            ready: READY.register_gauge(&[]),
            running: BLOCKING_RUNNING.register_gauge(&[]),
            waiting: BLOCKING_WAITING.register_gauge(&[]),
            tasks: TASKS.register_gauge(&[]),
            queue: RUNTIME_QUEUE.register_gauge(&[]),
        }
    }

    async fn is_ready(&self) -> bool {
        !self.server.is_draining() && self.readiness.check().await.is_ready()
    }

    /// Records the values of this moment.
    pub(crate) async fn record(&self) {
        self.database.record_metrics();
        self.ready.set(u8::from(self.is_ready().await));
        let load = blocking::load();
        set(&self.running, load.running as u64);
        set(&self.waiting, load.waiting as u64);
        let runtime = Handle::current().metrics();
        set(&self.tasks, runtime.num_alive_tasks() as u64);
        set(&self.queue, runtime.global_queue_depth() as u64);
        if let Some((log, gauge)) = &self.audit {
            gauge.set(u8::from(log.check().is_err()));
        }
        if let Some((tls, gauge)) = &self.tls
            && let Some(expiry) = tls.expires_at()
        {
            gauge.set(expiry.duration_since(UNIX_EPOCH).unwrap_or_default());
        }
        self.process.record();
        self.free_space.record().await;
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the values of a gauge are numbers with 53 bits"
)]
pub(super) fn set(gauge: &Gauge, value: u64) {
    gauge.set(value as f64);
}
