//! Rows that are also notes in the backend: the database catches up before anything else uses it.

use anyhow::Result;
use artifact_store::{Backend, CatchUp, Database, RowNotes};

use super::plan::StorePlan;
use crate::failure::setup_from;

/// Brings the database up to the notes of the backend. Returns the right to write rows as notes, if this database and this backend
/// can.
pub(crate) async fn catch_up(
    plan: &StorePlan<'_>,
    database: &Database,
    backend: &Backend,
) -> Result<Option<RowNotes>> {
    let Some(catch_up) = CatchUp::new(database, backend).filter(|_| plan.lasts()) else {
        return Ok(None);
    };
    let run = catch_up.run().await;
    let (notes, report) = run.map_err(|error| {
        let (database, backend) = (plan.sources.name("database"), plan.sources.name("backend"));
        let sentence = format!("{database} cannot be brought up to the notes of {backend}");
        setup_from(error, sentence)
    })?;
    if !report.unreadable.is_empty() || report.lost > 0 {
        tracing::error!(
            alarm = "row-notes",
            unreadable = report.unreadable.len(),
            lost = report.lost,
            "some notes of the backend are damaged, so rows that the database lacks may be lost; restore the segments from a backup"
        );
    }
    Ok(Some(notes))
}
