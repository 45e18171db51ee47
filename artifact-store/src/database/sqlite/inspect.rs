//! Looks at a file without changing it.

use std::path::Path;

use artifact_backend::blocking;

use super::connection::{Role, connect};
use super::{migrations, system};
use crate::database::DatabaseReport;
use crate::error::{Error, ErrorKind, Operation, Result};

pub(crate) async fn inspect(path: &Path) -> Result<DatabaseReport> {
    let path = path.to_owned();
    let found = blocking::run(move || schema(&path)).await;
    let fail =
        |error| Error::new(ErrorKind::Unavailable, Operation::OpenDatabase).with_source(error);
    Ok(DatabaseReport {
        schema: found.map_err(fail)??,
        needed_schema: migrations::ALL.len(),
        ..DatabaseReport::default()
    })
}

/// Returns the version of the schema, 0 if there is no file.
fn schema(path: &Path) -> Result<usize> {
    let named = |error: Error| {
        let detail = format!("the database file {}: {}", path.display(), error.detail());
        error.with_detail(detail)
    };
    // A file that this user cannot look at is not taken for one that does not exist.
    let exists = path.try_exists().map_err(|error| {
        let detail = "it cannot be looked at; use the user of the server";
        let error = Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase)
            .with_detail(detail)
            .with_source(error);
        named(error)
    })?;
    if !exists {
        return Ok(0);
    }
    system::check_owners(path)
        .map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase)
                .with_detail("it cannot be used")
                .with_source(error)
        })
        .and_then(|()| connect(path, Role::Read).map_err(migrations::opened))
        .and_then(|mut connection| migrations::identify(&mut connection, migrations::ALL))
        .map_err(named)
}
