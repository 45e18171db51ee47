//! The data folder: made, locked, and everything in it opened.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use artifact_store::{ArtifactStore, Backend, Database, Experiment, IdentityStore, StoreConfig};
use rustix::fs::{FlockOperation, Mode, OFlags};

use super::bucket;
use super::plan::Plan;
use crate::failure::{setup, setup_from};
use crate::files;

/// Held by the server that uses the folder; the operating system gives it back when the process
/// ends, however it ends.
const LOCK: &str = "lock";

/// Everything open that a server needs.
pub(crate) struct Opened {
    pub(crate) store: ArtifactStore,
    pub(crate) identities: Arc<dyn IdentityStore>,
    pub(crate) backend: Backend,
    pub(crate) token: String,
    // The last field: the lock is given back once the rest is closed.
    _lock: File,
}

/// Makes what is missing and opens all of it. What exists already is opened first, so that where
/// that fails nothing was made.
pub(crate) async fn open(plan: &Plan) -> Result<Opened> {
    let (lock, made) = lock(&plan.data_dir)?;
    // One that is no file is there already, or cannot be made here.
    let database_first = plan.database.path().is_none_or(Path::exists);
    let early = if database_first {
        Some(open_database(plan).await?)
    } else {
        None
    };
    let backend = plan
        .backend
        .open_with(plan.bucket.options.clone())
        .await
        .map_err(|error| setup_from(error, format!("{} cannot be used", plan.backend_called)))?;
    bucket::probe(&backend, plan.bucket.probe, &plan.backend_called).await?;
    let database = match early {
        Some(database) => database,
        None => open_database(plan).await?,
    };
    let config = StoreConfig::default()
        .with_max_artifact_bytes(plan.max_artifact_bytes)
        .with_verified_cache_bytes(usize::try_from(plan.verified_cache).unwrap_or(usize::MAX));
    let now = jiff::Timestamp::try_from(config.clock().now()).map_err(|error| {
        setup_from(
            error,
            "the clock of this machine is set to an impossible time",
        )
    })?;
    for id in &plan.experiments {
        let experiment = Experiment::new(id.clone(), now);
        let created = database.catalog.create_experiment(&experiment);
        created
            .await
            .map_err(|error| setup_from(error, format!("the experiment {id} cannot be created")))?;
    }
    let token = plan.token.obtain()?;
    made.keep();

    Ok(Opened {
        store: ArtifactStore::new(backend.backend(), database.catalog, config),
        identities: database.identities,
        backend,
        token,
        _lock: lock,
    })
}

async fn open_database(plan: &Plan) -> Result<Database> {
    let opened = plan.database.open().await;
    opened.map_err(|error| setup_from(error, format!("{} cannot be used", plan.database_called)))
}

/// What this start made, and takes away again unless it comes to the end.
struct Made {
    folder: Option<PathBuf>,
}

impl Made {
    fn keep(mut self) {
        self.folder = None;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // The lock is still held, and a folder that got anything else in it stays.
            let _ = rustix::fs::unlink(folder.join(LOCK));
            let _ = rustix::fs::rmdir(folder);
        }
    }
}

/// Makes the folder where it is missing, and locks it against other servers.
fn lock(folder: &Path) -> Result<(File, Made)> {
    let shown = folder.display();
    let cannot = |error: std::io::Error| {
        let sentence = format!("the data folder {shown} cannot be used; give another --data-dir");
        setup_from(error, sentence)
    };
    let new = files::make_private_folder(folder).map_err(cannot)?;
    let made = Made {
        folder: new.then(|| folder.to_owned()),
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder.join(LOCK), flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| cannot(error.into()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((file.into(), made)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(setup(format!(
            "the data folder {shown} is in use by another server; stop that one, or give another \
             --data-dir"
        ))),
        Err(error) => Err(cannot(error.into())),
    }
}
