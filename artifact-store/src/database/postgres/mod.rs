//! The catalog and the identities in a PostgreSQL database.

mod abandoned;
mod connections;
mod error;
mod insert;
mod leases;
mod manager;
mod migrations;
mod pooler;
mod target;
mod transaction;
mod writer;

use std::sync::Arc;

use self::connections::Connections;
use self::error::Failure;
use self::leases::Leases;
use self::transaction::{PostgresTransaction, read_all};
use self::writer::Writer;
use super::DatabaseUrl;
use super::sql::{Command, CredentialRecord, Lane, Param, Record, SqlDatabase, params};
use super::subject::Subject;
use crate::credential_cache::{CredentialCache, RightsVersion};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::WorkerId;

pub(super) use self::target::{Password, Target};

/// How many connections serve everything except row inserts, which have a connection of their own, and
/// look-ups of credentials.
const MAX_CONNECTIONS: usize = 8;
/// How many connections look up credentials. No other query delays them.
const MAX_CREDENTIAL_CONNECTIONS: usize = 4;

/// Deletes a row. The query makes this commit wait for its sync, whatever the session has set. If the
/// row is absent, the query locks another one, so that this transaction [writes](connections::BARRIER)
/// too.
const DELETE_DURABLY: &str = "\
    WITH deleted AS (DELETE FROM artifacts WHERE id = $1 RETURNING id), \
    locked AS (SELECT version FROM schema_version \
        WHERE NOT EXISTS (SELECT FROM deleted) FOR KEY SHARE) \
    SELECT (SELECT count(*) FROM locked), \
        CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('on', 'remote_apply') \
            THEN NULL ELSE pg_catalog.set_config('synchronous_commit', 'on', true) END";

/// A catalog and identities in a database of a PostgreSQL server, which any number of processes may
/// use at the same time.
///
/// The data is in the schema `artifact` of the database, which [`open`](Self::open) creates: the user
/// must own the database or that schema, or have the right to create one.
///
/// A process has at most thirteen connections, and up to twelve more while it waits for the end of
/// statements that it has cancelled. Every connection is to a server that accepts writes, never to a
/// standby. Every commit has `synchronous_commit` on or `remote_apply`, whatever is set for the
/// database, the user or the session. A pooler such as PgBouncer must be in session mode. Concurrent row
/// inserts share a statement: with many depositors, they share one round trip and one sync.
///
/// A lost connection is replaced. Idempotent statements are retried for two seconds, and so are
/// transactions whose commit was not sent yet. Row inserts are retried for five seconds, because
/// their blobs are already stored; if an insert got no reply, the row is looked up first. After that
/// the call fails with `Unavailable`, and the next call tries again. No statement takes longer than
/// ten seconds, and no wait for a lock longer than five. A row insert that has waited for its turn for
/// ten seconds is never begun. A statement or commit that got no reply in twelve seconds is cancelled.
///
/// Credentials of workers are cached, up to 32,768 of them in each process. A cached one is used for at
/// most one second, the lease, after the process began to make sure that the database still holds the
/// same version of all rights. While requests arrive, it does so twice a second; an idle process asks
/// nothing. In return, each call that can end a right (a replaced credential, a change of the members of
/// a group, a deleted group) returns only 1.1 seconds after its commit, when no process on this database
/// has an older lease. If such a future is dropped, the change is done or not done, and may take that
/// long to count everywhere. `UPDATE artifact.rights_lease SET lease_ms = 100` makes the lease shorter, for
/// faster changes and more queries; 0 turns the caches off.
#[derive(Debug)]
pub struct PostgresDatabase {
    writer: Writer,
    connections: Connections,
    leases: Arc<Leases>,
}

