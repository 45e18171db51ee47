//! Statements with values of any type.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use tokio_postgres::types::ToSql;

use super::PostgresDatabase;
use super::transaction::read_all;
use crate::database::sql::{Lane, Record};
use crate::database::subject::Subject;
use crate::error::Result;

/// A value of a statement.
pub(super) type Value = Box<dyn ToSql + Sync + Send>;

pub(super) fn value(value: impl ToSql + Sync + Send + 'static) -> Value {
    Box::new(value)
}

/// Returns the value of an array of ids.
pub(super) fn ids(ids: &[ArtifactId]) -> Value {
    let ids: Vec<_> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    value(ids)
}

pub(super) fn id(id: ArtifactId) -> Value {
    value(id.as_bytes().to_vec())
}

impl PostgresDatabase {
    /// Runs an idempotent statement in a lane, and reads a record from each row of its result.
    pub(super) async fn rows<R: Record>(
        &self,
        lane: Lane,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<R>> {
        let subject = subject.into();
        let values: Arc<[Value]> = values.into();
        let connections = self.connections();
        let _list = match lane {
            Lane::Lookup => None,
            Lane::List => {
                let permit = connections.list().await;
                Some(permit.map_err(|failure| failure.into_error(subject))?)
            }
        };
        let records = connections.retry(|client| {
            let values = Arc::clone(&values);
            Box::pin(async move {
                let statement = client.prepare_cached(statement).await?;
                let values = values.iter().map(|value| &**value as &(dyn ToSql + Sync));
                let rows = client.query_raw(&statement, values).await?;
                Ok(read_all(rows).await?)
            })
        });
        records.await.map_err(|failure| failure.into_error(subject))
    }
}
