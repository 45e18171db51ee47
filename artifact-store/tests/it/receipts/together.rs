//! Two servers on one database.

use artifact_store::Database;
use artifact_store::artifact_receipt::{Frontier, TreeHash};
use futures_util::future::join_all;

use super::site::{append_all, checkpoint, host, leaves, numbered, open, proven};

const ROWS: u32 = 1_500;

/// Inserts rows on both servers while both append, and checks that each row has one leaf.
async fn check(databases: [Database; 2]) {
    host(&databases[0]).await;
    let logs = [open(&databases[0]).await, open(&databases[1]).await];
    let inserts = (0..ROWS).map(|n| {
        let catalog = databases[n as usize % 2].catalog.clone();
        tokio::spawn(async move { catalog.insert(&numbered(n)).await.unwrap() })
    });
    let inserts: Vec<_> = inserts.collect();
    let appends = logs.clone().map(|log| {
        tokio::spawn(async move {
            let (mut appended, mut size) = (0, 0);
            while checkpoint(&log).await.size < u64::from(ROWS) {
                // Another server may append all the time.
                appended += log.append_queued().await.unwrap_or(0);
                let signed = checkpoint(&log).await;
                assert!(signed.size >= size, "the log shrank");
                size = signed.size;
            }
            appended
        })
    });
    for insert in join_all(inserts).await {
        insert.unwrap();
    }
    let mut appended = 0;
    for each in join_all(appends).await {
        appended += each.unwrap();
    }
    // A server whose answer said that another was first has not counted its own.
    assert!(appended <= u64::from(ROWS), "{appended}");
    for log in &logs {
        assert_eq!(append_all(log).await, 0);
    }
    let checkpoints = [checkpoint(&logs[0]).await, checkpoint(&logs[1]).await];
    assert_eq!(checkpoints[0], checkpoints[1]);
    assert_eq!(checkpoints[0].size, u64::from(ROWS));
    let mut tree = Frontier::default();
    for hash in leaves(&logs[0], u64::from(ROWS)).await.as_chunks().0 {
        tree.push(TreeHash::from_bytes(*hash));
    }
    assert_eq!(tree.root(), checkpoints[1].root);
    let mut indexes = Vec::new();
    for n in 0..ROWS {
        let index = databases[1].receipts.receipt_index(numbered(n).id).await;
        indexes.push(index.unwrap().unwrap());
    }
    indexes.sort_unstable();
    assert!(indexes.into_iter().eq(0..u64::from(ROWS)));
    for n in (0..ROWS).step_by(97) {
        proven(&logs[n as usize % 2], &numbered(n)).await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_file_append_each_leaf_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = async || {
        let opened = artifact_store::SqliteDatabase::open(&path).await.unwrap();
        Database::new(opened)
    };
    check([database().await, database().await]).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_postgres_database_append_each_leaf_once() {
    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let host = server.database();
    let database = async || Database::new(crate::catalog::postgres::open(&host).await);
    check([database().await, database().await]).await;
}
