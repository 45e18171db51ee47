//! One read-only transaction whose snapshot returns everything.

use artifact_backend::StoreId;
use async_trait::async_trait;

use super::PostgresDatabase;
use super::portable::{OpenTransaction, copying};
use crate::database::portable::{DatabaseSnapshot, log_unreadable};
use crate::database::sql::{Columns as _, Decoder, Part, SELECT_STORE_ID};
use crate::dump::DumpRecord;
use crate::error::{Operation, Result};

const CHUNK_DIGESTS: &str = "\
    SELECT chunk_bytes, blake3, digests, id FROM chunk_digests JOIN artifact_rows USING (id) ORDER BY seq";
const REMOVED: &str = "SELECT id FROM removals ORDER BY seq";

/// A transaction with a cursor over the current part.
#[derive(Debug)]
pub(super) struct PostgresSnapshot {
    transaction: OpenTransaction,
    store_id: Option<StoreId>,
    parts: std::array::IntoIter<Part, 9>,
    part: Option<Part>,
    unreadable: u64,
}

impl PostgresSnapshot {
    /// Begins the transaction. Its first query takes the snapshot.
    pub(super) async fn begin(database: &PostgresDatabase) -> Result<Self> {
        let mode = "REPEATABLE READ READ ONLY";
        let transaction = OpenTransaction::begin(database, mode).await?;
        let found = transaction.query(SELECT_STORE_ID, &[]).await;
        let found = found.map_err(copying)?;
        let decoder = Decoder(Operation::Dump.into());
        let id = found.first().map(|row| {
            let bytes = row.bytes(0).map_err(copying)?;
            Ok::<_, crate::Error>(StoreId::from_bytes(decoder.bytes("id", &bytes)?))
        });
        Ok(Self {
            transaction,
            store_id: id.transpose()?,
            parts: Part::ALL.into_iter(),
            part: None,
            unreadable: 0,
        })
    }

    /// Reads the next records of the current part. Returns none at its end.
    async fn fetch(&mut self, part: Part) -> Result<Vec<DumpRecord>> {
        loop {
            let fetch = format!("FETCH {} FROM copied", part.batch());
            let rows = self.transaction.query(&fetch, &[]).await;
            let rows = rows.map_err(copying)?;
            let mut records = Vec::with_capacity(rows.len());
            for row in &rows {
                match part.read(row) {
                    Ok(record) => records.push(record),
                    Err(error) => {
                        log_unreadable(part.as_str(), &*error);
                        self.unreadable += 1;
                        records.extend(part.substitute(row));
                    }
                }
            }
            if rows.is_empty() || !records.is_empty() {
                return Ok(records);
            }
        }
    }
}

#[async_trait]
impl DatabaseSnapshot for PostgresSnapshot {
    fn store_id(&self) -> Option<StoreId> {
        self.store_id
    }

    async fn next(&mut self) -> Result<Option<Vec<DumpRecord>>> {
        loop {
            if let Some(part) = self.part {
                let records = self.fetch(part).await?;
                if !records.is_empty() {
                    return Ok(Some(records));
                }
                self.part = None;
                let closed = self.transaction.batch("CLOSE copied").await;
                closed.map_err(copying)?;
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            let declare = format!(
                "DECLARE copied NO SCROLL CURSOR FOR {}",
                part.statement(CHUNK_DIGESTS, REMOVED)
            );
            let declared = self.transaction.batch(&declare).await;
            declared.map_err(copying)?;
            self.part = Some(part);
        }
    }

    fn unreadable(&self) -> u64 {
        self.unreadable
    }
}
