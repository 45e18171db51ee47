//! The statement that inserts many rows of which some have keys.

use std::collections::HashMap;
use std::sync::Arc;

use artifact_backend::ArtifactId;
use tokio_postgres::types::ToSql;

use super::super::columns::{DigestColumns, RowColumns};
use super::super::connections::Connections;
use super::super::durable::durable;
use super::super::error::Failure;
use super::{Outcome, absence, columns, fence, id, taken};
use crate::database::rejected::Rejected;
use crate::database::sql::{NewRow, micros};
use crate::error::ErrorKind;
use crate::idempotency::IdempotencyKey;

/// Inserts the keys of rows that can be inserted, then the rows that have no key or whose key was inserted, all in one statement.
/// Returns the ids of the rows whose experiments exist and whose epochs are not below the fence, and whether the key and the row
/// were inserted.
///
/// A key of another transaction that has not ended is waited for. Keys are inserted in their order, so that no two statements
/// wait for each other in a circle.
macro_rules! insert_keyed {
    ($conflict:literal) => {
        concat!(
            "WITH new AS MATERIALIZED (",
            new_rows!(", $11::text[]", ", key"),
            "), keyed AS (\
                INSERT INTO idempotency_keys AS known (experiment, principal, key, id, expires_at) \
                SELECT experiment, created_by, key, id, now_micros() + $12 FROM new WHERE key IS NOT NULL \
                ORDER BY experiment COLLATE \"C\", created_by COLLATE \"C\", key COLLATE \"C\" \
                ON CONFLICT (experiment, principal, key) DO UPDATE \
                    SET id = excluded.id, expires_at = excluded.expires_at \
                    WHERE known.expires_at <= now_micros() \
                RETURNING id\
            ), inserted AS (",
            insert!(),
            "SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, \
                placement \
             FROM new WHERE key IS NULL OR id IN (SELECT id FROM keyed)",
            $conflict,
            " RETURNING id), digested AS (\
                INSERT INTO chunk_digests (id, chunk_bytes, blake3, digests) \
                SELECT given.* FROM unnest($13::bytea[], $14::bigint[], $15::bytea[], $16::bytea[]) \
                    AS given (id, chunk_bytes, blake3, digests) \
                WHERE given.id IN (SELECT id FROM inserted)\
            ) SELECT id, id IN (SELECT id FROM keyed), id IN (SELECT id FROM inserted) FROM new"
        )
    };
}

/// Fails, and inserts neither row nor key, if an id is taken.
const INSERT_ALL: &str = insert_keyed!("");
/// Inserts the key of a row also if the id of the row is taken. The caller deletes it in the same transaction.
const INSERT_SOME: &str = insert_keyed!(" ON CONFLICT DO NOTHING");
const DELETE_KEYS: &str = "\
    DELETE FROM idempotency_keys USING unnest($1::text[], $2::text[], $3::text[]) AS stray (experiment, principal, key) \
    WHERE idempotency_keys.experiment = stray.experiment AND idempotency_keys.principal = stray.principal \
        AND idempotency_keys.key = stray.key";

/// What was inserted of a row.
#[derive(Debug, Clone, Copy)]
struct Inserted {
    key: bool,
    row: bool,
}

/// What was inserted of those rows that could be.
type Found = HashMap<ArtifactId, Inserted>;

/// Inserts rows with distinct ids and distinct keys, and returns the outcome of each.
pub(super) async fn insert(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    match insert_all(connections, rows).await {
        Err(failure) if failure.kind == ErrorKind::AlreadyExists => {
            insert_some(connections, rows).await
        }
        outcome => outcome,
    }
}

