//! Rows as notes: what a database misses comes back from the segments, and what was deleted stays deleted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::{ArtifactInventory as _, ByteRange};
use artifact_store::{
    ArtifactId, ArtifactStore, Backend, CatchUp, CatchUpReport, CollectOptions, Collector,
    ContentType, Database, ErrorKind, Experiment, FileName, IdempotencyKey, ManagedStore,
    NewArtifact, Placement, Principal, Quota, QuotaScope, Row, StoreConfig, StoreHalves, authorize,
};
use bytes::Bytes;

use crate::support::{bytes, experiment, time, worker};

/// A folder with a database and a backend, which can be opened again and again.
struct Site {
    folder: tempfile::TempDir,
}

/// An open store.
struct Open {
    database: Database,
    backend: Backend,
    store: ArtifactStore,
    managed: ManagedStore,
    report: CatchUpReport,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("rows.sqlite")
    }

    async fn open(&self) -> Open {
        let path = self.database();
        let database = Database::from_url(path.to_str().unwrap()).await.unwrap();
        let url = format!("pack://{}", self.folder.path().join("blobs").display());
        let backend = Backend::from_url(&url).await.unwrap();
        let catch_up = CatchUp::new(&database, &backend).unwrap();
        let (notes, report) = catch_up.run().await.unwrap();
        let experiment = Experiment::new(experiment(), time(0));
        let created = database.catalog.create_experiment(&experiment);
        created.await.unwrap();
        let store = ArtifactStore::new(
            backend.backend(),
            database.catalog.clone(),
            StoreConfig::default(),
        )
        .with_row_notes(notes);
        let managed = ManagedStore::new(
            store.clone(),
            database.inventory.clone(),
            backend.inventory(),
        );
        Open {
            database,
            backend,
            store,
            managed,
            report,
        }
    }

    /// Copies the files of the database, as a backup of a stopped server has them.
    fn copy_database(&self, to: &str) {
        let to = self.folder.path().join(to);
        for suffix in ["", "-wal"] {
            let from = with_suffix(&self.database(), suffix);
            if from.exists() {
                copy(&from, &with_suffix(&to, suffix));
            }
        }
    }

    /// Replaces the database by a copy.
    fn use_copy(&self, name: &str) {
        self.remove_database();
        let copy_of = self.folder.path().join(name);
        for suffix in ["", "-wal"] {
            let from = with_suffix(&copy_of, suffix);
            if from.exists() {
                copy(&from, &with_suffix(&self.database(), suffix));
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test removes its own files")]
    fn remove_database(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_suffix(&self.database(), suffix));
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "a test copies its own files")]
fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

impl Open {
    async fn deposit(&self, new: NewArtifact, body: &[u8]) -> Arc<Row> {
        let mut deposit = self.store.deposit(new);
        for piece in body.chunks(300_000) {
            deposit.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        deposit.finish().await.unwrap()
    }

    /// Deposits artifacts of many kinds, and returns their rows and bytes.
    async fn deposit_all(&self) -> Vec<(Arc<Row>, Vec<u8>)> {
        let mut deposited = Vec::new();
        for (number, size) in [0, 10, 4_096, 70_000, 2_500_000].into_iter().enumerate() {
            let body = bytes(size + number);
            let plain = NewArtifact::new(experiment(), &worker());
            let full = plain
                .clone()
                .with_content_type(ContentType::clean("text/plain"))
                .with_file_name(FileName::clean("a file.txt"))
                .with_expires_in(std::time::Duration::from_hours(1_000));
            let keyed = plain.clone().with_idempotency_key(key(number));
            for new in [plain, full, keyed] {
                deposited.push((self.deposit(new, &body).await, body.clone()));
            }
        }
        deposited
    }

    /// Checks that each artifact is there, with its row and its bytes.
    async fn check(&self, deposited: &[(Arc<Row>, Vec<u8>)]) {
        for (row, body) in deposited {
            let found = self.database.catalog.get(row.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(&**row));
            let found = self.store.row(&row.experiment, row.id).await.unwrap();
            let grant = authorize(&worker(), found).unwrap();
            let download = self.store.read(&grant, ByteRange::Full).await.unwrap();
            assert!(download.into_bytes().await.unwrap() == *body);
        }
    }

    async fn check_removed(&self, removed: &[ArtifactId]) {
        for id in removed {
            assert_eq!(self.database.catalog.get(*id).await.unwrap(), None);
            let known = self.database.inventory.removed(&[*id]).await.unwrap();
            assert_eq!(known, [*id], "the id never gets a row again");
        }
    }

    async fn remove(&self, id: ArtifactId) {
        let removed = self.managed.remove(&worker(), &experiment(), id).await;
        removed.unwrap();
    }

    /// Ends as a process that is killed: nothing more is written to the database.
    async fn stop(self) {
        self.backend.inventory().close().await;
    }
}

fn key(number: usize) -> IdempotencyKey {
    format!("key-{number}").parse().unwrap()
}

/// Removes each third artifact.
async fn thin_out(
    open: &Open,
    mut deposited: Vec<(Arc<Row>, Vec<u8>)>,
) -> (Vec<(Arc<Row>, Vec<u8>)>, Vec<ArtifactId>) {
    let mut removed = Vec::new();
    for number in (0..deposited.len()).rev().step_by(3) {
        let (row, _) = deposited.remove(number);
        open.remove(row.id).await;
        removed.push(row.id);
    }
    (deposited, removed)
}

#[tokio::test]
async fn rows_of_deposits_are_found_at_once() {
    let site = Site::new();
    let open = site.open().await;
    assert_eq!(open.report.rows, 0);
    let deposited = open.deposit_all().await;
    open.check(&deposited).await;
    let (kept, removed) = thin_out(&open, deposited).await;
    open.check(&kept).await;
    open.check_removed(&removed).await;
}

#[tokio::test]
async fn an_old_copy_of_the_database_catches_up() {
    let site = Site::new();
    let open = site.open().await;
    let before = open.deposit_all().await;
    open.database.close().await.unwrap();
    open.stop().await;
    site.copy_database("yesterday");

    let open = site.open().await;
    assert_eq!((open.report.rows, open.report.removed), (0, 0));
    let (mut kept, mut removed) = thin_out(&open, before).await;
    let (new, gone) = thin_out(&open, open.deposit_all_without_keys().await).await;
    kept.extend(new);
    removed.extend(gone);
    open.stop().await;

    site.use_copy("yesterday");
    let open = site.open().await;
    assert!(
        open.report.rows > 0 && open.report.removed > 0,
        "{:?}",
        open.report
    );
    open.check(&kept).await;
    open.check_removed(&removed).await;
    open.stop().await;

    // What was replayed is recorded.
    let open = site.open().await;
    assert!(!open.report.from_beginning);
    assert_eq!(open.report.events, 0, "{:?}", open.report);
    open.check(&kept).await;
}

#[tokio::test]
async fn a_lost_database_is_filled_from_the_segments() {
    let site = Site::new();
    let open = site.open().await;
    let deposited = open.deposit_all().await;
    let (kept, removed) = thin_out(&open, deposited).await;
    open.stop().await;

    site.remove_database();
    let open = site.open().await;
    assert!(open.report.from_beginning);
    assert_eq!(open.report.experiments, [experiment()]);
    assert_eq!(open.report.without_note, 0);
    open.check(&kept).await;
    open.check_removed(&removed).await;
    // No blob is an orphan.
    let options = CollectOptions::default().with_grace_period(std::time::Duration::ZERO);
    let collector = Collector::new(
        open.database.inventory.clone(),
        open.backend.inventory(),
        options,
    );
    let report = collector.run(|_| {}).await;
    assert_eq!((report.orphans, report.blobs), (0, kept.len() as u64));
}

#[tokio::test]
async fn the_key_of_a_deposit_comes_back_with_its_row() {
    let site = Site::new();
    let open = site.open().await;
    let new = NewArtifact::new(experiment(), &worker()).with_idempotency_key(key(7));
    let first = open.deposit(new.clone(), b"once").await;
    open.stop().await;
    site.remove_database();
    let open = site.open().await;
    let second = open.deposit(new, b"once").await;
    assert_eq!(first, second);
    let blobs = open.backend.inventory().stat(first.id).await.unwrap();
    assert_eq!(blobs.size, 4);
}

#[tokio::test]
async fn blobs_without_a_note_are_counted_and_get_no_row() {
    let site = Site::new();
    let open = site.open().await;
    let plain = ArtifactStore::new(
        open.backend.backend(),
        open.database.catalog.clone(),
        StoreConfig::default(),
    );
    let mut deposit = plain.deposit(NewArtifact::new(experiment(), &worker()));
    deposit.write("without a note".into()).await.unwrap();
    let row = deposit.finish().await.unwrap();
    let foreign = ArtifactId::mint();
    let noted = open.backend.backend().noted().unwrap();
    let stored = noted.store_noted(foreign, "bytes".into(), "not a row".into());
    stored.await.unwrap();
    // The root opens again only when nothing uses it any more.
    drop((plain, noted));
    open.stop().await;
    site.remove_database();
    let open = site.open().await;
    assert_eq!(open.report.without_note, 1);
    assert_eq!(open.report.unreadable, [foreign]);
    assert_eq!(open.report.rows, 0);
    assert_eq!(open.database.catalog.get(row.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_deposit_into_a_missing_experiment_makes_none() {
    let site = Site::new();
    let open = site.open().await;
    let nowhere: artifact_store::ExperimentId = "nowhere".parse().unwrap();
    let stranger = Principal::worker(artifact_store::WorkerId::mint(), nowhere.clone());
    let mut deposit = open
        .store
        .deposit(NewArtifact::new(nowhere.clone(), &stranger));
    deposit.write("bytes".into()).await.unwrap();
    let error = deposit.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    open.stop().await;
    site.remove_database();
    let open = site.open().await;
    let found = open.database.catalog.experiment(&nowhere).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn rows_count_for_a_quota_also_after_a_replay() {
    let site = Site::new();
    let open = site.open().await;
    let admin = Principal::admin();
    let scope = QuotaScope::new(experiment(), None);
    let quota = Quota::default().with_max_artifacts(3_u64);
    open.managed
        .set_quota(&admin, &scope, &quota)
        .await
        .unwrap();
    open.database.close().await.unwrap();
    open.stop().await;
    site.copy_database("yesterday");
    let open = site.open().await;
    let new = || NewArtifact::new(experiment(), &worker());
    for _ in 0..3 {
        open.deposit(new(), b"counted").await;
    }
    open.stop().await;
    site.use_copy("yesterday");
    let open = site.open().await;
    assert_eq!(open.report.rows, 3);
    let mut deposit = open.store.deposit(new());
    let refused = async {
        deposit.write("one more".into()).await?;
        deposit.finish().await.map(drop)
    };
    let error = refused.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
}

#[tokio::test]
async fn a_blob_that_is_moved_to_another_backend_keeps_its_row() {
    let site = Site::new();
    let open = site.open().await;
    let row = open
        .deposit(NewArtifact::new(experiment(), &worker()), b"moved")
        .await;
    let mut placement = Placement::new("s3://new/prefix");
    (placement.epoch, placement.previous) = (1, Some("pack:///old".into()));
    let record = &open.database.placement;
    record.replace_placement(0, &placement).await.unwrap();
    open.backend.inventory().delete(row.id).await.unwrap();
    open.stop().await;
    let open = site.open().await;
    assert_eq!(open.report, CatchUpReport::default());
    let found = open.database.catalog.get(row.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&*row));
}

impl Open {
    async fn deposit_all_without_keys(&self) -> Vec<(Arc<Row>, Vec<u8>)> {
        let mut deposited = Vec::new();
        for size in [1, 5_000, 80_000, 1_500_000] {
            let body = bytes(size);
            let new = NewArtifact::new(experiment(), &worker());
            deposited.push((self.deposit(new, &body).await, body));
        }
        deposited
    }
}

#[tokio::test]
async fn notes_of_another_store_change_nothing() {
    let (ours, theirs) = (Site::new(), Site::new());
    let mut opened = Vec::new();
    for site in [&ours, &theirs] {
        let open = site.open().await;
        StoreHalves::new(&open.database, &open.backend)
            .join()
            .await
            .unwrap();
        opened.push(open);
    }
    let [ours, theirs] = &opened[..] else {
        unreachable!("two were opened")
    };
    let catch_up = CatchUp::new(&ours.database, &theirs.backend).unwrap();
    let refused = catch_up.run().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(
        refused.detail().contains("open those of one store"),
        "{refused}"
    );
    let catch_up = CatchUp::new(&ours.database, &ours.backend).unwrap();
    catch_up.run().await.unwrap();
}
