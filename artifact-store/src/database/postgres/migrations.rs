//! The versions of the schema, and whose it is.
//!
//! Everything lies in a schema `artifact` of the database, and a table in it says how many of the
//! migrations were applied. All that are missing are applied in one transaction with it, so a process
//! that dies on the way leaves the database as it was.

use tokio_postgres::{GenericClient, IsolationLevel};

use super::error::Failure;
use crate::error::{Error, ErrorKind, Operation, Result};

/// Every migration, oldest first. One that was released is never changed: another is added.
pub(super) const ALL: &[&str] = &[
    include_str!("migrations/0001_rows.sql"),
    include_str!("migrations/0002_identity.sql"),
];

/// Held by whoever migrates, until the transaction ends: the letters `Artifact`.
const LOCK: i64 = i64::from_be_bytes(*b"Artifact");

/// What may take long in a migration has no time-out; what waits for another process has.
const BEGIN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 60000";

/// Whose schema it is, and at which version.
const MARK: &str = "\
    CREATE TABLE schema_version (\
        program text    PRIMARY KEY CHECK (program = 'artifact-store'),\
        version integer NOT NULL CHECK (version > 0)\
    )";

/// Checks that the database is one that can be used, and brings its schema up to date. Of several
/// processes that do it at once, the first does it and the others find it done.
pub(super) async fn migrate(
    client: &mut deadpool_postgres::Object,
    migrations: &[&str],
) -> Result<()> {
    suits(&***client).await?;
    if version(&***client, migrations).await? == migrations.len() {
        return Ok(());
    }
    let transaction = client
        .build_transaction()
        // Each statement sees what was committed before it: the second look comes after the lock.
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(opened)?;
    transaction.batch_execute(BEGIN).await.map_err(opened)?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(|error| match Failure::of(error) {
            failure if failure.kind == ErrorKind::Unavailable => {
                failure.with_detail("another process migrates the database, and it takes long")
            }
            failure => failure,
        })
        .map_err(|failure| failure.into_error(Operation::OpenRows, None))?;
    let found = version(&*transaction, migrations).await?;
    if found == 0 && !has_schema(&*transaction).await? {
        transaction
            .batch_execute("CREATE SCHEMA artifact")
            .await
            .map_err(opened)?;
    }
    if found == 0 {
        transaction.batch_execute(MARK).await.map_err(opened)?;
    }
    for migration in &migrations[found..] {
        transaction.batch_execute(migration).await.map_err(opened)?;
    }
    let newest = i32::try_from(migrations.len()).expect("there are a few migrations");
    transaction
        .execute(
            "INSERT INTO schema_version VALUES ('artifact-store', $1) \
             ON CONFLICT (program) DO UPDATE SET version = excluded.version",
            &[&newest],
        )
        .await
        .map_err(opened)?;
    transaction.commit().await.map_err(opened)?;
    if found < migrations.len() {
        tracing::info!(from = found, to = migrations.len(), "migrated the database");
    }
    Ok(())
}

/// Whether every text of ours can be kept, and anything written; says so where what is kept would
/// not outlive a power cut.
async fn suits(client: &(impl GenericClient + Sync)) -> Result<()> {
    let row = client
        .query_one(
            "SELECT current_setting('server_encoding'), current_setting('transaction_read_only'), \
             current_setting('fsync'), current_setting('full_page_writes')",
            &[],
        )
        .await
        .map_err(opened)?;
    let setting = |column| row.try_get::<_, &str>(column).map_err(opened);
    let encoding = setting(0)?;
    if encoding != "UTF8" {
        return Err(misconfigured(format!(
            "the database has the encoding {}; create one with ENCODING 'UTF8' TEMPLATE template0",
            encoding.escape_debug()
        )));
    }
    if setting(1)? == "on" {
        return Err(misconfigured(
            "the database is read-only: a standby, or set so; name the primary".into(),
        ));
    }
    for (column, name) in [(2, "fsync"), (3, "full_page_writes")] {
        if setting(column)? == "off" {
            tracing::warn!(
                "the database has {name} = off: what it acknowledges does not outlive a power cut"
            );
        }
    }
    Ok(())
}

/// How many migrations were applied.
async fn version(client: &(impl GenericClient + Sync), migrations: &[&str]) -> Result<usize> {
    let row = client
        .query_one(
            "SELECT to_regclass('artifact.schema_version') IS NOT NULL, EXISTS (\
                SELECT FROM pg_class WHERE relnamespace = to_regnamespace('artifact'))",
            &[],
        )
        .await
        .map_err(opened)?;
    let (is_marked, has_anything) = (
        row.try_get(0).map_err(opened)?,
        row.try_get(1).map_err(opened)?,
    );
    match (is_marked, has_anything) {
        (false, false) => return Ok(0),
        (false, true) => return Err(foreign()),
        (true, _) => {}
    }
    let found = client
        .query_one(
            "SELECT version FROM artifact.schema_version WHERE program = 'artifact-store'",
            &[],
        )
        .await
        .and_then(|row| row.try_get::<_, i32>(0))
        .map_err(|error| match Failure::of(error) {
            failure if failure.kind == ErrorKind::Unavailable => {
                failure.into_error(Operation::OpenRows, None)
            }
            failure => foreign().with_source(failure.into_error(Operation::OpenRows, None)),
        })?;
    match usize::try_from(found) {
        Ok(version) if version <= migrations.len() => Ok(version),
        _ => Err(misconfigured(format!(
            "the database has schema version {found}, and this program knows versions up to {}; \
             use the newer program that migrated it",
            migrations.len()
        ))),
    }
}

/// An administrator may have made it for a user who may not.
async fn has_schema(client: &(impl GenericClient + Sync)) -> Result<bool> {
    client
        .query_one("SELECT to_regnamespace('artifact') IS NOT NULL", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(opened)
}

fn foreign() -> Error {
    misconfigured(
        "the schema artifact of the database is one of another program; it was left as it is"
            .into(),
    )
}

fn opened(error: tokio_postgres::Error) -> Error {
    Failure::of(error).into_error(Operation::OpenRows, None)
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenRows).with_detail(detail)
}
