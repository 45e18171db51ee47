//! The copy of one database into another.

use artifact_backend::StoreId;

use super::record::DumpRecord;
use crate::database::{Database, PortableDatabase};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::placement::Placement;

/// What [`copy_database`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// The records that were copied.
    pub records: u64,
    /// The rows of artifacts among them.
    pub artifacts: u64,
    /// Whether an earlier call had completed the copy, so that this one copied nothing.
    pub was_complete: bool,
}

/// Moves the contents of a database into an empty one of any kind: SQLite, PostgreSQL, memory.
///
/// First the old database is [marked](PortableDatabase::mark_moved) as moved to `name`: from then on it refuses every
/// write, by any process, and [`StoreHalves`](crate::StoreHalves) refuses to join it, so no server starts with it. Reads go
/// on. Then one snapshot is written into the new database in one transaction. So every row that was
/// acknowledged is in the new database, and both have the same store id. The [`Placement`] is copied too, also in the middle of a
/// migration: the blobs stay where they are.
///
/// The servers on the old database must be stopped before one is started on the new one: they would go on to serve what
/// is deleted there.
///
/// If the copy fails before its commit, the mark is removed again. After a kill, a dropped future or an unknown outcome of the
/// commit the mark stays: call it again, with the same two databases. `observe` gets the number of records so far.
///
/// ```
/// use artifact_store::{Database, copy_database};
///
/// # async fn example() -> artifact_store::Result<()> {
/// let from = Database::from_url("/srv/artifacts/rows.sqlite").await?;
/// let to = Database::from_url("postgres://artifact@db/artifacts").await?;
/// let report = copy_database(&from, &to, "postgres://artifact@db/artifacts", |_| {}).await?;
/// println!("{} artifacts", report.artifacts);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `AlreadyExists` if the new database is not empty and not the complete copy; `Corrupt` if a record of the old one cannot
/// be read: repair it first; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
pub async fn copy_database(
    from: &Database,
    to: &Database,
    name: &str,
    observe: impl FnMut(u64) + Send,
) -> Result<CopyReport> {
    let (source, target) = (from.portable()?, to.portable()?);
    let was_marked = source.moved_to().await?;
    if let Some(marked) = &was_marked
        && marked != name
    {
        return Err(misconfigured(format!(
            "the old database is marked as moved to {marked}, not to {name}; give that database, or remove the mark first"
        )));
    }
    if was_marked.is_some() {
        let ids = (
            from.store_id.store_id().await?,
            to.store_id.store_id().await?,
        );
        if let (Some(old), Some(new)) = ids
            && old == new
        {
            let was_complete = true;
            return Ok(CopyReport {
                was_complete,
                ..CopyReport::default()
            });
        }
    }
    if from.store_id.store_id().await?.is_none() {
        return Err(misconfigured(
            "the old database has no store id, so no server has used it with a backend; start the server with it once"
                .into(),
        ));
    }
    // Fails if the new database is not empty, before the old one changes.
    drop(target.begin_load().await?);
    source.mark_moved(name).await?;
    let mut copy = Copy {
        report: CopyReport::default(),
        is_committing: false,
        observe,
    };
    let copied = async {
        // The mark keeps it as it is.
        let placement = from.placement.placement().await?;
        copy.run(&**source, &**target, placement).await
    };
    match copied.await {
        Ok(()) => Ok(copy.report),
        Err(error) if copy.is_committing => Err(error),
        Err(error) => {
            if let Err(failed) = source.clear_moved().await {
                tracing::error!(
                    error = &failed as &dyn std::error::Error,
                    "the old database still refuses writes, because the mark that it was moved cannot be removed"
                );
            }
            Err(error)
        }
    }
}

struct Copy<F> {
    report: CopyReport,
    /// Whether the new database may be complete.
    is_committing: bool,
    observe: F,
}

impl<F: FnMut(u64) + Send> Copy<F> {
    async fn run(
        &mut self,
        source: &dyn PortableDatabase,
        target: &dyn PortableDatabase,
        placement: Option<Placement>,
    ) -> Result<()> {
        let mut load = target.begin_load().await?;
        let mut snapshot = source.snapshot().await?;
        while let Some(records) = snapshot.next().await? {
            self.report.records += records.len() as u64;
            let artifacts = records
                .iter()
                .filter(|record| matches!(record, DumpRecord::Artifact { .. }));
            self.report.artifacts += artifacts.count() as u64;
            load.write(records).await?;
            (self.observe)(self.report.records);
        }
        if snapshot.unreadable() > 0 {
            return Err(Error::new(ErrorKind::Corrupt, Operation::Dump).with_detail(format!(
                "{} records of the old database cannot be read; the log names them. Repair them, or back up and restore, \
                 which leaves them out",
                snapshot.unreadable()
            )));
        }
        let store_id: Option<StoreId> = snapshot.store_id();
        drop(snapshot);
        if let Some(placement) = placement {
            load.place(&placement).await?;
        }
        self.is_committing = true;
        load.commit(store_id).await
    }
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Dump).with_detail(detail)
}
