//! The backends of a store whose blobs are moved: which of them this process may use, and how it opens them.

use std::sync::Arc;

use anyhow::Result;
use artifact_backend::{ArtifactInventory, Error, ErrorKind, Operation, async_trait};
use artifact_store::{Backend, BackendOptions, BackendUrl, Database, OpenBackend, PlacedBackend};

use super::plan::StorePlan;
use super::{bucket, traces};
use crate::failure::{setup, setup_from};

/// Returns the text that names a backend in the database.
pub(crate) fn name(url: &BackendUrl) -> String {
    url.to_string().trim_end_matches('/').to_owned()
}

/// Checks, before the backend of the settings is opened or created, that the store has not left it.
pub(crate) async fn check(plan: &StorePlan<'_>, database: &Database) -> Result<()> {
    let Some(mut placement) = read(plan, database).await? else {
        return Ok(());
    };
    let url = name(&plan.settings.backend);
    if plan.settings.adopt && placement.rename(&url) {
        let replaced = database
            .placement
            .replace_placement(placement.epoch - 1, &placement);
        return replaced.await.map_err(|error| cannot_place(plan, error));
    }
    let checked = placement.check_setting(&url);
    checked.map_err(|error| setup(error.detail()))
}

/// Makes the backend of the settings one that follows the placement of the store.
pub(crate) async fn follow(
    plan: &StorePlan<'_>,
    database: &Database,
    backend: &Backend,
) -> Result<PlacedBackend> {
    let record = Arc::clone(&database.placement);
    let opener = Arc::new(SettingsOpener(bucket::options(plan.settings)));
    let url = name(&plan.settings.backend);
    let backend = traces::of_backend(plan.settings, backend.inventory());
    let placed = PlacedBackend::open(record, opener, &url, backend).await;
    placed.map_err(|error| cannot_place(plan, error))
}

pub(crate) async fn read(
    plan: &StorePlan<'_>,
    database: &Database,
) -> Result<Option<artifact_store::Placement>> {
    let read = database.placement.placement().await;
    read.map_err(|error| cannot_place(plan, error))
}

fn cannot_place(plan: &StorePlan<'_>, error: artifact_store::Error) -> anyhow::Error {
    let sentence = format!("{} cannot be used", plan.sources.name("backend"));
    setup_from(error, sentence)
}

/// Opens the other backend of a migration with the settings of this process.
#[derive(Debug)]
struct SettingsOpener(BackendOptions);

#[async_trait]
impl OpenBackend for SettingsOpener {
    async fn open(&self, url: &str) -> artifact_backend::Result<Arc<dyn ArtifactInventory>> {
        let url = BackendUrl::parse(url)?;
        if url.path().is_some_and(|path| !path.is_dir()) {
            let error = Error::new(ErrorKind::Misconfigured, Operation::Open);
            return Err(error.with_detail("the folder does not exist on this machine"));
        }
        Ok(url.open_with(self.0.clone()).await?.inventory())
    }
}
