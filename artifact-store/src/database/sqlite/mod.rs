//! Rows and identities in one SQLite file.

mod codec;
mod connection;
mod error;
mod identity;
mod migrations;
mod readers;
mod write;
mod writer;

use std::path::Path;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use rusqlite::OptionalExtension;

use self::readers::Readers;
use self::write::Write;
use self::writer::Writer;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::row::Row;

/// Rows and identities in one SQLite file, which any number of processes on one machine may use at once.
///
/// The file is created with mode 0600. It runs in WAL mode with `synchronous=FULL`: a write is in
/// the log, and the log is synced, before `Ok` is returned. SQLite is compiled in.
///
/// Writes go through one thread, which puts all that wait into one transaction: with many
/// depositors, one sync serves them all. Reads go through a few connections on the blocking pool.
///
/// After a sync that failed nothing is acknowledged any more: every later write is `Unavailable`
/// until the rows are opened anew.
#[derive(Debug)]
pub struct SqliteDatabase {
    // In this order: the writer ends before the last connection closes.
    writer: Writer,
    readers: Readers,
}

impl SqliteDatabase {
    /// Opens the file, and creates it if it is not there; its folder must be. Brings an older
    /// schema up to date, in one transaction. Two processes that do it at once both succeed.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the file is not an SQLite file, is one of another program, has a newer
    /// schema than this version knows, or may not be read and written; `Unavailable` when another
    /// process holds it for longer than five seconds; `OutOfSpace`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let fail = |kind| Error::new(kind, Operation::OpenRows);
        let path = std::path::absolute(path).map_err(|error| {
            fail(ErrorKind::Misconfigured)
                .with_detail("the path of the database file cannot be resolved")
                .with_source(error)
        })?;
        let setting_up = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || connection::set_up(&path))
        };
        let connection = setting_up.await.map_err(|error| {
            fail(ErrorKind::Unavailable)
                .with_detail("the runtime shuts down")
                .with_source(error)
        })??;
        Ok(Self {
            writer: Writer::start(connection)?,
            readers: Readers::new(path),
        })
    }

    /// How many transactions were committed. Fewer than writes, when writes come at once.
    pub fn transactions(&self) -> u64 {
        self.writer.transactions()
    }

    /// Finishes what was asked before, moves the log into the file, and closes it. Every later
    /// call is `Unavailable`. Closing twice is no error.
    ///
    /// Dropping does the same and blocks for as long as that takes: nearly always milliseconds,
    /// five seconds when another process holds the file.
    ///
    /// # Errors
    ///
    /// When the file could not be closed properly. No row is lost by that.
    pub async fn close(&self) -> Result<()> {
        self.readers.close().await;
        self.writer.close().await
    }
}

#[async_trait]
impl Catalog for SqliteDatabase {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        self.writer
            .write(Write::Experiment(experiment.clone()))
            .await?;
        let found = self.experiment(&experiment.id).await?;
        found.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, Operation::Experiment)
                .with_detail("an experiment that was created is not there")
        })
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        let id = id.clone();
        let found = self
            .readers
            .query(Operation::Experiment, move |connection| {
                connection
                    .prepare_cached(codec::SELECT_EXPERIMENT)?
                    .query_row([id.as_str()], codec::stored_experiment)
                    .optional()
            });
        found.await?.map(codec::experiment).transpose()
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        let found = self.readers.query(Operation::Experiment, |connection| {
            connection
                .prepare_cached(codec::SELECT_EXPERIMENTS)?
                .query_map([], codec::stored_experiment)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        found.await?.into_iter().map(codec::experiment).collect()
    }

    async fn insert(&self, row: &Row) -> Result<()> {
        self.writer.write(Write::Row(Box::new(row.clone()))).await
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        let found = self.readers.query(Operation::FindRow, move |connection| {
            connection
                .prepare_cached(codec::SELECT_ROW)?
                .query_row([id.as_bytes()], codec::stored_row)
                .optional()
        });
        found
            .await?
            .map(|stored| codec::row(id, stored))
            .transpose()
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.writer.write(Write::Delete(id)).await
    }
}
