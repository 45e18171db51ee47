//! Maintenance takes nothing from requests: each of its calls is in the background lane.

pub(crate) mod recorder;

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactBackend as _, ArtifactInventory, ManualClock};
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactId, Backend, Backup, BackupOptions, CatalogInventory, CollectOptions, Collector,
    Database, Experiment, ExportOptions, Exporter, ImportOptions, Importer, MemoryDatabase,
    MigrateOptions, MigrateState, Migrator, NamedBackend, Row, RowPosition, ScrubOptions, Scrubber,
    SharingRecord, StoreConfig, StoreHalves,
};
use bytes::Bytes;

use self::recorder::{Calls, Recorder};
use crate::support::{bytes, digest, experiment, time, worker_id};

/// A store whose calls are recorded.
struct Site {
    database: Database,
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
    calls: Arc<Calls>,
}

impl Site {
    /// Creates a store with an experiment and no artifact.
    async fn empty() -> Self {
        let calls = Arc::<Calls>::default();
        let mut database = Database::new(MemoryDatabase::new());
        let created = Experiment::new(experiment(), time(0));
        database.catalog.create_experiment(&created).await.unwrap();
        let catalog: Arc<dyn CatalogInventory> = Arc::new(Recorder {
            calls: Arc::clone(&calls),
            inner: Arc::clone(&database.inventory),
        });
        let blobs: Arc<dyn ArtifactInventory> = Arc::new(MemBackend::default());
        let backend: Arc<dyn ArtifactInventory> = Arc::new(Recorder {
            calls: Arc::clone(&calls),
            inner: blobs,
        });
        let halves = Backend::new(Arc::clone(&backend));
        StoreHalves::new(&database, &halves).join().await.unwrap();
        database.inventory = Arc::clone(&catalog);
        let site = Self {
            database,
            catalog,
            backend,
            calls,
        };
        site.calls.take();
        site
    }

    /// Creates a store with artifacts of some sizes, an expired one, one without its blob, and an orphan.
    async fn new() -> Self {
        let site = Self::empty().await;
        for size in [0, 10, 300_000] {
            site.deposit(bytes(size), None).await;
        }
        site.deposit(bytes(11), Some(1)).await;
        let missing = site.deposit(bytes(12), None).await;
        site.backend.delete(missing).await.unwrap();
        let orphan = ArtifactId::mint();
        let stored = site.backend.store(orphan, Bytes::from_static(b"lost"));
        stored.await.unwrap();
        let [_, requests] = site.calls.take();
        assert_eq!(requests, ["delete", "insert_with", "store"]);
        site
    }

    async fn deposit(&self, bytes: Vec<u8>, expires: Option<i64>) -> ArtifactId {
        let (size, sha256) = (bytes.len() as u64, digest(&bytes));
        let (id, by) = (ArtifactId::mint(), worker_id().into());
        let mut row = Row::new(id, experiment(), by, size, sha256, time(1));
        row.expires_at = expires.map(time);
        self.backend.store(id, bytes.into()).await.unwrap();
        self.catalog.insert(&row).await.unwrap();
        id
    }

    /// Asserts that the calls since the last time were all in the lane, and these among them.
    #[track_caller]
    fn assert_in_the_lane(&self, expected: &[&str]) {
        let [background, others] = self.calls.take();
        assert_eq!(others, [""; 0], "outside of the lane");
        for name in expected {
            assert!(background.contains(name), "{name}: {background:?}");
        }
    }
}

#[tokio::test]
async fn a_collection_is_in_the_background_lane() {
    let site = Site::new().await;
    // The orphan is older than the grace period.
    let now = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let clock = Arc::new(ManualClock::new(now + Duration::from_hours(48)));
    let config = StoreConfig::default().with_clock(clock);
    let options = CollectOptions::new(&config).with_many_orphans(true);
    let sharing: Arc<dyn SharingRecord> = Arc::new(Recorder {
        calls: Arc::clone(&site.calls),
        inner: Arc::clone(&site.database.sharing),
    });
    let collector =
        Collector::new(site.catalog.clone(), site.backend.clone(), options).with_sharing(sharing);
    collector.run(|_| ()).await;
    site.assert_in_the_lane(&[
        "forget_shares",
        "scan",
        "expired",
        "remove_expired",
        "condemn",
        "delete",
        "stat",
        "sweep",
        "the next blob of a list",
        "ended_uploads",
        "parts_among",
    ]);
    collector.run_alone([1; 16], |_| ()).await.unwrap();
    site.assert_in_the_lane(&["take_lease", "scan"]);
}