impl PostgresDatabase {
    /// Connects to the database that the URL names, and creates or migrates the schema in one
    /// transaction. If several processes do this at the same time, all succeed.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the URL names no PostgreSQL database, if the server refuses the user or
    /// the password, if the database does not exist or cannot be written, or if its schema is newer
    /// than this version knows; `Unavailable` if the server cannot be reached; `OutOfSpace`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        match url.postgres() {
            Some((target, password)) => Self::open_target(target, password).await,
            None => Err(
                Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase)
                    .with_detail("not a PostgreSQL URL; write postgres://user@host/database"),
            ),
        }
    }

    pub(super) async fn open_target(target: &Target, password: Option<&Password>) -> Result<Self> {
        if target.is_exposed() {
            tracing::warn!(
                "the connection to the database is not encrypted; run the database on this machine \
                 or on a private network"
            );
        }
        let connections = Connections::new(target, password, MAX_CONNECTIONS)?;
        let mut first = connections.get_with_retries().await.map_err(|failure| {
            if failure.is_read_only() {
                return opened(failure.into_misconfigured());
            }
            Error::new(failure.kind, Operation::OpenDatabase)
                .with_detail(format!("the database {target} cannot be used"))
                .with_source(failure.into_error(Operation::OpenDatabase))
        })?;
        let second = connections.get_with_retries().await.map_err(opened)?;
        pooler::refuse(&first, &second).await.map_err(opened)?;
        drop(second);
        migrations::migrate(&mut first, migrations::ALL).await?;
        drop(first);
        let leases = Leases::new(Connections::new(
            target,
            password,
            MAX_CREDENTIAL_CONNECTIONS,
        )?);
        Ok(Self {
            leases: Arc::new(leases),
            writer: Writer::start(Connections::new(target, password, 1)?),
            connections,
        })
    }

    /// Returns the number of statements that inserted rows. It is lower than the number of rows if
    /// inserts were concurrent.
    pub fn statements(&self) -> u64 {
        self.writer.statements()
    }

    /// Finishes the calls that were made before, and closes the connections. Every later call is
    /// `Unavailable`. Succeeds if it is closed already.
    ///
    /// Dropping does the same without waiting.
    pub async fn close(&self) {
        self.writer.close().await;
        self.connections.close();
        self.leases.close();
    }
}

fn opened(failure: Failure) -> Error {
    failure.into_error(Operation::OpenDatabase)
}

impl SqlDatabase for PostgresDatabase {
    async fn query_in<R: Record>(
        &self,
        lane: Lane,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> Result<Vec<R>> {
        let subject = subject.into();
        let params: Arc<[Param]> = params.into().into();
        let _list = match lane {
            Lane::Lookup => None,
            Lane::List => {
                let permit = self.connections.list().await;
                Some(permit.map_err(|failure| failure.into_error(subject))?)
            }
        };
        let records = self.connections.retry(|client| {
            let params = Arc::clone(&params);
            Box::pin(async move {
                let statement = client.prepare_cached(statement).await?;
                let rows = client.query_raw(&statement, &*params).await?;
                Ok(read_all(rows).await?)
            })
        });
        records.await.map_err(|failure| failure.into_error(subject))
    }

    async fn write(&self, command: Command) -> Result<()> {
        let subject = command.subject();
        let written = match command {
            Command::InsertRow(row, deadline) => return self.writer.insert(row, deadline).await,
            Command::DeleteRow(id) => {
                let deleted = self.connections.retry(|client| {
                    Box::pin(async move {
                        let statement = client.prepare_cached(DELETE_DURABLY).await?;
                        let params = params![id.as_bytes().as_slice()];
                        Ok(client.execute_raw(&statement, &params).await?)
                    })
                });
                deleted.await.map(drop)
            }
            command => {
                let changes_rights = command.changes_rights();
                let command = Arc::new(command);
                let applied = self.connections.transact(|transaction| {
                    let command = Arc::clone(&command);
                    Box::pin(async move { command.apply(&PostgresTransaction(transaction)).await })
                });
                let applied = applied.await;
                // `NotFound` may confirm an earlier call that got no answer.
                let is_known = match &applied {
                    Ok(()) => true,
                    Err(failure) => failure.kind == ErrorKind::NotFound,
                };
                if changes_rights && is_known {
                    self.leases.outlast().await;
                }
                applied
            }
        };
        written.map_err(|failure| failure.into_error(subject))
    }

    async fn query_credential(&self, id: WorkerId) -> Result<Option<CredentialRecord>> {
        let record = self.leases.query(params![id.as_str()]).await;
        record.map_err(|failure| failure.into_error(Operation::FindCredential))
    }

    fn credentials(&self) -> &CredentialCache {
        &self.leases.cache
    }

    fn rights_version(&self) -> Option<RightsVersion> {
        self.leases.version()
    }
}
