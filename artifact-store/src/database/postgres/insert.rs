//! The statement that inserts many rows.

use std::collections::{HashMap, HashSet};
use std::slice;
use std::sync::Arc;

use artifact_backend::ArtifactId;
use deadpool_postgres::Transaction;
use futures_util::future::try_join;

use super::columns::{DigestColumns, RowColumns};
use super::connections::{Connection, Connections, durable as make_durable};
use super::durable::durable;
use super::error::Failure;
use crate::database::rejected::Rejected;
use crate::database::sql::{ArtifactRecord, NewRow, Record as _};
use crate::error::ErrorKind;

macro_rules! insert {
    () => {
        "INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, \
            created_at, expires_at, placement) "
    };
}

/// The rows of the parameters whose experiments exist and whose epochs are not below the fence. The last condition is
/// always true. The arguments are further arrays and their columns.
macro_rules! new_rows {
    ($arrays:literal, $columns:literal) => {
        concat!(
            "SELECT new.* FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], \
                $6::text[], $7::bytea[], $8::bigint[], $9::bigint[], $10::bigint[]",
            $arrays,
            ") AS new (id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
                expires_at, placement",
            $columns,
            ") WHERE new.experiment = ANY (ARRAY(SELECT id FROM experiments WHERE id = ANY ($2))) \
                 AND new.placement >= coalesce((SELECT fence FROM placement), 0) \
                 AND coalesce((SELECT ",
            durable!(),
            "), '') IS NOT NULL"
        )
    };
}

// After the macros, which it uses.
mod keyed;

/// Inserts the digests of the rows that were inserted, too.
macro_rules! with_digests {
    ($conflict:literal) => {
        concat!(
            "WITH inserted AS (",
            insert!(),
            new_rows!("", ""),
            $conflict,
            " RETURNING id), digested AS (\
                INSERT INTO chunk_digests (id, chunk_bytes, blake3, digests) \
                SELECT given.* FROM unnest($11::bytea[], $12::bigint[], $13::bytea[], $14::bytea[]) \
                    AS given (id, chunk_bytes, blake3, digests) \
                WHERE given.id IN (SELECT id FROM inserted)\
            ) SELECT id FROM inserted"
        )
    };
}

/// Inserts those rows whose experiments exist and whose epochs are not below the fence, in one statement and so in one
/// transaction. Fails, and inserts none, if an id is taken.
///
/// Almost every statement is this one, because ids are minted at random. It is cheaper than
/// [`INSERT_SOME`], which looks for each id before and writes each row twice to the log.
///
/// The statement makes its commit wait for its sync, whatever the session has set.
const INSERT_ALL: &str = concat!(insert!(), new_rows!("", ""));
/// [`INSERT_ALL`] for rows of which some have digests. Returns the ids.
const INSERT_ALL_WITH_DIGESTS: &str = with_digests!("");

/// Inserts those rows that can be inserted, and returns their ids. The ids must be distinct.
///
/// If another transaction inserts the same id at the same moment, the statement waits for it and does
/// not insert the row. A tombstone takes its id as a row does.
const INSERT_SOME: &str = concat!(
    insert!(),
    new_rows!("", ""),
    " ON CONFLICT DO NOTHING RETURNING id"
);
const INSERT_SOME_WITH_DIGESTS: &str = with_digests!(" ON CONFLICT DO NOTHING");

/// Returns the ids that have a row, and whether it is a tombstone.
const SELECT_TAKEN: &str = "SELECT id, removed_at IS NULL FROM artifact_rows WHERE id = ANY ($1)";

const SELECT_FENCE: &str = "SELECT coalesce((SELECT fence FROM placement), 0)";

/// Locks the rows, so that this transaction has a commit too. Its sync, also that of a standby, covers
/// the transactions that inserted the rows: one that was cancelled while it waited for its standby
/// left visible rows without that sync.
const SELECT_ROWS: &str = "\
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at \
    FROM artifact_rows WHERE id = ANY ($1) AND removed_at IS NULL FOR SHARE";

