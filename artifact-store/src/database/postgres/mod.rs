//! Rows and identities in a database of PostgreSQL.

mod codec;
mod connections;
mod error;
mod identity;
mod migrations;
mod target;
mod writer;

use std::sync::Arc;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use self::connections::Connections;
use self::writer::Writer;
use super::DatabaseUrl;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::identity::Group;
use crate::row::Row;

pub(super) use self::target::{Password, Target};

/// How many connections answer everything but the writing of rows, which has one of its own.
const CONNECTIONS: usize = 8;

/// Rows and identities in a database of a PostgreSQL server, which any number of processes may use at once.
///
/// What it keeps lies in the schema `artifact` of the database, which it makes: its user must be
/// the owner of the database or of that schema, or have the right to create one.
///
/// A process has at most nine connections. Every session has `synchronous_commit` on, whatever is set for the database. Rows that are to be
/// written at the same moment share a statement: with many depositors, one round trip and one sync
/// serve them all.
///
/// A connection that is lost is made anew. What may be done twice is tried again for two seconds,
/// and so is a transaction whose commit was not asked for yet; rows that are to be written for five
/// seconds, since their bytes are stored already: of a row whose writing had no answer it is looked
/// whether it is there. After that it is `Unavailable`, and the next call tries again. No statement takes longer than ten seconds, no wait for a lock longer
/// than five.
#[derive(Debug)]
pub struct PostgresDatabase {
    writer: Writer,
    connections: Connections,
}

impl PostgresDatabase {
    /// Connects to the database that the URL names, and makes or migrates the schema, in one
    /// transaction. Of several processes that do it at once, one does it and all succeed.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the URL names no PostgreSQL database, when the server refuses user or
    /// password, when there is no such database or it may not be written, and when its schema is
    /// newer than this version knows; `Unavailable` when it cannot be reached; `OutOfSpace`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        match url.postgres() {
            Some((target, password)) => Self::open_target(target, password).await,
            None => Err(Error::new(ErrorKind::Misconfigured, Operation::OpenRows)
                .with_detail("it names no PostgreSQL database: postgres://user@host/database")),
        }
    }

    pub(super) async fn open_target(target: &Target, password: Option<&Password>) -> Result<Self> {
        if target.is_exposed() {
            tracing::warn!(
                "nothing is encrypted on the way to the database; put it on this machine, or on a \
                 network of its own"
            );
        }
        let connections = Connections::new(target, password, CONNECTIONS)?;
        let mut first = connections.patiently().await.map_err(|failure| {
            Error::new(failure.kind, Operation::OpenRows)
                .with_detail(format!("the database {target} cannot be used"))
                .with_source(failure.into_error(Operation::OpenRows, None))
        })?;
        migrations::migrate(&mut first, migrations::ALL).await?;
        drop(first);
        Ok(Self {
            writer: Writer::start(Connections::new(target, password, 1)?),
            connections,
        })
    }

    /// How many statements wrote rows. Fewer than rows, when rows come at once.
    pub fn statements(&self) -> u64 {
        self.writer.statements()
    }

    /// Finishes what was asked before, and closes the connections. Every later call is
    /// `Unavailable`. Closing twice is no error.
    ///
    /// Dropping does the same without waiting.
    pub async fn close(&self) {
        self.writer.close().await;
        self.connections.close();
    }
}

#[async_trait]
impl Catalog for PostgresDatabase {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        let groups = Arc::new(Group::founding(experiment));
        let created = self.connections.transact(|transaction| {
            let Experiment { id, created_at } = experiment.clone();
            let groups = Arc::clone(&groups);
            Box::pin(async move {
                let (id, created_at) = (id.as_str(), created_at.as_microsecond());
                let insert = transaction.prepare_cached(codec::INSERT_EXPERIMENT).await?;
                let is_new = transaction.execute(&insert, &[&id, &created_at]).await? == 1;
                if is_new {
                    for group in &*groups {
                        identity::insert_group(transaction, group).await?;
                    }
                }
                let select = transaction.prepare_cached(codec::SELECT_EXPERIMENT).await?;
                Ok(transaction.query_one(&select, &[&id]).await?)
            })
        });
        let row = created
            .await
            .map_err(|failure| failure.into_error(Operation::Experiment, None))?;
        codec::experiment(&row)
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        let found = self.connections.repeatedly(|client| {
            let id = id.clone();
            Box::pin(async move {
                let select = client.prepare_cached(codec::SELECT_EXPERIMENT).await?;
                Ok(client.query_opt(&select, &[&id.as_str()]).await?)
            })
        });
        let row = found
            .await
            .map_err(|failure| failure.into_error(Operation::Experiment, None))?;
        row.as_ref().map(codec::experiment).transpose()
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        let found = self.connections.repeatedly(|client| {
            Box::pin(async move {
                let select = client.prepare_cached(codec::SELECT_EXPERIMENTS).await?;
                Ok(client.query(&select, &[]).await?)
            })
        });
        let rows = found
            .await
            .map_err(|failure| failure.into_error(Operation::Experiment, None))?;
        rows.iter().map(codec::experiment).collect()
    }

    async fn insert(&self, row: &Row) -> Result<()> {
        self.writer.insert(row).await
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        let found = self.connections.repeatedly(|client| {
            Box::pin(async move {
                let ids = [&id.as_bytes()[..]];
                let select = client.prepare_cached(codec::SELECT_ROWS).await?;
                Ok(client.query_opt(&select, &[&&ids[..]]).await?)
            })
        });
        let row = found
            .await
            .map_err(|failure| failure.into_error(Operation::FindRow, Some(id)))?;
        row.as_ref().map(|row| codec::row(id, row)).transpose()
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let deleted = self.connections.repeatedly(|client| {
            Box::pin(async move {
                let delete = client.prepare_cached(codec::DELETE_ROW).await?;
                Ok(client.execute(&delete, &[&&id.as_bytes()[..]]).await?)
            })
        });
        deleted
            .await
            .map(drop)
            .map_err(|failure| failure.into_error(Operation::DeleteRow, Some(id)))
    }
}