async fn insert_all(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    let outcomes = connections.once(|client| {
        let rows = Arc::clone(rows);
        Box::pin(async move {
            let statement = client.prepare_cached(INSERT_ALL).await?;
            let found = found(
                &client
                    .query(&statement, &Values::of(&rows).params())
                    .await?,
            )?;
            let fence = if found.len() == rows.len() {
                0
            } else {
                fence(client).await?
            };
            let outcome = |new: &NewRow| match found.get(&new.row.id) {
                Some(Inserted { row: true, .. }) => Ok(()),
                Some(_) => Err(Rejected::KEY_TAKEN),
                None => Err(absence(new, fence)),
            };
            Ok(rows.iter().map(|new| (new.row.id, outcome(new))).collect())
        })
    });
    outcomes.await
}

/// Inserts those rows whose ids and keys are not taken.
pub(super) async fn insert_some(
    connections: &Connections,
    rows: &Arc<[NewRow]>,
) -> Result<Vec<Outcome>, Failure> {
    let outcomes = connections.once(|client| {
        let rows = Arc::clone(rows);
        Box::pin(async move {
            let statement = client.prepare_cached(INSERT_SOME).await?;
            let delete_keys = client.prepare_cached(DELETE_KEYS).await?;
            let transaction = client.transaction().await?;
            let values = Values::of(&rows);
            let found = found(&transaction.query(&statement, &values.params()).await?)?;
            let stray = Scopes::of(rows.iter().filter(|new| {
                let inserted = found.get(&new.row.id);
                inserted.is_some_and(|inserted| inserted.key && !inserted.row)
            }));
            if !stray.keys.is_empty() {
                let Scopes {
                    experiments,
                    principals,
                    keys,
                } = &stray;
                transaction
                    .execute(&delete_keys, &[experiments, principals, keys])
                    .await?;
            }
            transaction.commit().await?;
            let taken = taken(client, &rows).await?;
            let fence = fence(client).await?;
            let outcome = |new: &NewRow| match found.get(&new.row.id) {
                Some(Inserted { row: true, .. }) => Ok(()),
                // Also if this row was inserted by an earlier attempt, with its key.
                _ if taken.contains_key(&new.row.id) => Err(Rejected::ROW_EXISTS),
                Some(_) => Err(Rejected::KEY_TAKEN),
                None => Err(absence(new, fence)),
            };
            Ok(rows.iter().map(|new| (new.row.id, outcome(new))).collect())
        })
    });
    outcomes.await
}

/// The parameters of the statements that insert.
struct Values<'r> {
    columns: RowColumns<'r>,
    keys: Vec<Option<&'r str>>,
    kept_for: i64,
    digests: DigestColumns<'r>,
}

impl<'r> Values<'r> {
    fn of(rows: &'r [NewRow]) -> Self {
        let (columns, digests) = columns(rows);
        let keys = rows.iter().map(|new| new.key.as_ref());
        Self {
            columns,
            keys: keys.map(|key| key.map(IdempotencyKey::as_str)).collect(),
            kept_for: micros(IdempotencyKey::KEPT_FOR),
            digests,
        }
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut params = self.columns.params().to_vec();
        params.push(&self.keys);
        params.push(&self.kept_for);
        params.extend(self.digests.params());
        params
    }
}

/// The columns of the keys of rows.
#[derive(Default)]
struct Scopes<'r> {
    experiments: Vec<&'r str>,
    principals: Vec<&'r str>,
    keys: Vec<&'r str>,
}

impl<'r> Scopes<'r> {
    fn of(rows: impl IntoIterator<Item = &'r NewRow>) -> Self {
        let mut scopes = Self::default();
        for new in rows {
            if let Some(key) = &new.key {
                scopes.experiments.push(new.row.experiment.as_str());
                scopes.principals.push(new.row.created_by.as_str());
                scopes.keys.push(key.as_str());
            }
        }
        scopes
    }
}

fn found(records: &[tokio_postgres::Row]) -> Result<Found, tokio_postgres::Error> {
    let found = records.iter().map(|record| {
        let inserted = Inserted {
            key: record.try_get(1)?,
            row: record.try_get(2)?,
        };
        Ok((id(record)?, inserted))
    });
    found.collect()
}