/// The outcome of one row.
pub(super) type Outcome = (ArtifactId, Result<(), Rejected>);

/// Inserts rows with distinct ids and distinct keys, and returns the outcome of each.
pub(super) async fn insert(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    if has_keys(rows) {
        return keyed::insert(connections, rows).await;
    }
    match insert_all(connections, rows).await {
        Err(failure) if failure.kind == ErrorKind::AlreadyExists => {
            insert_some(connections, rows).await
        }
        outcome => outcome,
    }
}

/// Returns whether a row has a key. A batch without keys keeps the statement that knows nothing of them.
fn has_keys(rows: &[NewRow]) -> bool {
    rows.iter().any(|new| new.key.is_some())
}

/// Inserts rows if no id is taken.
async fn insert_all(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    let outcomes = connections.once(|client| {
        let rows = Arc::clone(rows);
        Box::pin(async move {
            let (columns, digests) = columns(&rows);
            let inserted = if digests.is_empty() {
                let statement = client.prepare_cached(INSERT_ALL).await?;
                client.execute(&statement, &columns.params()).await?
            } else {
                let statement = client.prepare_cached(INSERT_ALL_WITH_DIGESTS).await?;
                let params = [&columns.params()[..], &digests.params()].concat();
                client.query(&statement, &params).await?.len() as u64
            };
            if usize::try_from(inserted) == Ok(rows.len()) {
                return Ok(rows.iter().map(|new| (new.row.id, Ok(()))).collect());
            }
            // No id was taken, so a row is there now if this statement has inserted it.
            let taken = taken(client, &rows).await?;
            let fence = fence(client).await?;
            let outcome = |new: &NewRow| match taken.get(&new.row.id) {
                Some(true) => Ok(()),
                _ => Err(absence(new, fence)),
            };
            Ok(rows.iter().map(|new| (new.row.id, outcome(new))).collect())
        })
    });
    outcomes.await
}

/// Inserts those rows whose ids are not taken.
async fn insert_some(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    let outcomes = connections.once(|client| {
        let rows = Arc::clone(rows);
        Box::pin(async move {
            let (columns, digests) = columns(&rows);
            let mut params = columns.params().to_vec();
            let statement = if digests.is_empty() {
                INSERT_SOME
            } else {
                params.extend(digests.params());
                INSERT_SOME_WITH_DIGESTS
            };
            let statement = client.prepare_cached(statement).await?;
            let inserted = client.query(&statement, &params).await?;
            let inserted = inserted.iter().map(id);
            let inserted: HashSet<_> = inserted.collect::<Result<_, tokio_postgres::Error>>()?;
            let taken = taken(client, &rows).await?;
            let fence = fence(client).await?;
            let outcome = |new: &NewRow| {
                if inserted.contains(&new.row.id) {
                    Ok(())
                } else if taken.contains_key(&new.row.id) {
                    Err(Rejected::ROW_EXISTS)
                } else {
                    Err(absence(new, fence))
                }
            };
            Ok(rows.iter().map(|new| (new.row.id, outcome(new))).collect())
        })
    });
    outcomes.await
}

/// Inserts a row without a key, and its digests, in a transaction. Its experiment exists.
pub(super) async fn insert_one(transaction: &Transaction<'_>, new: &NewRow) -> Result<(), Failure> {
    let rows = slice::from_ref(new);
    let (columns, digests) = columns(rows);
    let inserted = if digests.is_empty() {
        let statement = transaction.prepare_cached(INSERT_ALL).await?;
        transaction.execute(&statement, &columns.params()).await?
    } else {
        let statement = transaction.prepare_cached(INSERT_ALL_WITH_DIGESTS).await?;
        let params = [&columns.params()[..], &digests.params()].concat();
        transaction.query(&statement, &params).await?.len() as u64
    };
    match inserted {
        1 => Ok(()),
        _ => Err(Rejected::LEFT_BACKEND.into()),
    }
}

