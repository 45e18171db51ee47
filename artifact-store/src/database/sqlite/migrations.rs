//! The migrations of the schema, and the check that a file belongs to this program.
//!
//! `PRAGMA user_version` is the number of applied migrations. The missing ones are applied in one
//! transaction together with it, so a process that dies in between leaves the file unchanged.

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::error::failed_to_open;
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
    include_str!("migrations/0011_usage.sql"),
    include_str!("migrations/0012_chunk_digests.sql"),
    include_str!("migrations/0013_token_expiry.sql"),
    include_str!("migrations/0014_idempotency_keys.sql"),
    include_str!("migrations/0015_sharing.sql"),
    include_str!("migrations/0016_uploads.sql"),
    include_str!("migrations/0017_collections.sql"),
    include_str!("migrations/0018_administrators.sql"),
    include_str!("migrations/0019_quotas.sql"),
    include_str!("migrations/0020_collection_grants.sql"),
    include_str!("migrations/0021_receipts.sql"),
    include_str!("migrations/0022_old_admin_token.sql"),
    include_str!("migrations/0023_note_position.sql"),
];

/// `PRAGMA application_id` of this program's files: the letters `Artf`, which `file` can show.
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"Artf");

/// Checks that the file is empty or belongs to this program, and is not newer than it. Returns the
/// schema version, 0 for an empty file. Writes nothing.
pub(super) fn identify(connection: &mut Connection, migrations: &[&str]) -> Result<usize> {
    // One transaction, so that it sees all of another process's migration or nothing.
    let transaction = connection.transaction().map_err(opened)?;
    version(&transaction, migrations)
}

/// Migrates the schema to the newest version.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    if identify(connection, migrations)? == migrations.len() {
        return Ok(());
    }
    // A row may have lost its experiment in a shell, which checks no references. A migration keeps it as it is.
    set_foreign_keys(connection, false)?;
    let migrated = apply(connection, migrations);
    set_foreign_keys(connection, true)?;
    migrated
}

fn set_foreign_keys(connection: &Connection, checked: bool) -> Result<()> {
    let set = connection.pragma_update(None, "foreign_keys", checked);
    set.map_err(opened)
}

fn apply(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    // Read the version again under the write lock: another process may have migrated in between.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(opened)?;
    let found = version(&transaction, migrations)?;
    for migration in &migrations[found..] {
        transaction.execute_batch(migration).map_err(opened)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(opened)?;
    let newest = u32::try_from(migrations.len()).expect("the number of migrations is small");
    transaction
        .pragma_update(None, "user_version", newest)
        .map_err(opened)?;
    transaction.commit().map_err(opened)?;
    if found < migrations.len() {
        tracing::info!(from = found, to = migrations.len(), "migrated the database");
    }
    Ok(())
}

fn version(transaction: &Transaction<'_>, migrations: &[&str]) -> Result<usize> {
    let number = |sql| transaction.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id").map_err(opened)?;
    let version = number("PRAGMA user_version").map_err(opened)?;
    let objects = number("SELECT count(*) FROM sqlite_schema").map_err(opened)?;

    if application == 0 && version == 0 && objects == 0 {
        return Ok(0);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(misconfigured(
            "it belongs to another program, and was not changed; give another path".into(),
        ));
    }
    match usize::try_from(version) {
        Ok(found) if found <= migrations.len() => Ok(found),
        _ => Err(misconfigured(format!(
            "the database has schema version {version}, but this program knows versions up to {}; \
             use the newer program that migrated it",
            migrations.len()
        ))),
    }
}

/// Converts an error from before the file is known to belong to this program.
pub(super) fn opened(error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return misconfigured(
            "the file is not an SQLite file; it was not changed. Give another path".into(),
        )
        .with_source(error);
    }
    failed_to_open(error)
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase).with_detail(detail)
}

#[cfg(test)]
mod tests;
