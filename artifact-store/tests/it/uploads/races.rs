//! Several servers at the same time.

use std::sync::Arc;

use artifact_store::{Database, ErrorKind};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::site::Site;
use crate::support::{bytes, experiment, worker};

const SERVERS: usize = 8;

pub(super) async fn of_appends_at_the_same_time_one_wins(database: Database) {
    let site = Site::on(&database);
    let id = site.create(20).await;
    let file = bytes(20);
    let mut offset = 0;
    while offset < 20 {
        let barrier = Arc::new(Barrier::new(SERVERS));
        let mut appends = JoinSet::new();
        for _ in 0..SERVERS {
            let (server, barrier, file) = (site.restarted(), barrier.clone(), file.clone());
            appends.spawn(async move {
                let mut append = server.begin(id, offset).await.unwrap();
                barrier.wait().await;
                let from = usize::try_from(offset).unwrap();
                append.write(file[from..from + 5].to_vec().into()).await?;
                append.finish().await
            });
        }
        let mut won = 0;
        for outcome in appends.join_all().await {
            match outcome {
                Ok(session) => {
                    assert_eq!(session.offset, offset + 5);
                    won += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::OffsetMismatch, "{error}"),
            }
        }
        // Two servers may each have recorded one of the two parts.
        assert!(won <= 1);
        let reached = site.find(id).await.unwrap().offset;
        assert_eq!(reached, offset + 5);
        offset = reached;
    }
    let parts = site.catalog.list_parts(id, 0, 100).await.unwrap();
    assert_eq!(site.blobs.len(), parts.len(), "the losers leave no blob");
    let row = site.complete(id).await.unwrap();
    assert_eq!(site.bytes_of(row.id).await, file);
}

pub(super) async fn completions_at_the_same_time_make_one_artifact(database: Database) {
    let site = Site::on(&database);
    let file = bytes(40);
    let id = site.create(40).await;
    site.append(id, 0, &file).await.unwrap();
    let barrier = Arc::new(Barrier::new(SERVERS));
    let mut completions = JoinSet::new();
    for _ in 0..SERVERS {
        let (server, barrier) = (site.restarted(), barrier.clone());
        completions.spawn(async move {
            barrier.wait().await;
            server.complete(id).await
        });
    }
    let mut ids = Vec::new();
    for outcome in completions.join_all().await {
        ids.push(outcome.unwrap().id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "all get the same artifact");
    assert_eq!(site.bytes_of(ids[0]).await, file);
    let session = site.uploads.find(&worker(), &experiment(), id).await;
    assert_eq!(session.unwrap().artifact, Some(ids[0]));
    assert_eq!(site.artifacts().await.len(), 1);
}