/// Returns why a row was not inserted whose id is not taken. The fence may have been raised since, so a row without an
/// experiment may be refused as one below the fence; it is refused again when it is repeated.
fn absence(new: &NewRow, fence: i64) -> Rejected {
    if new.placement < fence {
        Rejected::LEFT_BACKEND
    } else {
        Rejected::NO_EXPERIMENT
    }
}

/// Returns the lowest epoch whose rows are accepted.
async fn fence(client: &Connection) -> Result<i64, Failure> {
    let statement = client.prepare_cached(SELECT_FENCE).await?;
    Ok(client.query_one(&statement, &[]).await?.try_get(0)?)
}

/// Returns the taken ids, and whether the row is no tombstone.
async fn taken(client: &Connection, rows: &[NewRow]) -> Result<HashMap<ArtifactId, bool>, Failure> {
    let ids: Vec<_> = rows.iter().map(|new| &new.row.id.as_bytes()[..]).collect();
    let statement = client.prepare_cached(SELECT_TAKEN).await?;
    let taken = client.query(&statement, &[&ids]).await?;
    let taken = taken.iter().map(|row| Ok((id(row)?, row.try_get(1)?)));
    Ok(taken.collect::<Result<_, tokio_postgres::Error>>()?)
}

/// Inserts rows that an earlier attempt without a reply may have inserted. A row whose id is taken
/// counts as inserted if it equals the stored row: an id is minted at random for one row, so the
/// stored row is that one.
pub(super) async fn insert_again(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    // A session that was cut off during its commit holds the ids until the commit ends, and this
    // statement waits for that. The rows that it finds are therefore final.
    let mut outcomes = if has_keys(rows) {
        keyed::insert_some(connections, rows).await?
    } else {
        insert_some(connections, rows).await?
    };
    let taken: Arc<[_]> = outcomes
        .iter()
        .filter(|(_, outcome)| is_taken(outcome))
        .map(|(id, _)| *id)
        .collect();
    if taken.is_empty() {
        return Ok(outcomes);
    }
    let stored = connections.once(|client| {
        let taken = Arc::clone(&taken);
        Box::pin(async move {
            let ids: Vec<_> = taken.iter().map(|id| &id.as_bytes()[..]).collect();
            let statement = client.prepare_cached(SELECT_ROWS).await?;
            let transaction = client.transaction().await?;
            let ((), rows) = try_join(make_durable(&transaction), async {
                Ok(transaction.query(&statement, &[&ids]).await?)
            })
            .await?;
            transaction.commit().await?;
            let records = rows.iter().map(ArtifactRecord::read);
            Ok(records.collect::<Result<Vec<_>, tokio_postgres::Error>>()?)
        })
    });
    let stored = stored.await?.into_iter();
    let equal: Vec<_> = stored
        .filter_map(|record| record.decode().ok())
        .filter(|stored| rows.iter().any(|new| new.row == *stored))
        .map(|stored| stored.id)
        .collect();
    for (id, outcome) in &mut outcomes {
        if is_taken(outcome) && equal.contains(id) {
            *outcome = Ok(());
        }
    }
    Ok(outcomes)
}

fn is_taken(outcome: &Result<(), Rejected>) -> bool {
    *outcome == Err(Rejected::ROW_EXISTS)
}

/// Returns the id in the first column.
fn id(row: &tokio_postgres::Row) -> Result<ArtifactId, tokio_postgres::Error> {
    let id = row.try_get::<_, &[u8]>(0)?.try_into();
    let id = id.expect("a check of the table admits only ids of 16 bytes");
    Ok(ArtifactId::from_bytes(id))
}

/// Returns the parameters of the statements that insert.
fn columns(rows: &[NewRow]) -> (RowColumns<'_>, DigestColumns<'_>) {
    let digests = rows.iter().filter_map(|new| {
        let digests = new.digests.as_ref()?;
        Some((&new.row.id, digests))
    });
    let columns = RowColumns::of(rows.iter().map(|new| (&new.row, new.placement)));
    (columns, DigestColumns::of(digests))
}
