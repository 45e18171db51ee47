//! Imports while the blobs move: no row becomes visible whose bytes would be left behind.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};
use artifact_store::{
    ArtifactId, ErrorKind, ExportOptions, Exporter, ImportOptions, ImportReport, Importer,
    MigrateState, Principal, Result, RowFilter, RowPosition,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::oneshot;

use super::site::Site;
use crate::support::experiment;

const SIZES: [usize; 4] = [3, 600, 0, 70_000];

/// Returns the archive of another store, and the ids in it.
async fn archive() -> (Vec<u8>, Vec<ArtifactId>) {
    let site = Site::new().await;
    let server = site.server("a").await;
    let mut ids = Vec::new();
    for size in SIZES {
        ids.push(server.deposit(&vec![1; size]).await.unwrap().id);
    }
    let catalog = Arc::clone(&site.database.inventory);
    let exporter = Exporter::new(catalog, site.storage("a"), ExportOptions::default());
    let mut archive = Vec::new();
    let experiment = experiment();
    let export = exporter.run(&experiment, &mut archive, |_| ());
    export.await.unwrap();
    (archive, ids)
}

/// An empty part of an archive, which says when it is read, and ends when its channel says so.
struct Gate(Option<oneshot::Sender<()>>, oneshot::Receiver<()>);

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(reached) = self.0.take() {
            reached.send(()).unwrap();
        }
        let is_open = Pin::new(&mut self.1).poll(context);
        is_open.map(|open| open.map_err(std::io::Error::other))
    }
}

async fn importer(site: &Site, setting: &str) -> Importer {
    let placed = site.placed(setting).await.unwrap();
    let catalog = Arc::clone(&site.database.inventory);
    Importer::placed(catalog, placed, ImportOptions::default())
}

async fn import(
    site: &Site,
    setting: &str,
    archive: impl AsyncRead + Unpin + Send,
) -> Result<ImportReport> {
    importer(site, setting).await.run(archive, |_| ()).await
}

async fn assert_has_all(site: &Site, setting: &str, ids: &[ArtifactId]) {
    let server = site.server(setting).await;
    for (id, size) in ids.iter().zip(SIZES) {
        assert_eq!(server.fetch(*id).await.unwrap(), vec![1; size]);
        assert!(site.has_blob(setting, *id).await);
    }
}

async fn assert_has_none(site: &Site, ids: &[ArtifactId]) {
    assert_eq!(site.database.inventory.missing(ids).await.unwrap(), ids);
}

#[tokio::test]
async fn an_archive_is_imported_after_a_migration() {
    let (archive, ids) = archive().await;
    let site = Site::new().await;
    let (report, _) = site.migrate("a", "b").await;
    assert_eq!(report.state, MigrateState::Done);
    let report = import(&site, "b", &archive[..]).await.unwrap();
    assert_eq!(report.new, 4);
    assert_has_all(&site, "b", &ids).await;
    let report = import(&site, "b", &archive[..]).await.unwrap();
    assert_eq!((report.new, report.already_here), (0, 4));
}

#[tokio::test]
async fn an_importer_that_does_not_follow_the_placement_is_refused_after_a_migration() {
    let (archive, ids) = archive().await;
    let site = Site::new().await;
    site.migrate("a", "b").await;
    let catalog = Arc::clone(&site.database.inventory);
    let importer = Importer::new(catalog, site.storage("b"), ImportOptions::default());
    let error = importer.run(&archive[..], |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_has_none(&site, &ids).await;
}

/// The bytes are in the old backend, and the rows come after the whole migration.
#[tokio::test]
async fn an_import_from_before_a_migration_publishes_nothing_after_it() {
    let (archive, ids) = archive().await;
    for rest in [512, 3_000] {
        let site = Site::new().await;
        let importer = importer(&site, "a").await;
        let (reached, is_there) = oneshot::channel();
        let (open, is_open) = oneshot::channel();
        let (first, last) = archive.split_at(archive.len() - rest);
        let gate = Gate(Some(reached), is_open);
        let reader = first.chain(gate).chain(last);
        let migrate = async {
            is_there.await.unwrap();
            let (report, _) = site.migrate("a", "b").await;
            assert_eq!(report.state, MigrateState::Done);
            open.send(()).unwrap();
        };
        let (outcome, ()) = tokio::join!(importer.run(reader, |_| ()), migrate);
        let error = outcome.unwrap_err();
        assert!(site.has_blob("a", ids[0]).await && !site.has_blob("b", ids[0]).await);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.detail().contains("moved to another one"), "{error}");
        assert_has_none(&site, &ids).await;

        import(&site, "b", &archive[..]).await.unwrap();
        assert_has_all(&site, "b", &ids).await;
    }
}

