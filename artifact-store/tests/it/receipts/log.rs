//! What the log of any database does.

use artifact_store::artifact_receipt::{
    Frontier, KeyName, ReceiptFile, TileId, TreeHash, verify_consistency,
};
use artifact_store::{Database, ErrorKind, ReceiptLog};

use super::site::{
    NAME, append_all, checkpoint, grant, host, in_memory, insert, key_of, leaves, numbered, open,
    proven, verify,
};

async fn check(database: Database) {
    let before = numbered(1_000_000);
    database.catalog.insert(&before).await.unwrap();
    assert_eq!(database.receipts.receipt_log().await.unwrap(), None);
    let log = open(&database).await;
    assert_eq!(checkpoint(&log).await.size, 0);
    assert_eq!(log.append_queued().await.unwrap(), 0);

    // A receipt is there at once, and says what the one with the proof says.
    insert(&database, 0..3).await;
    let signed = log.sign(&numbered(1)).unwrap().to_string();
    let alone = verify(&log, &signed, &numbered(1));
    assert_eq!(alone.index, None);
    let shown = proven(&log, &numbered(1)).await;
    assert_eq!((shown.statement, shown.index), (alone.statement, Some(1)));
    assert_eq!(shown.checkpoint.unwrap().size, 3);

    // A row that was there before the log has none.
    let error = log.receipt(&grant(&before)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");

    // A removed row that was not in the log yet is there afterwards.
    let removed = numbered(3);
    database.catalog.insert(&removed).await.unwrap();
    database.inventory.remove(removed.id).await.unwrap();
    assert_eq!(append_all(&log).await, 1);
    let index = database.receipts.receipt_index(removed.id).await.unwrap();
    assert_eq!(index, Some(3));

    // More than one batch, and more than one tile.
    let old = checkpoint(&log).await;
    for (numbers, appended) in [(4..700, 696), (700..1_300, 600)] {
        insert(&database, numbers).await;
        assert_eq!(append_all(&log).await, appended);
    }
    let new = checkpoint(&log).await;
    assert_eq!((old.size, new.size), (4, 1_300));
    for n in [0, 255, 256, 1_000, 1_299] {
        let verified = proven(&log, &numbered(n)).await;
        assert_eq!(verified.index, Some(u64::from(n)));
    }

    // The tiles are those of the tree.
    let hashes = leaves(&log, 1_300).await;
    let mut tree = Frontier::default();
    for hash in hashes.as_chunks().0 {
        tree.push(TreeHash::from_bytes(*hash));
    }
    assert_eq!((tree.size(), tree.root()), (1_300, new.root));
    let full = TileId::parse("1/000.p/5").unwrap();
    assert_eq!(log.tile(full).await.unwrap().unwrap().len(), 5 * 32);
    for absent in ["1/000.p/6", "0/005.p/21", "0/006.p/1", "0/005", "2/000.p/1"] {
        let tile = TileId::parse(absent).unwrap();
        assert_eq!(log.tile(tile).await.unwrap(), None, "{absent}");
    }

    // After a restart, the log goes on.
    let again = open(&database).await;
    assert_eq!(checkpoint(&again).await, new);
    insert(&database, 1_300..1_302).await;
    let signed = again.sign(&numbered(1_301)).unwrap().to_string();
    let restarted = open(&database).await;
    assert_eq!(
        proven(&restarted, &numbered(1_301)).await.index,
        Some(1_301)
    );
    verify(&restarted, &signed, &numbered(1_301));
    verify_consistency((0, TreeHash::of_nothing()), (new.size, new.root), &[]).unwrap();
    assert_eq!(checkpoint(&log).await, checkpoint(&restarted).await);
}

#[tokio::test]
async fn a_batch_has_at_most_4_000_artifacts() {
    let database = in_memory().await;
    let log = open(&database).await;
    insert(&database, 0..4_001).await;
    let queued = async |limit| {
        let queued = database.receipts.queued_receipts(limit).await;
        queued.unwrap().len()
    };
    assert_eq!((queued(0).await, queued(3).await), (1, 3));
    assert_eq!(queued(u32::MAX).await, 4_000);
    assert_eq!(log.append_queued().await.unwrap(), 4_000);
    assert_eq!(log.append_queued().await.unwrap(), 1);
    assert_eq!(log.append_queued().await.unwrap(), 0);
    for n in [0, 3_999, 4_000] {
        assert_eq!(proven(&log, &numbered(n)).await.index, Some(u64::from(n)));
    }
}

#[tokio::test]
async fn memory_keeps_a_log() {
    check(in_memory().await).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_keeps_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = Database::new(artifact_store::SqliteDatabase::open(path).await.unwrap());
    host(&database).await;
    check(database).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_keeps_a_log() {
    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let host_of_it = server.database();
    let database = Database::new(crate::catalog::postgres::open(&host_of_it).await);
    host(&database).await;
    check(database).await;
    for statement in [
        "UPDATE artifact.receipt_log SET size = size - 1",
        "UPDATE artifact.receipt_log SET origin = 'other'",
        "DELETE FROM artifact.receipt_log",
        "UPDATE artifact.receipt_nodes SET hash = hash",
        "DELETE FROM artifact.receipt_nodes",
        "TRUNCATE artifact.receipt_nodes",
    ] {
        let refused = host_of_it.refused_sql(statement);
        assert!(refused.contains("only grows"), "{statement}: {refused}");
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_file_refuses_to_change_or_shrink_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = Database::new(artifact_store::SqliteDatabase::open(&path).await.unwrap());
    host(&database).await;
    let triggers = || {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let count = "SELECT count(*) FROM sqlite_schema WHERE name = 'artifact_rows_queued'";
        connection.query_row(count, [], |row| row.get::<_, i64>(0))
    };
    // Without a log, no row pays for it.
    insert(&database, 0..1).await;
    assert_eq!(triggers().unwrap(), 0);
    let log = open(&database).await;
    assert_eq!(triggers().unwrap(), 1);
    insert(&database, 1..3).await;
    append_all(&log).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    for statement in [
        "UPDATE receipt_log SET size = size - 1",
        "UPDATE receipt_log SET origin = 'other'",
        "DELETE FROM receipt_log",
        "UPDATE receipt_nodes SET hash = hash",
        "DELETE FROM receipt_nodes",
    ] {
        let error = connection.execute(statement, []).unwrap_err();
        assert!(error.to_string().contains("only grows"), "{error}");
    }
    assert_eq!(checkpoint(&log).await.size, 2);
}

#[tokio::test]
async fn a_log_keeps_its_name_and_may_get_another_key() {
    let database = in_memory().await;
    let log = open(&database).await;
    insert(&database, 0..2).await;
    let old = log.sign(&numbered(0)).unwrap().to_string();
    append_all(&log).await;
    let other = ReceiptLog::open(database.receipts.clone(), key_of("example.com/other", 7));
    let error = other.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains(NAME), "{error}");

    let key = key_of(NAME, 8);
    let new = ReceiptLog::open(database.receipts.clone(), key)
        .await
        .unwrap();
    assert_eq!(new.verifier().name(), &NAME.parse::<KeyName>().unwrap());
    assert_ne!(new.verifier(), log.verifier());
    // The leaf is the same, so the receipt by the old key is proven by the checkpoint of the new one.
    let with_proof = new.receipt(&grant(&numbered(0))).await.unwrap().to_string();
    let proof = &with_proof[with_proof.find("\nc2sp.org").unwrap()..];
    let file = ReceiptFile::parse(&format!("{old}{proof}"));
    let verified = file.unwrap().verify(&[log.verifier(), new.verifier()]);
    assert_eq!(verified.unwrap().index, Some(0));
}
