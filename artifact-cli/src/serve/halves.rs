//! Checks that the database and the backend belong together, before the first request.

use std::path::Path;

use anyhow::Result;
use artifact_store::{
    Backend, Database, JoinError, Mismatch, StoreHalves, check_new_backend, check_new_database,
};

use super::plan::StorePlan;
use crate::failure::{setup, setup_from};
use crate::files;

/// Checks, before a new folder of blobs is created, that the database does not miss its blobs. A missing
/// or empty folder is often the mount point of a disk that is not mounted.
pub(crate) async fn check_backend_to_create(
    plan: &StorePlan<'_>,
    database: &Database,
) -> Result<()> {
    let folder = plan.settings.backend.path();
    if plan.settings.adopt || !plan.lasts() || !folder.is_some_and(is_missing_or_empty) {
        return Ok(());
    }
    let checked = check_new_backend(database).await;
    checked.map_err(|error| refusal(plan, error))
}

/// Checks, before a new database file is created, that the backend does not miss its database.
pub(crate) async fn check_database_to_create(
    plan: &StorePlan<'_>,
    backend: &Backend,
) -> Result<()> {
    if plan.settings.adopt {
        return Ok(());
    }
    let checked = check_new_database_of(plan, backend).await;
    // Another server may have created the file since; then `join` compares the two.
    if checked.is_err() && plan.database.path().is_some_and(Path::exists) {
        return Ok(());
    }
    checked
}

/// Checks that the backend does not miss a database that does not exist or is empty. Creates nothing.
pub(crate) async fn check_new_database_of(plan: &StorePlan<'_>, backend: &Backend) -> Result<()> {
    if plan.settings.adopt {
        return Ok(());
    }
    let checked = check_new_database(backend).await;
    checked.map_err(|error| refusal(plan, error))
}

/// Joins the database and the backend, or refuses to serve them.
pub(crate) async fn join(
    plan: &StorePlan<'_>,
    database: &Database,
    backend: &Backend,
) -> Result<()> {
    let halves = StoreHalves::new(database, backend);
    let joined = match (plan.lasts(), plan.settings.adopt) {
        (true, false) => halves.join().await.map(drop),
        (true, true) => halves.adopt().await.map(drop),
        (false, false) => halves.check_unpaired().await,
        (false, true) => Ok(()),
    };
    joined.map_err(|error| refusal(plan, error))
}

/// Checks that the database and the backend belong together, for maintenance. Creates nothing.
pub(crate) async fn check(
    plan: &StorePlan<'_>,
    database: &Database,
    backend: &Backend,
) -> Result<()> {
    match mismatch(plan, database, backend).await? {
        None => Ok(()),
        Some(sentence) => Err(setup(sentence)),
    }
}

/// Returns why the database and the backend do not belong together, or `None` if they do. Creates nothing.
pub(crate) async fn mismatch(
    plan: &StorePlan<'_>,
    database: &Database,
    backend: &Backend,
) -> Result<Option<String>> {
    match StoreHalves::new(database, backend).check().await {
        Ok(Some(_)) => Ok(None),
        Ok(None) => Ok(Some(
            "the database and the backend have no store id yet; start the server with them once"
                .to_owned(),
        )),
        Err(error @ JoinError::Mismatch(_)) => Ok(Some(refusal(plan, error).to_string())),
        Err(error) => Err(refusal(plan, error)),
    }
}

/// Returns whether the folder does not exist or has no entry.
pub(crate) fn is_missing_or_empty(folder: &Path) -> bool {
    folder.symlink_metadata().is_err() || files::is_empty_folder(folder)
}

/// Returns the error that ends the start: which half is missing or foreign, and what to do.
fn refusal(plan: &StorePlan<'_>, error: JoinError) -> anyhow::Error {
    let (sources, settings) = (plan.sources, plan.settings);
    let (backend, database) = (sources.name("backend"), sources.name("database"));
    let mismatch = match error {
        JoinError::Mismatch(mismatch) => mismatch,
        error => {
            return setup_from(error, format!("{database} and {backend} cannot be used"));
        }
    };
    let blobs = match settings.backend.path() {
        Some(path) => format!("the folder of the blobs {}", path.display()),
        None if settings.backend.is_memory() => "the backend in memory".to_owned(),
        None => format!("the bucket ({backend})"),
    };
    let rows = match plan.database.path() {
        Some(path) => format!("the database {}", path.display()),
        None if !plan.database.outlives_the_process() => "the database in memory".to_owned(),
        None => format!("the database ({database})"),
    };
    setup(match mismatch {
        Mismatch::NoBackendId {
            database: id,
            has_blobs: false,
        } => format!(
            "{blobs} holds no blobs, but {rows} belongs to {id}, whose blobs are elsewhere: is a disk not \
             mounted? Mount or restore the blobs, or give --adopt once to go on without them"
        ),
        Mismatch::NoBackendId { database: id, .. } => format!(
            "{blobs} holds blobs without a store id, but {rows} belongs to {id}; check {backend} and \
             {database}, or give --adopt once if the blobs are an older copy"
        ),
        Mismatch::NoDatabaseId {
            backend: id,
            has_rows: false,
        } => format!(
            "{rows} is missing or has no rows, but {blobs} belongs to {id}, whose rows are elsewhere; \
             restore the database, or give --adopt once to go on without its rows"
        ),
        Mismatch::NoDatabaseId { backend: id, .. } => format!(
            "{rows} has rows without a store id, but {blobs} belongs to {id}; check {backend} and \
             {database}, or give --adopt once if the database is an older copy"
        ),
        Mismatch::DifferentIds {
            database: rows_id,
            backend: blobs_id,
        } => format!(
            "{rows} belongs to {rows_id}, but {blobs} belongs to {blobs_id}, another store; check \
             {backend} and {database}, or give --adopt once to use this database for these blobs from \
             now on"
        ),
        Mismatch::RowsWithoutBlobs { rows: of, missing } => format!(
            "{missing} of {of} artifacts that were looked up in {rows} have no blob in {blobs}: is a disk \
             not mounted? Mount or restore the blobs, or give --adopt once to go on without them"
        ),
        Mismatch::BlobsWithoutRows => format!(
            "{blobs} holds blobs, but {rows} is missing or has no rows; restore the database, or give \
             --adopt once to go on without its rows"
        ),
        other => format!("{database} and {backend} do not belong together: {other}"),
    })
}
