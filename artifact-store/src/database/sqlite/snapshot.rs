//! One read transaction that returns everything, on a thread of its own.

use std::thread;

use artifact_backend::{BoxError, StoreId};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::{mpsc, oneshot};

use super::connection::{Role, connect};
use super::portable::{Copies, copying};
use crate::database::portable::{DatabaseSnapshot, log_unreadable};
use crate::database::sql::{Decoder, Part, SELECT_STORE_ID};
use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};

const CHUNK_DIGESTS: &str = "\
    SELECT chunk_bytes, blake3, digests, id FROM chunk_digests CROSS JOIN artifact_rows USING (seq) ORDER BY seq";
const REMOVED: &str = "\
    SELECT id FROM artifact_rows INDEXED BY artifact_rows_removed \
    WHERE removed_at IS NOT NULL ORDER BY seq";

/// How many batches wait for their reader.
const WAITING: usize = 2;

/// A snapshot that a thread reads. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct SqliteSnapshot {
    store_id: Option<StoreId>,
    batches: mpsc::Receiver<Result<Batch>>,
    unreadable: u64,
}

#[derive(Debug)]
struct Batch {
    records: Vec<DumpRecord>,
    unreadable: u64,
    is_last: bool,
}

impl SqliteSnapshot {
    /// Begins the transaction. Returns once it has its snapshot.
    pub(super) async fn begin(copies: &Copies) -> Result<Self> {
        let copies = copies.clone();
        let (begun, has_begun) = oneshot::channel();
        let (sender, batches) = mpsc::channel(WAITING);
        let work = move || read(&copies, begun, &sender);
        let thread = thread::Builder::new().name("artifact-snapshot".into());
        thread.spawn(work).map_err(|error| {
            Error::new(ErrorKind::Unavailable, Operation::Dump)
                .with_detail("the thread that reads the database cannot be started; raise the limit of processes and threads (ulimit -u)")
                .with_source(error)
        })?;
        Ok(Self {
            store_id: has_begun.await.unwrap_or_else(|_| Err(ended()))?,
            batches,
            unreadable: 0,
        })
    }
}

#[async_trait]
impl DatabaseSnapshot for SqliteSnapshot {
    fn store_id(&self) -> Option<StoreId> {
        self.store_id
    }

    async fn next(&mut self) -> Result<Option<Vec<DumpRecord>>> {
        // A thread that has ended early sends no last batch.
        let batch = self.batches.recv().await.unwrap_or_else(|| Err(ended()))?;
        self.unreadable += batch.unreadable;
        Ok(Some(batch.records).filter(|_| !batch.is_last))
    }

    fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Dump)
        .with_detail("the thread that reads the database has ended")
}

/// The receiver is gone.
struct Gone;

fn read(
    copies: &Copies,
    begun: oneshot::Sender<Result<Option<StoreId>>>,
    batches: &mpsc::Sender<Result<Batch>>,
) {
    let connection = match connect(&copies.path, Role::Read) {
        Ok(connection) => connection,
        Err(error) => return drop(begun.send(Err(copying(error)))),
    };
    let found = begin(&connection, copies);
    let is_begun = found.is_ok();
    if begun.send(found).is_err() || !is_begun {
        return;
    }
    for part in Part::ALL {
        if let Err(error) = read_part(&connection, part, batches) {
            match error {
                ReadError::Gone(Gone) => {}
                ReadError::Sql(error) => drop(batches.blocking_send(Err(copying(error)))),
            }
            return;
        }
    }
    let last = Batch {
        records: Vec::new(),
        unreadable: 0,
        is_last: true,
    };
    drop(batches.blocking_send(Ok(last)));
}

/// Begins the transaction, and reads the store id, which takes the snapshot.
fn begin(connection: &Connection, copies: &Copies) -> Result<Option<StoreId>> {
    connection.execute_batch("BEGIN").map_err(copying)?;
    let found = connection
        .query_row(SELECT_STORE_ID, [], |row| row.get::<_, Vec<u8>>(0))
        .optional()
        .map_err(copying)?;
    // The connection has opened the log. It must be the log of the writer.
    copies.check()?;
    let decoder = Decoder(Operation::Dump.into());
    let id = found.map(|bytes| decoder.bytes("id", &bytes)).transpose()?;
    Ok(id.map(StoreId::from_bytes))
}

enum ReadError {
    Gone(Gone),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn read_part(
    connection: &Connection,
    part: Part,
    batches: &mpsc::Sender<Result<Batch>>,
) -> Result<(), ReadError> {
    let mut statement = connection.prepare(part.statement(CHUNK_DIGESTS, REMOVED))?;
    let mut rows = statement.query([])?;
    let mut batch = new_batch();
    while let Some(row) = rows.next()? {
        match part.read(row) {
            Ok(record) => batch.records.push(record),
            Err(error) => {
                log(part, &error);
                batch.unreadable += 1;
                batch.records.extend(part.substitute(row));
            }
        }
        if batch.records.len() >= part.batch() {
            send(batches, std::mem::replace(&mut batch, new_batch()))?;
        }
    }
    if batch.records.is_empty() && batch.unreadable == 0 {
        return Ok(());
    }
    send(batches, batch)
}

fn log(part: Part, error: &BoxError) {
    log_unreadable(part.as_str(), &**error);
}

fn new_batch() -> Batch {
    Batch {
        records: Vec::new(),
        unreadable: 0,
        is_last: false,
    }
}

fn send(batches: &mpsc::Sender<Result<Batch>>, batch: Batch) -> Result<(), ReadError> {
    let sent = batches.blocking_send(Ok(batch));
    sent.map_err(|_| ReadError::Gone(Gone))
}
