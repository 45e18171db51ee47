//! The versions of the schema, and whose file it is.
//!
//! `PRAGMA user_version` is how many of the migrations were applied. All that are missing are applied
//! in one transaction with it, so a process that dies on the way leaves the file as it was.

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::error::failed;
use crate::error::{Error, ErrorKind, Operation, Result};

/// Every migration, oldest first. One that was released is never changed: another is added.
pub(super) const ALL: &[&str] = &[
    include_str!("migrations/0001_rows.sql"),
    include_str!("migrations/0002_identity.sql"),
];

/// `PRAGMA application_id` of our files: the letters `Artf`, as `file` and others may show them.
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"Artf");

/// Checks that the file is empty or ours, and not newer than this program. Gives the version that
/// it has, 0 for an empty one. Writes nothing.
pub(super) fn identify(connection: &mut Connection, migrations: &[&str]) -> Result<usize> {
    // One transaction, so that another process's migration is seen whole or not at all.
    let transaction = connection.transaction().map_err(opened)?;
    version(&transaction, migrations)
}

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    if identify(connection, migrations)? == migrations.len() {
        return Ok(());
    }
    // The write lock comes before the second look: of two processes that migrate at once, the
    // second finds the work of the first.
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
    let newest = u32::try_from(migrations.len()).expect("there are a few migrations");
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
            "the database file is one of another program; it was left as it is".into(),
        ));
    }
    match usize::try_from(version) {
        Ok(found) if found <= migrations.len() => Ok(found),
        _ => Err(misconfigured(format!(
            "the database has schema version {version}, and this program knows versions up to {}; \
             use the newer program that migrated it",
            migrations.len()
        ))),
    }
}

/// A failure before the file is known to be ours.
pub(super) fn opened(error: rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return misconfigured("the file is not an SQLite file; it was left as it is".into())
            .with_source(error);
    }
    failed(Operation::OpenRows, None, error)
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenRows).with_detail(detail)
}

#[cfg(test)]
mod tests;