#[tokio::test]
async fn a_scrub_is_in_the_background_lane() {
    let site = Site::new().await;
    let options = ScrubOptions::new(&StoreConfig::default());
    let scrubber = Scrubber::new(site.catalog.clone(), site.backend.clone(), options);
    let report = scrubber.run(RowPosition::START, |_| ()).await;
    assert_eq!(report.artifacts, 5);
    site.assert_in_the_lane(&["scan", "download", "the next chunk of a download"]);
    let due = scrubber.run_due(Duration::from_secs(1), [1; 16], |_| ());
    due.await.unwrap();
    site.assert_in_the_lane(&["take_lease", "last_scrub", "record_scrub", "scan"]);
}

#[cfg(feature = "archive")]
#[tokio::test]
async fn an_export_and_an_import_are_in_the_background_lane() {
    let source = Site::empty().await;
    for size in [0, 10, 3_000_000] {
        source.deposit(bytes(size), None).await;
    }
    source.calls.take();
    let options = ExportOptions::default();
    let exporter = Exporter::new(source.catalog.clone(), source.backend.clone(), options);
    let mut archive = Vec::new();
    let experiment = experiment();
    let report = exporter.run(&experiment, &mut archive, |_| ()).await;
    assert_eq!(report.unwrap().artifacts, 3);
    source.assert_in_the_lane(&["scan", "download", "the next chunk of a download"]);

    let target = Site::empty().await;
    let options = ImportOptions::default();
    let importer = Importer::new(target.catalog.clone(), target.backend.clone(), options);
    let report = importer.run(&*archive, |_| ()).await.unwrap();
    assert_eq!((report.is_good(), report.new), (true, 3));
    target.assert_in_the_lane(&["removed", "stage", "publish", "upload", "write", "commit"]);
}

#[cfg(feature = "backup")]
#[tokio::test]
async fn a_backup_reads_the_store_in_the_background_lane() {
    let site = Site::new().await;
    let place = Backend::new(Arc::new(MemBackend::default()) as Arc<dyn ArtifactInventory>);
    let source = Backend::new(site.backend.clone());
    let options = BackupOptions::default().with_keep(NonZero::new(1));
    let backup = Backup::new(&site.database, &source, &place, options);
    let report = backup.run(|_| ()).await;
    assert_eq!((report.is_complete, report.missing), (true, 1));
    site.assert_in_the_lane(&["download", "the next chunk of a download", "missing"]);
    let removed = site.deposit(bytes(13), None).await;
    assert!(backup.run(|_| ()).await.is_complete);
    site.database.inventory.remove(removed).await.unwrap();
    site.calls.take();
    let report = backup.run(|_| ()).await;
    assert_eq!((report.is_complete, report.pruned_blobs), (true, 1));
    site.assert_in_the_lane(&["missing"]);
}

#[tokio::test]
async fn a_migration_is_in_the_background_lane() {
    let site = Site::empty().await;
    for size in [0, 10, 3_000_000] {
        site.deposit(bytes(size), None).await;
    }
    let new: Arc<dyn ArtifactInventory> = Arc::new(MemBackend::default());
    let new = Recorder {
        calls: Arc::clone(&site.calls),
        inner: new,
    };
    let from = NamedBackend::new("mem:a", site.backend.clone());
    let to = NamedBackend::new("mem:b", Arc::new(new));
    site.calls.take();
    let options = MigrateOptions::default().with_delete_source(true);
    let report = Migrator::new(&site.database, from, to, options)
        .run(|_| ())
        .await;
    assert_eq!(
        (report.state, report.copied, report.deleted),
        (MigrateState::Emptied, 3, 3),
        "{report:?}"
    );
    site.assert_in_the_lane(&[
        "scan",
        "download",
        "the next chunk of a download",
        "missing",
        "delete",
    ]);
}
