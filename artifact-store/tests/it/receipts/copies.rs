//! Copies of databases with a log.

use artifact_store::{Database, DumpRecord, ErrorKind, MemoryDatabase};

use super::site::{append_all, checkpoint, in_memory, insert, numbered, open, proven};
use crate::dump::{dump, load};

/// Returns a database with 300 leaves, of which one is of a removed row, and two rows in the queue.
async fn filled() -> Database {
    let database = in_memory().await;
    let log = open(&database).await;
    insert(&database, 0..300).await;
    append_all(&log).await;
    database.inventory.remove(numbered(7).id).await.unwrap();
    insert(&database, 300..302).await;
    database
}

/// Copies a database into an empty one, and checks that the copy has the same log and goes on with it.
async fn check(from: &Database, to: &Database) {
    let before = checkpoint(&open(from).await).await;
    let (id, records) = dump(from).await;
    load(to, id, &records).await.unwrap();
    assert_eq!(dump(to).await.1.len(), records.len());
    let log = open(to).await;
    assert_eq!(checkpoint(&log).await, before);
    assert_eq!(before.size, 300);
    assert_eq!(append_all(&log).await, 2);
    insert(to, 302..303).await;
    assert_eq!(proven(&log, &numbered(302)).await.index, Some(302));
    assert_eq!(proven(&log, &numbered(301)).await.index, Some(301));
    assert_eq!(proven(&log, &numbered(0)).await.index, Some(0));
}

fn memory() -> Database {
    Database::new(MemoryDatabase::new())
}

#[tokio::test]
async fn a_copy_in_memory_goes_on_with_the_log() {
    check(&filled().await, &memory()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_copy_in_a_file_goes_on_with_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name| {
        let path = folder.path().join(name);
        Database::new(artifact_store::SqliteDatabase::open(path).await.unwrap())
    };
    let source = filled().await;
    check(&source, &open("one").await).await;
    let middle = open("two").await;
    let (id, records) = dump(&source).await;
    load(&middle, id, &records).await.unwrap();
    check(&middle, &memory()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_copy_in_postgres_goes_on_with_the_log() {
    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let hosts = [server.database(), server.database()];
    let source = filled().await;
    let [one, middle] = [
        crate::catalog::postgres::open(&hosts[0]).await,
        crate::catalog::postgres::open(&hosts[1]).await,
    ]
    .map(Database::new);
    check(&source, &one).await;
    let (id, records) = dump(&source).await;
    load(&middle, id, &records).await.unwrap();
    check(&middle, &memory()).await;
}

#[tokio::test]
async fn a_copy_that_lacks_an_entry_is_refused() {
    let (id, mut records) = dump(&filled().await).await;
    let at = records
        .iter()
        .position(|record| matches!(record, DumpRecord::Receipt { index: 20, .. }));
    records.remove(at.unwrap());
    let error = load(&memory(), id, &records).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.detail().contains("entry 20"), "{error}");
}

#[cfg(feature = "backup")]
#[tokio::test]
async fn the_log_is_in_the_text_of_a_dump() {
    use artifact_store::{DumpDecoder, DumpEncoder, DumpHeader, Timestamp};

    let (_, records) = dump(&filled().await).await;
    let mut text = Vec::new();
    let header = DumpHeader::new(None, Timestamp::UNIX_EPOCH);
    let mut encoder = DumpEncoder::begin(&header, &mut text);
    for record in &records {
        encoder.push(record, &mut text);
    }
    let counts = encoder.finish(0, &mut text);
    assert_eq!((counts.receipts, counts.queued_receipts), (300, 2));
    let (mut decoder, mut read) = (DumpDecoder::default(), Vec::new());
    decoder.push(&text, &mut read).unwrap();
    assert_eq!(decoder.finish().unwrap(), counts);
    assert_eq!(read, records);
}
