//! Creates and locks the data folder, and opens everything in it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use artifact_store::{
    ArtifactStore, Backend, CollectOptions, Collector, Database, ErrorKind, Experiment,
    IdentityStore, ReadinessProbe, ScrubOptions, Scrubber, StoreConfig,
};
use rustix::fs::{FlockOperation, Mode, OFlags};

use super::admin_token::Accepted;
use super::plan::{ServePlan, StorePlan};
use super::{bucket, halves, metrics, notes, placement, service_manager};
use crate::failure::{setup, setup_from};
use crate::files;

/// The file that the server holds a lock on while it uses the folder. The operating system releases the
/// lock when the process ends for any reason.
const LOCK: &str = "lock";

/// The open resources of a server.
pub(crate) struct Opened {
    pub(crate) store: ArtifactStore,
    pub(crate) database: Database,
    pub(crate) backend: Backend,
    pub(crate) token: Accepted,
    /// The identities, if other servers can use them too.
    pub(crate) shared: Option<Arc<dyn IdentityStore>>,
    /// Whether both the rows and the blobs outlive this process.
    pub(crate) lasts: bool,
    // The last field, so that the lock is released after the rest is closed.
    _lock: File,
}

impl Opened {
    /// Returns the collector of the schedule. A schedule of its own sweeps the backend.
    pub(crate) fn collector(&self) -> Collector {
        let options = CollectOptions::new(self.store.config()).with_sweep(false);
        let catalog = Arc::clone(&self.database.inventory);
        Collector::new(catalog, self.backend.inventory(), options)
            .with_sharing(Arc::clone(&self.database.sharing))
    }

    /// Returns the checks of `/readyz`.
    pub(crate) fn readiness(&self) -> ReadinessProbe {
        ReadinessProbe::new(&self.store, &self.database, self.backend.inventory())
    }

    /// Returns the scrubber of the schedule.
    pub(crate) fn scrubber(&self, bytes_per_second: u64) -> Scrubber {
        let options =
            ScrubOptions::new(self.store.config()).with_bytes_per_second(bytes_per_second);
        let catalog = Arc::clone(&self.database.inventory);
        Scrubber::new(catalog, self.backend.inventory(), options)
    }
}

/// Opens everything and creates what does not exist. Opens existing resources first, so that nothing is
/// created if that fails.
pub(crate) async fn open(plan: &ServePlan<'_>) -> Result<Opened> {
    let store = &plan.store;
    let settings = store.settings;
    let backend_name = store.sources.name("backend");
    let (lock, created) = lock(&settings.data_dir)?;
    // A database that is not a file exists already, or cannot be created here.
    let existing = if store.database.path().is_none_or(Path::exists) {
        Some(wait_for_database(store).await?)
    } else {
        None
    };
    if let Some(database) = &existing {
        placement::check(store, database).await?;
        halves::check_backend_to_create(store, database).await?;
    }
    let opened = settings.backend.open_with(bucket::options(settings)).await;
    let backend =
        opened.map_err(|error| setup_from(error, format!("{backend_name} cannot be used")))?;
    let backend = if settings.metrics_listen.is_some() {
        metrics::with_metrics(&settings.backend, &backend)
    } else {
        backend
    };
    bucket::probe(&backend, settings, &backend_name).await?;
    let database = if let Some(database) = existing {
        database
    } else {
        halves::check_database_to_create(store, &backend).await?;
        open_database(store).await?
    };
    halves::join(store, &database, &backend).await?;
    // Before anything else looks for rows.
    let notes = notes::catch_up(store, &database, &backend).await?;
    let placed = placement::follow(store, &database, &backend).await?;
    let config = StoreConfig::default()
        .with_grace_period(settings.schedule.grace_period)
        .with_max_artifact_bytes(settings.max_artifact_bytes.0)
        .with_commit_timeout(settings.commit_timeout)
        .with_verified_cache_bytes(settings.verified_cache.as_usize())
        .with_read_memory_bytes(settings.fetch_memory.as_usize())
        .with_min_free_space(settings.min_free_space.0, store.rows_folder());
    let now = jiff::Timestamp::try_from(config.clock().now()).map_err(|error| {
        setup_from(
            error,
            "the clock of this machine is set to an impossible time; set it",
        )
    })?;
    for id in &settings.experiments {
        let experiment = Experiment::new(id.clone(), now);
        let created = database.catalog.create_experiment(&experiment);
        created
            .await
            .map_err(|error| setup_from(error, format!("cannot create the experiment {id}")))?;
    }
    let outlives = store.database.outlives_the_process();
    let shared = outlives.then(|| Arc::clone(&database.identities));
    let token = plan.token.settle(shared.as_deref()).await?;
    created.keep();

    let mut opened = ArtifactStore::placed(placed.clone(), Arc::clone(&database.catalog), config);
    if let Some(notes) = notes.filter(|_| settings.row_notes) {
        opened = opened.with_row_notes(notes);
    }
    Ok(Opened {
        store: opened,
        database,
        backend: Backend::new(Arc::new(placed)),
        token,
        shared,
        lasts: plan.store.lasts(),
        _lock: lock,
    })
}

