//! The catalog and the identities in a PostgreSQL database.

mod abandoned;
mod columns;
mod connections;
mod digests;
mod durable;
mod error;
mod insert;
mod inspect;
mod inventory;
mod keys;
mod lanes;
mod leases;
mod load;
mod manager;
mod migrations;
mod options;
mod pooler;
mod portable;
mod query;
mod quotas;
mod removal;
mod scan;
mod session;
mod settled;
mod shared_columns;
mod sharing;
mod snapshot;
mod staged;
mod target;
mod tls;
mod transaction;
mod uploads;
mod usage;
mod writer;

use std::fmt::Display;
use std::sync::Arc;

use artifact_backend::is_background;
use deadpool::managed::PoolError;

use self::connections::Connections;
use self::error::Failure;
use self::lanes::Lanes;
use self::leases::Leases;
use self::manager::Manager;
use self::settled::Settled;
use self::transaction::{PostgresTransaction, read_all};
use self::writer::Writer;
use super::DatabaseUrl;
use super::sql::{Command, Lane, Param, Record, SharingStatements, SqlDatabase, VersionedRecord};
use super::subject::Subject;
use super::traced::traced;
use crate::credential_cache::{CredentialCaches, RightsVersion};
use crate::error::{Error, ErrorKind, Operation, Result};

pub(super) use self::inspect::inspect;
pub use self::options::PostgresOptions;
pub(super) use self::target::{Password, Target};

/// The name of this database in traces.
const SYSTEM: &str = "postgresql";

/// A catalog and identities in a database of a PostgreSQL server, which any number of processes may
/// use at the same time.
///
/// The data is in the schema `artifact` of the database, which [`open`](Self::open) creates: the user
/// must own the database or that schema, or have the right to create one.
///
/// A process has at most [fourteen](PostgresOptions::with_max_connections) connections, and up to thirteen more while it waits for the end of
/// statements that it has cancelled. Each snapshot, load and publication of an import that is in progress has one more. Every connection is to a server that accepts writes, never to a
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
/// A page of [`scan`](crate::CatalogInventory::scan) that reaches the newest rows waits until the transactions
/// end that were inserting rows when it began, on whichever server, so that it skips none of them. If one takes
/// longer than two seconds, for example because its commit waits for a standby, the page fails with
/// `Unavailable`. Removals wait for each other. If a removal got no reply, it is sent again, and then
/// returns [`Absent`](crate::Removal::Absent) for a row that the first attempt has removed.
///
/// Credentials are cached, up to 32,768 of workers and 1,024 of administrators in each process. A cached one is used for at
/// most one second, the lease, after the process began to make sure that the database still holds the
/// same version of all rights. While requests arrive, it does so twice a second; an idle process asks
/// nothing. In return, each call that can end a right (a replaced credential, a deleted worker or administrator, a change of
/// the members of a group, a deleted group) returns only 1.1 seconds after its commit, when no process on this database
/// has an older lease. If such a future is dropped, the change is done or not done, and may take that
/// long to count everywhere. `UPDATE artifact.rights_lease SET lease_ms = 100` makes the lease shorter, for
/// faster changes and more queries; 0 turns the caches off.
#[derive(Debug)]
pub struct PostgresDatabase {
    writer: Writer,
    connections: Connections,
    /// For the background lane, if there are enough connections.
    background: Option<Connections>,
    leases: Arc<Leases>,
    settled: Settled,
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
        Self::open_with(url, &PostgresOptions::default()).await
    }

    /// As [`open`](Self::open), with options.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); `Misconfigured` if the options have fewer than 4 connections.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn open_with(url: &DatabaseUrl, options: &PostgresOptions) -> Result<Self> {
        let Some((target, password)) = url.postgres() else {
            return Err(misconfigured(
                "not a PostgreSQL URL; write postgres://user@host/database".into(),
            ));
        };
        if target.is_exposed() {
            tracing::warn!(
                "the connection to the database is not protected; write sslmode=verify-full in its URL, \
                 or run the database on this machine or on a private network"
            );
        }
        let lanes = Lanes::of(options)?;
        let tls = options.tls(target).await?;
        Self::start(Manager::new(target, password, tls), target, lanes).await
    }

    /// Opens the database with the connections of an existing pool, so that the program's pool decides
    /// about hosts, users, passwords, TLS and hooks. A program with its own way to connect makes a pool of it
    /// with `deadpool_postgres::Manager::from_connect`. Creates or migrates the schema as
    /// [`open`](Self::open) does.
    ///
    /// The database takes up to [14](PostgresOptions::with_max_connections) connections out of the pool when
    /// they are needed, and keeps them. They count in the pool's `max_size` until they are closed, also
    /// while a cancelled statement ends. They never return to the pool, because their sessions get the
    /// settings of this database (search path, time-outs, durability), which would change the
    /// program's own queries. The pool needs:
    ///
    /// - A `max_size` of at least this number, plus what the program itself uses at the same time, plus one for each
    ///   backup, copy or import that runs. A migration at the start uses one connection, and the check for poolers two.
    /// - Sessions of the server itself or of a pooler in session mode, to a server that accepts
    ///   writes (`target_session_attrs=read-write` where the pool has several hosts).
    /// - A user with the rights that [`open`](Self::open) needs.
    ///
    /// Any recycling method, time-out and statement cache will do: each connection has a statement cache
    /// of its own. The database waits four seconds for a connection of the pool at most. Cancel
    /// requests need no login; if the pool requires TLS, set
    /// `PostgresOptions::with_tls_config` (feature `postgres-tls`) for them, otherwise a statement that
    /// hangs is logged and its connection closed after five minutes.
    ///
    /// [`close`](Self::close) closes the connections, not the pool.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); `Misconfigured` if the pool is too small or the options have fewer than 4
    /// connections.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn from_pool(
        pool: &deadpool_postgres::Pool,
        options: &PostgresOptions,
    ) -> Result<Self> {
        let lanes = Lanes::of(options)?;
        if pool.is_closed() {
            return Err(opened(Failure::of_programs_pool(PoolError::Closed)));
        }
        let (max_size, needed) = (pool.status().max_size, options.max_connections);
        if max_size < needed {
            return Err(misconfigured(format!(
                "the pool has max_size {max_size}, but the database takes up to {needed} connections \
                 of it; raise max_size to {needed} plus the program's own, or lower \
                 PostgresOptions::with_max_connections"
            )));
        }
        let tls = options.own_tls().unwrap_or(tls::Tls::None);
        let manager = Manager::of_pool(pool.clone(), tls);
        Self::start(manager, &"of the pool", lanes).await
    }

    async fn start(
        manager: Manager,
        name: &(dyn Display + Send + Sync),
        lanes: Lanes,
    ) -> Result<Self> {
        let connections = Connections::new(manager.clone(), lanes.queries)?;
        let mut first = connections.get_with_retries().await.map_err(|failure| {
            if failure.is_read_only() {
                return opened(failure.into_misconfigured());
            }
            Error::new(failure.kind, Operation::OpenDatabase)
                .with_detail(format!("the database {name} cannot be used"))
                .with_source(failure.into_error(Operation::OpenDatabase))
        })?;
        let second = connections.get_with_retries().await.map_err(opened)?;
        pooler::refuse(&first, &second).await.map_err(opened)?;
        drop(second);
        migrations::migrate(&mut first, migrations::ALL).await?;
        drop(first);
        let leases = Leases::new(Connections::new(manager.clone(), lanes.credentials)?);
        let background = match lanes.background {
            0 => None,
            connections => Some(Connections::new(manager.clone(), connections)?),
        };
        Ok(Self {
            leases: Arc::new(leases),
            writer: Writer::start(Connections::new(manager, 1)?),
            connections,
            background,
            settled: Settled::default(),
        })
    }

    /// Returns the connections for a query that begins now.
    fn connections(&self) -> &Connections {
        match &self.background {
            Some(background) if is_background() => background,
            _ => &self.connections,
        }
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
        if let Some(background) = &self.background {
            background.close();
        }
        self.leases.close();
    }
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase).with_detail(detail)
}

