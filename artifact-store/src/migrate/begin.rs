//! The beginning of a migration: the checks, the store id and the placement.

use artifact_backend::{ArtifactInventory, StoreId};
use futures_util::TryStreamExt as _;

use super::{MigrateEvent, MigrateReport, MigrateState, Migrator, Run, refused};
use crate::error::{Error, Operation, Result};
use crate::placement::{Begun, Placement};
use crate::store_id::Mismatch;

impl Migrator {
    /// Begins or resumes the migration. Returns its placement; in a dry run, the one that it would have.
    pub(super) async fn begin<F: FnMut(MigrateEvent) + Send>(
        &self,
        run: &Run<'_, F>,
        report: &mut MigrateReport,
    ) -> Result<Placement> {
        let recorded = self.record.placement().await?;
        let expected = recorded.as_ref().map_or(0, |placement| placement.epoch);
        let begun = Placement::begin(recorded, &self.from.url, &self.to.url)
            .map_err(|conflict| refused(conflict.to_string()).with_source(conflict))?;
        let dry_run = self.options.dry_run;
        self.check_halves(!dry_run).await?;
        match begun {
            Begun::Write(new) => {
                if !dry_run {
                    self.record.replace_placement(expected, &new).await?;
                    run.announce().await?;
                    run.enter(MigrateState::Copying, report);
                }
                Ok(new)
            }
            Begun::Resumed(placement) => {
                if !dry_run {
                    // The run before may have been killed before it announced the change.
                    run.announce().await?;
                }
                let state = if placement.is_fenced() {
                    MigrateState::Fenced
                } else {
                    MigrateState::Copying
                };
                run.enter(state, report);
                Ok(placement)
            }
            Begun::Ended(placement) => {
                if !dry_run {
                    run.announce().await?;
                }
                run.enter(MigrateState::Done, report);
                Ok(placement)
            }
        }
    }

    /// Checks that both backends belong to the store. Gives the store id to the new one if it is empty.
    async fn check_halves(&self, create: bool) -> Result<()> {
        let from = read_id(&*self.from.backend).await?;
        let database = self.store_id.store_id().await?;
        let Some(database) = database else {
            return Err(refused(
                "the database and the backend have no store id yet; start the server with them once",
            ));
        };
        match from {
            Some(from) if from == database => {}
            Some(backend) => return Err(mismatch(Mismatch::DifferentIds { database, backend })),
            None => {
                let has_blobs = has_blobs(&*self.from.backend).await?;
                return Err(mismatch(Mismatch::NoBackendId {
                    database,
                    has_blobs,
                }));
            }
        }
        match read_id(&*self.to.backend).await? {
            Some(to) if to == database => Ok(()),
            Some(to) => Err(refused(format!(
                "the backend to move to belongs to {to}, another store; give an empty one"
            ))),
            None if has_blobs(&*self.to.backend).await? => Err(refused(
                "the backend to move to has blobs of unknown origin; give an empty one",
            )),
            None if create => {
                let created = self.to.backend.create_store_id(database).await;
                match created.map_err(failed)? {
                    created if created == database => Ok(()),
                    _ => Err(refused(
                        "another store begins to use the backend to move to",
                    )),
                }
            }
            None => Ok(()),
        }
    }
}

async fn read_id(backend: &dyn ArtifactInventory) -> Result<Option<StoreId>> {
    backend.store_id().await.map_err(failed)
}

/// Returns whether the backend has a blob. A damaged blob counts.
async fn has_blobs(backend: &dyn ArtifactInventory) -> Result<bool> {
    let first = async { backend.list().await?.try_next().await };
    match first.await {
        Ok(first) => Ok(first.is_some()),
        Err(error) if error.damaged_blob().is_some() => Ok(true),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: artifact_backend::Error) -> Error {
    Error::backend(Operation::JoinHalves, error)
}

fn mismatch(mismatch: Mismatch) -> Error {
    refused(mismatch.to_string())
}