/// Opens the database of a server, and waits for it if it cannot be reached yet.
async fn wait_for_database(plan: &StorePlan<'_>) -> Result<Database> {
    let wait = plan.settings.database_wait;
    let mut is_first = true;
    let failed = |error: &artifact_store::Error| {
        if std::mem::take(&mut is_first) {
            service_manager::waiting_for("the database");
            tracing::warn!(
                error = error as &dyn std::error::Error,
                seconds = wait.as_secs(),
                "waiting for the database: trying again until these seconds are over (--database-wait)"
            );
        }
    };
    let opened = plan.database.open_within(wait, failed).await;
    opened.map_err(|error| {
        let name = plan.sources.name("database");
        if error.kind() == ErrorKind::Unavailable {
            // No setting is wrong, so that a service manager should start the server again.
            let seconds = wait.as_secs();
            return anyhow::Error::new(error).context(format!(
                "{name} cannot be used, after {seconds} seconds of waiting (--database-wait)"
            ));
        }
        setup_from(error, format!("{name} cannot be used"))
    })
}

pub(crate) async fn open_database(plan: &StorePlan<'_>) -> Result<Database> {
    let opened = plan.database.open().await;
    let name = plan.sources.name("database");
    opened.map_err(|error| setup_from(error, format!("{name} cannot be used")))
}

/// The data folder if this start created it. Removes it on drop, unless the start succeeded.
#[must_use = "dropping it removes the folder"]
pub(crate) struct CreatedFolder {
    folder: Option<PathBuf>,
}

impl CreatedFolder {
    /// Keeps the folder.
    pub(crate) fn keep(mut self) {
        self.folder = None;
    }
}

impl Drop for CreatedFolder {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // The lock is still held, and rmdir keeps a folder with anything else in it.
            let _ = rustix::fs::unlink(folder.join(LOCK));
            let _ = rustix::fs::rmdir(folder);
        }
    }
}

/// Creates the folder if it does not exist, and locks it against other servers.
pub(crate) fn lock(folder: &Path) -> Result<(File, CreatedFolder)> {
    let shown = folder.display();
    let cannot = |error: std::io::Error| {
        let sentence = format!("cannot use the data folder {shown}; give another --data-dir");
        setup_from(error, sentence)
    };
    let new = files::make_private_folder(folder).map_err(cannot)?;
    let created = CreatedFolder {
        folder: new.then(|| folder.to_owned()),
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder.join(LOCK), flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| cannot(error.into()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((file.into(), created)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(setup(format!(
            "the data folder {shown} is in use by another server; stop that server, or give another \
             --data-dir"
        ))),
        Err(error) => Err(cannot(error.into())),
    }
}
