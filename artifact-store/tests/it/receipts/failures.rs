//! Lost answers, and databases that are replaced.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use artifact_store::artifact_receipt::{KeyName, LogSecret, TreeHash};
use artifact_store::{
    ArtifactId, Database, Error, ErrorKind, MemoryDatabase, Operation, QueuedReceipt, ReceiptBatch,
    ReceiptLog, ReceiptLogState, ReceiptRecord, Result,
};
use async_trait::async_trait;

use super::site::{
    NAME, append_all, checkpoint, in_memory, insert, key_of, numbered, open, proven,
};
use crate::dump::{dump, load};

/// Records that can be replaced, and whose appends can fail before or after they are done.
#[derive(Debug)]
struct Faulty {
    inner: Mutex<Arc<dyn ReceiptRecord>>,
    before: AtomicBool,
    after: AtomicBool,
}

impl Faulty {
    fn new(database: &Database) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(database.receipts.clone()),
            before: AtomicBool::new(false),
            after: AtomicBool::new(false),
        })
    }

    fn inner(&self) -> Arc<dyn ReceiptRecord> {
        self.inner.lock().unwrap().clone()
    }
}

fn fails(fault: &AtomicBool) -> Result<()> {
    if fault.swap(false, Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Unavailable, Operation::Receipt));
    }
    Ok(())
}

#[async_trait]
impl ReceiptRecord for Faulty {
    async fn begin_receipt_log(
        &self,
        origin: &KeyName,
        secret: &LogSecret,
    ) -> Result<ReceiptLogState> {
        self.inner().begin_receipt_log(origin, secret).await
    }

    async fn receipt_log(&self) -> Result<Option<ReceiptLogState>> {
        self.inner().receipt_log().await
    }

    async fn queued_receipts(&self, limit: u32) -> Result<Vec<QueuedReceipt>> {
        self.inner().queued_receipts(limit).await
    }

    async fn append_receipts(&self, batch: &ReceiptBatch) -> Result<bool> {
        fails(&self.before)?;
        let appended = self.inner().append_receipts(batch).await?;
        fails(&self.after)?;
        Ok(appended)
    }

    async fn receipt_nodes(&self, level: u8, nodes: Range<u64>) -> Result<Vec<TreeHash>> {
        self.inner().receipt_nodes(level, nodes).await
    }

    async fn receipt_index(&self, id: ArtifactId) -> Result<Option<u64>> {
        self.inner().receipt_index(id).await
    }
}

async fn log_of(record: &Arc<Faulty>) -> ReceiptLog {
    let record: Arc<dyn ReceiptRecord> = record.clone();
    ReceiptLog::open(record, key_of(NAME, 7)).await.unwrap()
}

#[tokio::test]
async fn each_leaf_is_appended_once_whatever_becomes_of_the_answer() {
    let database = in_memory().await;
    let record = Faulty::new(&database);
    let log = log_of(&record).await;
    let mut size = 0;
    for round in 0..40 {
        insert(&database, round * 10..round * 10 + 10).await;
        let fault = if round % 2 == 0 {
            &record.before
        } else {
            &record.after
        };
        fault.store(round % 3 != 0, Ordering::Relaxed);
        if round % 3 != 0 {
            let error = log.append_queued().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
        append_all(&log).await;
        size += 10;
        assert_eq!(checkpoint(&log).await.size, size);
    }
    for n in 0..400 {
        assert_eq!(proven(&log, &numbered(n)).await.index, Some(u64::from(n)));
    }
    // The edge that this process kept is that of the stored tree.
    assert_eq!(
        checkpoint(&log).await,
        checkpoint(&open(&database).await).await
    );
}

#[tokio::test]
async fn no_checkpoint_is_signed_for_an_older_copy_or_for_a_fork() {
    let database = in_memory().await;
    let record = Faulty::new(&database);
    let log = log_of(&record).await;
    insert(&database, 0..3).await;
    append_all(&log).await;
    let copy = Database::new(MemoryDatabase::new());
    let (id, records) = dump(&database).await;
    load(&copy, id, &records).await.unwrap();
    insert(&database, 3..5).await;
    append_all(&log).await;
    let signed = checkpoint(&log).await;
    assert_eq!(signed.size, 5);

    // The copy is shorter.
    *record.inner.lock().unwrap() = copy.receipts.clone();
    let error = log.checkpoint().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");

    // It is longer, and has other leaves.
    insert(&copy, 100..104).await;
    let other = open(&copy).await;
    assert_eq!(append_all(&other).await, 4);
    assert_eq!(checkpoint(&other).await.size, 7);
    let error = log.checkpoint().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");

    // The right database is accepted again.
    *record.inner.lock().unwrap() = database.receipts.clone();
    insert(&database, 5..6).await;
    append_all(&log).await;
    assert_eq!(checkpoint(&log).await.size, 6);
}

#[tokio::test]
async fn a_dropped_append_is_done_or_not_done() {
    let database = in_memory().await;
    let log = open(&database).await;
    insert(&database, 0..50).await;
    drop(log.append_queued());
    let append = log.append_queued();
    futures_util::pin_mut!(append);
    let _ = crate::support::poll_once(append);
    append_all(&log).await;
    assert_eq!(checkpoint(&log).await.size, 50);
    assert_eq!(proven(&log, &numbered(49)).await.index, Some(49));
}
