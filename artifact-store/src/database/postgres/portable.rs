//! Copies of a PostgreSQL database.

use async_trait::async_trait;
use deadpool::managed::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresDatabase;
use super::error::{Failure, MOVED};
use super::load::PostgresLoad;
use super::session::Session;
use super::snapshot::PostgresSnapshot;
use crate::database::portable::{DatabaseLoad, DatabaseSnapshot, PortableDatabase};
use crate::database::sql::TABLES;
use crate::error::{Error, Operation, Result};

const HAS_MARK: &str = "SELECT to_regclass('artifact.moved') IS NOT NULL";
const SELECT_MARK: &str = "SELECT to_database FROM artifact.moved";
/// Statements of a copy take longer than those of a server. A copy that rests for ten minutes is over.
const SETTINGS: &str = "\
    SET LOCAL statement_timeout = 600000; SET LOCAL idle_in_transaction_session_timeout = 600000; \
    SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
        WHERE pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";
/// Each write of the old database ends before the triggers are created, which lock its tables against writes.
const BEGIN_MARK: &str = "SET LOCAL lock_timeout = 60000; \
    CREATE TABLE IF NOT EXISTS artifact.moved (\
        only_row boolean PRIMARY KEY CHECK (only_row), to_database text NOT NULL)";
const WRITE_MARK: &str = "\
    INSERT INTO artifact.moved VALUES (true, $1) \
    ON CONFLICT (only_row) DO UPDATE SET to_database = excluded.to_database";

#[async_trait]
impl PortableDatabase for PostgresDatabase {
    async fn snapshot(&self) -> Result<Box<dyn DatabaseSnapshot>> {
        Ok(Box::new(PostgresSnapshot::begin(self).await?))
    }

    async fn begin_load(&self) -> Result<Box<dyn DatabaseLoad>> {
        Ok(Box::new(PostgresLoad::begin(self).await?))
    }

    async fn moved_to(&self) -> Result<Option<String>> {
        let transaction = OpenTransaction::begin(self, "READ COMMITTED READ ONLY").await?;
        let read = async {
            if !transaction.query_one(HAS_MARK, &[]).await?.try_get(0)? {
                return Ok(None);
            }
            let found = transaction.query(SELECT_MARK, &[]).await?;
            found.first().map(|row| row.try_get(0)).transpose()
        };
        let found = read.await.map_err(copying)?;
        transaction.commit().await?;
        Ok(found)
    }

    /// The triggers hold for every session, also of older versions of this program.
    async fn mark_moved(&self, to: &str) -> Result<()> {
        let transaction = OpenTransaction::begin(self, "READ COMMITTED").await?;
        let triggers = TABLES.map(|table| {
            format!(
                "DROP TRIGGER IF EXISTS moved ON artifact.{table}; \
                 CREATE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE ON artifact.{table} \
                     FOR EACH STATEMENT EXECUTE FUNCTION artifact.refuse_moved();"
            )
        });
        let function = format!(
            "CREATE OR REPLACE FUNCTION artifact.refuse_moved() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN \
                 RAISE EXCEPTION 'this database was moved to %', (SELECT to_database FROM artifact.moved) \
                     USING ERRCODE = '{MOVED}'; \
             END $$"
        );
        let write = async {
            transaction.batch(BEGIN_MARK).await?;
            transaction.query(WRITE_MARK, &[&to]).await?;
            transaction.batch(&function).await?;
            transaction.batch(&triggers.concat()).await
        };
        write.await.map_err(copying)?;
        transaction.commit().await
    }

    async fn clear_moved(&self) -> Result<()> {
        let transaction = OpenTransaction::begin(self, "READ COMMITTED").await?;
        let triggers =
            TABLES.map(|table| format!("DROP TRIGGER IF EXISTS moved ON artifact.{table};"));
        let write = async {
            transaction.batch("SET LOCAL lock_timeout = 60000").await?;
            transaction.batch(&triggers.concat()).await?;
            let drop = "DROP FUNCTION IF EXISTS artifact.refuse_moved(); DROP TABLE IF EXISTS artifact.moved";
            transaction.batch(drop).await
        };
        write.await.map_err(copying)?;
        transaction.commit().await
    }
}

pub(super) fn copying(error: tokio_postgres::Error) -> Error {
    Failure::of(error).into_error(Operation::Dump)
}

/// A transaction that has its connection for itself, outside of the pools, so that no query waits for its end. Dropping it
/// closes the connection, which rolls it back.
#[derive(Debug)]
pub(super) struct OpenTransaction(Session);

impl OpenTransaction {
    pub(super) async fn begin(database: &PostgresDatabase, mode: &str) -> Result<Self> {
        let connection = database.connections().get_with_retries().await;
        let connection = connection.map_err(|failure| failure.into_error(Operation::Dump))?;
        let transaction = Self(Object::take(connection));
        let begin = format!("BEGIN TRANSACTION ISOLATION LEVEL {mode}; {SETTINGS}");
        transaction.batch(&begin).await.map_err(copying)?;
        Ok(transaction)
    }

    pub(super) async fn batch(&self, statements: &str) -> Result<(), tokio_postgres::Error> {
        self.0.batch_execute(statements).await
    }

    pub(super) async fn query(
        &self,
        statement: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.0.query(statement, params).await
    }

    pub(super) async fn query_one(
        &self,
        statement: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, tokio_postgres::Error> {
        self.0.query_one(statement, params).await
    }

    /// Commits, and closes the connection. An error leaves it unknown whether the transaction was committed.
    pub(super) async fn commit(self) -> Result<()> {
        self.batch("COMMIT")
            .await
            .map_err(|error| Failure::of(error).unknown().into_error(Operation::Dump))
    }
}
