//! Running a subject on a real file system, with every write and flush of it logged.

use std::time::Duration;

use rustix::fs::Mode;

use super::event::BlockRecording;
use super::file_system::{FileSystem, mount_error};
use super::rig::Rig;
use crate::error::{Error, Result};
use crate::strict::STORE;
use crate::subject::Subject;

/// How a run on a recording device goes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockOptions {
    /// How long a flush takes.
    pub sync_time: Duration,
}

impl Default for BlockOptions {
    /// Flushes of 1 ms.
    fn default() -> Self {
        Self {
            sync_time: Duration::from_millis(1),
        }
    }
}

impl BlockOptions {
    /// With flushes that take this long.
    #[must_use]
    pub fn with_sync_time(mut self, sync_time: Duration) -> Self {
        self.sync_time = sync_time;
        self
    }
}

/// Runs `subject` once on a fresh `file_system`. Its root is an empty private folder that is durable.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if this machine cannot; else the failure
/// of the simulator itself. A subject that ends badly or late is no error here.
pub fn record(
    subject: &Subject,
    file_system: FileSystem,
    options: &BlockOptions,
) -> Result<BlockRecording> {
    let BlockOptions { sync_time } = options;
    file_system.available()?;
    let rig = Rig::new(file_system.size(), *sync_time)?;
    file_system.make(rig.device())?;
    let mount = || {
        file_system
            .mount(rig.device(), rig.point())
            .map_err(|errno| mount_error(file_system, errno))
    };
    let root = rig.point().join(STORE);
    let mounted = mount()?;
    rustix::fs::mkdir(&root, Mode::RWXU).map_err(Error::io("make the subject's root"))?;
    mounted.unmount()?;

    let base = {
        let mut disk = rig.disk();
        disk.log = Some(Vec::new());
        disk.pages.clone()
    };
    let mounted = mount()?;
    let ended = subject.run(&root, rig.stdout()?, || false)?;
    // What the unmount writes is not part of any crash.
    let events = rig.disk().log.take().unwrap_or_default();
    mounted.unmount()?;
    Ok(BlockRecording {
        file_system,
        base,
        events,
        ended,
    })
}