/// Leaves the blobs of an import in `a`, and begins a migration to `b` that does not end, because a blob is lost.
async fn with_blobs_of_a_stopped_import(archive: &[u8], ids: &[ArtifactId]) -> Site {
    let site = Site::new().await;
    let lost = site.server("a").await.deposit(b"lost").await.unwrap().id;
    site.storage("a").mem.delete(lost).await.unwrap();
    let stopped = import(&site, "a", &archive[..archive.len() - 512]).await;
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Corrupt);
    for id in ids {
        assert!(site.has_blob("a", *id).await);
    }
    let (report, _) = site.migrate("a", "b").await;
    assert_eq!(report.state, MigrateState::Copying);
    site
}

/// Removes the artifact whose blob is lost, and ends the migration.
async fn end(site: &Site) {
    let inventory = &site.database.inventory;
    let all = RowFilter::default();
    let page = inventory.scan(&all, RowPosition::START, 10).await.unwrap();
    let lost = page.rows[0].id;
    let managed = site.server("b").await.managed;
    managed
        .remove(&Principal::admin(), &experiment(), lost)
        .await
        .unwrap();
    let (report, _) = site.migrate("a", "b").await;
    assert_eq!(report.state, MigrateState::Done, "{report:?}");
}

#[tokio::test]
async fn blobs_that_an_import_finds_in_the_old_backend_move_with_the_others() {
    let (archive, ids) = archive().await;
    let site = with_blobs_of_a_stopped_import(&archive, &ids).await;
    let report = import(&site, "b", &archive[..]).await.unwrap();
    assert_eq!(report.new, 4);
    assert!(!site.has_blob("b", ids[0]).await);
    end(&site).await;
    assert_has_all(&site, "b", &ids).await;
}

/// After the fence nothing more is copied that had no row, so a blob that is found there cannot get one.
#[tokio::test]
async fn blobs_that_an_import_finds_in_the_old_backend_get_no_row_after_the_fence() {
    let (archive, ids) = archive().await;
    let site = with_blobs_of_a_stopped_import(&archive, &ids).await;
    let mut fenced = site.database.placement.placement().await.unwrap().unwrap();
    fenced.fence = fenced.epoch;
    let raised = site.database.placement.replace_placement(1, &fenced);
    raised.await.unwrap();
    // Only some of them are found, which is enough.
    for id in &ids[1..] {
        site.storage("a").mem.delete(*id).await.unwrap();
    }
    let error = import(&site, "b", &archive[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_has_none(&site, &ids).await;
    end(&site).await;
    import(&site, "b", &archive[..]).await.unwrap();
    assert_has_all(&site, "b", &ids).await;
}

/// Without blobs from before, an import needs no look at the old backend.
#[tokio::test]
async fn an_import_between_the_fence_and_the_end_is_published() {
    let (archive, ids) = archive().await;
    let site = with_blobs_of_a_stopped_import(&archive, &ids).await;
    for id in &ids {
        site.storage("a").mem.delete(*id).await.unwrap();
    }
    let mut fenced = site.database.placement.placement().await.unwrap().unwrap();
    fenced.fence = fenced.epoch;
    let raised = site.database.placement.replace_placement(1, &fenced);
    raised.await.unwrap();
    import(&site, "b", &archive[..]).await.unwrap();
    end(&site).await;
    assert_has_all(&site, "b", &ids).await;
    assert_eq!(
        site.storage("a").mem.stat(ids[0]).await.unwrap_err().id(),
        Some(ids[0])
    );
}
