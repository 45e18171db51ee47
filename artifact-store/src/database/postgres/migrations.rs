//! The migrations of the schema, and the check that it belongs to this program.
//!
//! All tables are in the schema `artifact` of the database. One of them holds the number of applied
//! migrations. The missing ones are applied in one transaction together with that number, so a process
//! that dies in between leaves the database unchanged.

use tokio_postgres::{GenericClient, IsolationLevel};

use super::connections::{Connection, durable};
use super::error::Failure;
use crate::error::{Error, ErrorKind, Operation, Result};

/// All migrations, oldest first. A released migration never changes; changes are new migrations.
pub(super) const ALL: &[&str] = &[
    include_str!("migrations/0001_rows.sql"),
    include_str!("migrations/0002_identity.sql"),
    include_str!("migrations/0003_store_id.sql"),
    include_str!("migrations/0004_rights.sql"),
    include_str!("migrations/0005_lists.sql"),
    include_str!("migrations/0006_inventory.sql"),
    include_str!("migrations/0007_scrubs.sql"),
    include_str!("migrations/0008_expiry.sql"),
    include_str!("migrations/0009_imports.sql"),
    include_str!("migrations/0010_placement.sql"),
    include_str!("migrations/0011_chunk_digests.sql"),
    include_str!("migrations/0012_token_expiry.sql"),
    include_str!("migrations/0013_idempotency_keys.sql"),
    include_str!("migrations/0014_sharing.sql"),
    include_str!("migrations/0015_uploads.sql"),
    include_str!("migrations/0016_collections.sql"),
    include_str!("migrations/0017_administrators.sql"),
    include_str!("migrations/0018_quotas.sql"),
    include_str!("migrations/0019_collection_grants.sql"),
    include_str!("migrations/0021_old_admin_token.sql"),
];

/// The advisory lock of a process that migrates: the letters `Artifact`.
const LOCK: i64 = i64::from_be_bytes(*b"Artifact");

/// A migration may take long, so its statements have no time-out. Only the wait for another process
/// has one.
const BEGIN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 60000";

/// Creates the table that identifies the schema and holds its version.
const CREATE_VERSION_TABLE: &str = "\
    CREATE TABLE schema_version (\
        program text    PRIMARY KEY CHECK (program = 'artifact-store'),\
        version integer NOT NULL CHECK (version > 0)\
    )";

/// Checks that the database can be used, and migrates its schema to the newest version. If several
/// processes do this at the same time, the first migrates and the others wait for it.
pub(super) async fn migrate(client: &mut Connection, migrations: &[&str]) -> Result<()> {
    check_settings(&****client).await?;
    if version(&****client, migrations).await? == migrations.len() {
        return Ok(());
    }
    let transaction = client
        .build_transaction()
        // Each statement sees all earlier commits, so the version is current once the lock is held.
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(opened)?;
    transaction.batch_execute(BEGIN).await.map_err(opened)?;
    let opening = |failure: Failure| failure.into_error(Operation::OpenDatabase);
    durable(&transaction).await.map_err(opening)?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(|error| match Failure::of(error) {
            failure if failure.kind == ErrorKind::Unavailable => {
                failure.with_detail("another process has been migrating the database for a minute; wait for it, then retry")
            }
            failure => failure,
        })
        .map_err(opening)?;
    let found = version(&*transaction, migrations).await?;
    if found == 0 && !has_schema(&*transaction).await? {
        transaction
            .batch_execute("CREATE SCHEMA artifact")
            .await
            .map_err(opened)?;
    }
    if found == 0 {
        transaction
            .batch_execute(CREATE_VERSION_TABLE)
            .await
            .map_err(opened)?;
    }
    for migration in &migrations[found..] {
        transaction.batch_execute(migration).await.map_err(opened)?;
    }
    let newest = i32::try_from(migrations.len()).expect("the number of migrations is small");
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

/// Checks that the database can be used, and returns the version of its schema, 0 without one. Changes nothing.
pub(super) async fn installed(client: &(impl GenericClient + Sync)) -> Result<usize> {
    check_settings(client).await?;
    version(client, ALL).await
}

/// Checks that the database can hold every text and can be written.
async fn check_settings(client: &(impl GenericClient + Sync)) -> Result<()> {
    let row = client
        .query_one(
            "SELECT current_setting('server_encoding'), current_setting('transaction_read_only')",
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
            "the database is read-only, perhaps a standby; use the URL of the primary".into(),
        ));
    }
    Ok(())
}

/// Returns the number of applied migrations.
async fn version(client: &(impl GenericClient + Sync), migrations: &[&str]) -> Result<usize> {
    let row = client
        .query_one(
            "SELECT to_regclass('artifact.schema_version') IS NOT NULL, EXISTS (\
                SELECT FROM pg_class WHERE relnamespace = to_regnamespace('artifact'))",
            &[],
        )
        .await
        .map_err(opened)?;
    let (has_version, has_tables) = (
        row.try_get(0).map_err(opened)?,
        row.try_get(1).map_err(opened)?,
    );
    match (has_version, has_tables) {
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
                failure.into_error(Operation::OpenDatabase)
            }
            failure => foreign().with_source(failure.into_error(Operation::OpenDatabase)),
        })?;
    match usize::try_from(found) {
        Ok(version) if version <= migrations.len() => Ok(version),
        _ => Err(misconfigured(format!(
            "the database has schema version {found}, but this program knows versions up to {}; \
             use the newer program that migrated it",
            migrations.len()
        ))),
    }
}

/// Returns whether the schema exists. An administrator may have created it for a user who cannot.
async fn has_schema(client: &(impl GenericClient + Sync)) -> Result<bool> {
    client
        .query_one("SELECT to_regnamespace('artifact') IS NOT NULL", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(opened)
}

fn foreign() -> Error {
    misconfigured(
        "the schema artifact of the database belongs to another program; it was not changed. Use \
         another database"
            .into(),
    )
}

fn opened(error: tokio_postgres::Error) -> Error {
    Failure::of(error).into_error(Operation::OpenDatabase)
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase).with_detail(detail)
}