fn opened(failure: Failure) -> Error {
    failure.into_error(Operation::OpenDatabase)
}

impl PostgresDatabase {
    /// Runs a query in a lane.
    async fn run_query<R: Record>(
        &self,
        lane: Lane,
        subject: Subject,
        statement: &'static str,
        params: Arc<[Param]>,
    ) -> Result<Vec<R>> {
        let connections = self.connections();
        let _list = match lane {
            Lane::Lookup => None,
            Lane::List => {
                let permit = connections.list().await;
                Some(permit.map_err(|failure| failure.into_error(subject))?)
            }
        };
        let records = connections.retry(|client| {
            let params = Arc::clone(&params);
            Box::pin(async move {
                let statement = client.prepare_cached(statement).await?;
                let rows = client.query_raw(&statement, &*params).await?;
                Ok(read_all(rows).await?)
            })
        });
        records.await.map_err(|failure| failure.into_error(subject))
    }

    /// Applies a command, and makes it durable.
    async fn apply(&self, command: Command) -> Result<()> {
        let subject = command.subject();
        let written = match command {
            Command::InsertRow(new, deadline) => return self.writer.insert(new, deadline).await,
            Command::DeleteRow(id) => return self.remove_row(id, false, true).await.map(drop),
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
}

impl SqlDatabase for PostgresDatabase {
    const SELECT_CHUNK_DIGESTS: &'static str = digests::SELECT;
    const SELECT_KEY: &'static str = keys::SELECT;
    const SELECT_LOCATIONS: &'static str = "\
        SELECT id, collection, name FROM collection_files \
        WHERE EXISTS (SELECT FROM collection_files) AND state = 0 AND id = ANY (ARRAY(SELECT decode(given, 'hex') FROM jsonb_array_elements_text($1::text::jsonb) AS given))";
    const SHARING: &'static SharingStatements = sharing::STATEMENTS;

    async fn query_in<R: Record>(
        &self,
        lane: Lane,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> Result<Vec<R>> {
        let subject = subject.into();
        let params = params.into().into();
        traced(
            SYSTEM,
            subject,
            self.run_query(lane, subject, statement, params),
        )
        .await
    }

    async fn write(&self, command: Command) -> Result<()> {
        traced(SYSTEM, command.subject(), self.apply(command)).await
    }

    async fn delete_ended_shares(&self, limit: usize) -> Result<u64> {
        self.forget_ended_shares(limit).await
    }

    async fn query_credential<R: VersionedRecord>(
        &self,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> Result<Option<R>> {
        let (operation, params) = (Operation::FindCredential, params.into());
        let query = async {
            let record = self.leases.query(statement, params).await;
            record.map_err(|failure| failure.into_error(operation))
        };
        traced(SYSTEM, operation, query).await
    }

    fn credentials(&self) -> &CredentialCaches {
        &self.leases.caches
    }

    fn rights_version(&self) -> Option<RightsVersion> {
        self.leases.rights().map(|rights| rights.version)
    }
}
