//! The statement that inserts many rows.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use futures_util::future::try_join;
use tokio_postgres::types::ToSql;

use super::connections::{Connections, durable};
use super::error::Failure;
use crate::database::rejected::Rejected;
use crate::database::sql::{ArtifactRecord, Record as _};
use crate::file_name::FileName;
use crate::row::Row;

/// Inserts those rows that can be inserted, in one statement and so in one transaction. For each row
/// it returns whether it was inserted, and otherwise whether its id is taken. The ids must be
/// distinct.
///
/// If another transaction inserts the same id at the same moment, the statement waits for it and does
/// not insert the row. The other row is not visible to the statement, but its experiment is.
///
/// The last column makes this commit wait for its sync, whatever the session has set.
const INSERT_ROWS: &str = "\
    WITH new AS (\
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], \
            $6::text[], $7::bytea[], $8::bigint[]) \
        AS new (id, experiment, created_by, size, content_type, file_name, sha256, created_at)\
    ), written AS (\
        INSERT INTO artifacts (id, experiment, created_by, size, content_type, file_name, sha256, \
            created_at) \
        SELECT new.* FROM new \
        WHERE EXISTS (SELECT FROM experiments WHERE experiments.id = new.experiment) \
        ON CONFLICT (id) DO NOTHING RETURNING id\
    ) \
    SELECT new.id, written.id IS NOT NULL, \
        EXISTS (SELECT FROM experiments WHERE experiments.id = new.experiment) \
        OR EXISTS (SELECT FROM artifacts WHERE artifacts.id = new.id), \
        (SELECT CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('on', 'remote_apply') \
            THEN NULL ELSE pg_catalog.set_config('synchronous_commit', 'on', true) END) \
    FROM new LEFT JOIN written ON written.id = new.id";

/// Locks the rows, so that this transaction has a commit too. Its sync, also that of a standby, covers
/// the transactions that inserted the rows: one that was cancelled while it waited for its standby
/// left visible rows without that sync.
const SELECT_ROWS: &str = "\
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at \
    FROM artifacts WHERE id = ANY ($1) FOR SHARE";

/// The outcome of one row.
pub(super) type Outcome = (ArtifactId, Result<(), Rejected>);

/// Inserts rows, and returns the outcome of each.
pub(super) async fn insert(
    connections: &Connections,
    rows: &Arc<[Row]>,
) -> Result<Vec<Outcome>, Failure> {
    let outcomes = connections.once(|client| {
        let rows = Arc::clone(rows);
        Box::pin(async move {
            let statement = client.prepare_cached(INSERT_ROWS).await?;
            let columns = RowColumns::of(&rows);
            let outcomes = client.query(&statement, &columns.params()).await?;
            let outcomes = outcomes.iter().map(outcome);
            Ok(outcomes.collect::<Result<Vec<_>, tokio_postgres::Error>>()?)
        })
    });
    outcomes.await
}

/// Inserts rows that an earlier attempt without a reply may have inserted. A row whose id is taken
/// counts as inserted if it equals the stored row: an id is minted at random for one row, so the
/// stored row is that one.
pub(super) async fn insert_again(
    connections: &Connections,
    rows: &Arc<[Row]>,
) -> Result<Vec<Outcome>, Failure> {
    // A session that was cut off during its commit holds the ids until the commit ends, and this
    // statement waits for that. The rows that it finds are therefore final.
    let mut outcomes = insert(connections, rows).await?;
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
            let ((), rows) = try_join(durable(&transaction), async {
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
        .filter(|stored| rows.contains(stored))
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

fn outcome(row: &tokio_postgres::Row) -> Result<Outcome, tokio_postgres::Error> {
    let id = row.try_get::<_, &[u8]>(0)?.try_into();
    let id = id.expect("the server returns one of the ids that were sent");
    let outcome = match (row.try_get(1)?, row.try_get(2)?) {
        (true, _) => Ok(()),
        (false, true) => Err(Rejected::ROW_EXISTS),
        (false, false) => Err(Rejected::NO_EXPERIMENT),
    };
    Ok((ArtifactId::from_bytes(id), outcome))
}

/// The parameters of [`INSERT_ROWS`], one array for each column.
#[derive(Debug, Default)]
struct RowColumns<'r> {
    ids: Vec<&'r [u8]>,
    experiments: Vec<&'r str>,
    creators: Vec<&'r str>,
    sizes: Vec<i64>,
    content_types: Vec<&'r str>,
    file_names: Vec<Option<&'r str>>,
    digests: Vec<&'r [u8]>,
    times: Vec<i64>,
}

impl<'r> RowColumns<'r> {
    fn of(rows: &'r [Row]) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let Row {
                id,
                experiment,
                created_by,
                size,
                content_type,
                file_name,
                sha256,
                created_at,
            } = row;
            columns.ids.push(id.as_bytes());
            columns.experiments.push(experiment.as_str());
            columns.creators.push(created_by.as_str());
            let size = i64::try_from(*size);
            let size = size.expect("the catalog has rejected sizes above i64::MAX");
            columns.sizes.push(size);
            columns.content_types.push(content_type.as_str());
            let name = file_name.as_ref().map(FileName::as_str);
            columns.file_names.push(name);
            columns.digests.push(sha256.as_bytes());
            columns.times.push(created_at.as_microsecond());
        }
        columns
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 8] {
        [
            &self.ids,
            &self.experiments,
            &self.creators,
            &self.sizes,
            &self.content_types,
            &self.file_names,
            &self.digests,
            &self.times,
        ]
    }
}
