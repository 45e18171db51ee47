//! The records of chunk digests: made by a deposit, missing, damaged.

use artifact_backend::ByteRange;
use artifact_store::{Catalog as _, ErrorKind};

use super::memory::old_row;
use super::site::{Outcome, Site, read};
use crate::support::{bytes, chunk_digests};

#[tokio::test]
async fn deposits_record_the_digests_of_more_than_one_chunk() {
    let site = Site::new().await;
    // The last two are streamed.
    for size in [
        0, 1, 65_536, 65_537, 300_000, 1_048_576, 1_048_577, 3_000_000,
    ] {
        let content = bytes(size);
        let id = site.deposit(&content).await;
        let recorded = site.catalog.chunk_digests(id).await.unwrap();
        assert_eq!(recorded, chunk_digests(&content), "{size}");
        assert_eq!(recorded.is_some(), size > 65_536);
    }
}

#[tokio::test]
async fn ranges_of_rows_without_digests_are_not_verified() {
    let site = Site::new().await;
    let content = bytes(300_000);
    let id = old_row(&site, &content).await;
    assert_eq!(read(&site.store, id, 5..9).await.bytes, content[5..9]);
    site.flip(id, 7);
    let outcome = read(&site.restarted(), id, 5..9).await;
    assert_eq!((outcome.bytes.len(), outcome.error), (4, None));
    // As soon as there are some, they are.
    assert_eq!(
        read(&site.store, id, ByteRange::Full).await.error,
        Some(ErrorKind::Corrupt)
    );
}

#[tokio::test]
async fn a_range_of_a_removed_artifact_is_not_served_unverified() {
    let site = Site::new().await;
    let id = site.deposit(&bytes(300_000)).await;
    let store = site.restarted();
    store.row(&crate::support::experiment(), id).await.unwrap();
    // By another process: this store still has the row in its cache.
    site.catalog.delete(id).await.unwrap();
    let outcome = read(&store, id, 5..9).await;
    let gone = Outcome {
        bytes: Vec::new(),
        error: Some(ErrorKind::NotFound),
    };
    assert_eq!(outcome, gone);
    assert_eq!(read(&store, id, 5..9).await, gone);
}

#[cfg(feature = "sqlite")]
mod damaged {
    use std::sync::Arc;

    use artifact_backend::ByteRange;
    use artifact_backend_mem::MemBackend;
    use artifact_store::{
        ArtifactStore, Catalog as _, ErrorKind, Experiment, RowPosition, ScrubEvent, ScrubOptions,
        Scrubber, SqliteDatabase, StoreConfig,
    };
    use bytes::Bytes;

    use super::super::site::read;
    use crate::support::{bytes, experiment, time, worker};

    #[tokio::test]
    async fn damaged_digests_fail_ranges_and_nothing_else_and_a_scrub_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.sqlite");
        let rows = Arc::new(SqliteDatabase::open(&path).await.unwrap());
        let home = Experiment::new(experiment(), time(0));
        rows.create_experiment(&home).await.unwrap();
        let blobs = Arc::new(MemBackend::default());
        let config = StoreConfig::default().with_verified_cache_bytes(0);
        let store = || ArtifactStore::new(blobs.clone(), rows.clone(), config.clone());
        let content = bytes(300_000);
        let mut deposit =
            store().deposit(artifact_store::NewArtifact::new(experiment(), &worker()));
        deposit.write(Bytes::from(content.clone())).await.unwrap();
        let id = deposit.finish().await.unwrap().id;
        let good = rows.chunk_digests(id).await.unwrap().unwrap();
        let shell = rusqlite::Connection::open(&path).unwrap();
        let refused = shell.execute("UPDATE chunk_digests SET chunk_bytes = 131072", []);
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("digests never change")
        );
        shell
            .execute("DROP TRIGGER chunk_digests_never_change", [])
            .unwrap();
        let restore = || {
            let columns = (
                good.chunk_bytes().cast_signed(),
                good.blake3(),
                good.as_bytes(),
            );
            shell
                .execute(
                    "UPDATE chunk_digests SET chunk_bytes = $1, blake3 = $2, digests = $3",
                    columns,
                )
                .unwrap();
        };
        for damage in [
            "digests = zeroblob(160)",
            "digests = substr(digests, 1, 128)",
            "blake3 = zeroblob(32)",
            "chunk_bytes = 131072",
            "chunk_bytes = 65537",
        ] {
            let sql = format!("UPDATE chunk_digests SET {damage}");
            shell.execute(&sql, []).unwrap();
            let store = store();
            for _ in 0..2 {
                let outcome = read(&store, id, 5..9).await;
                assert_eq!(
                    (outcome.bytes.len(), outcome.error),
                    (0, Some(ErrorKind::Corrupt)),
                    "{damage}"
                );
                // The bytes themselves are sound.
                assert_eq!(
                    read(&store, id, ByteRange::Full).await.bytes,
                    content,
                    "{damage}"
                );
            }
            let mut found = Vec::new();
            let scrubber = Scrubber::new(rows.clone(), blobs.clone(), ScrubOptions::new(&config));
            let report = scrubber
                .run(RowPosition::START, |event| {
                    if let ScrubEvent::Found(finding) = event {
                        found.push((finding.as_str(), finding.id()));
                    }
                })
                .await;
            assert_eq!(found, [("corrupt", id)], "{damage}");
            assert_eq!((report.corrupt, report.is_complete()), (1, true));
            restore();
            assert_eq!(read(&store, id, 5..9).await.bytes, content[5..9]);
        }
    }
}
