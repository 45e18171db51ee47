//! A recording device that is ready for use: FUSE below, loop above, and a folder to mount on.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};

use super::device::{DISK_NAME, Device, Disk, STDOUT_NAME};
use super::loop_device::LoopDevice;
use crate::error::{Error, Result};
use crate::guard::{self, MountPoint};

/// Enough that the subject's lines go through while a flush takes its time.
const SERVERS: usize = 4;

/// Taken down from the top when dropped: the file system, the loop device, the file below it.
#[derive(Debug)]
pub(crate) struct Rig {
    disk: Arc<Mutex<Disk>>,
    // Dropped in this order.
    mounted_on: MountPoint,
    device: LoopDevice,
    served_at: MountPoint,
    _session: BackgroundSession,
}

impl Rig {
    pub(crate) fn new(size: u64, sync_time: Duration) -> Result<Self> {
        guard::available()?;
        let served_at = MountPoint::new()?;
        let disk = Arc::new(Mutex::new(Disk::default()));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("artifact-crash".to_owned()),
            MountOption::NoSuid,
        ];
        config.n_threads = Some(SERVERS);
        let served = Device {
            disk: disk.clone(),
            size,
            sync_time,
        };
        let session = fuser::spawn_mount(served, served_at.path(), &config)
            .map_err(Error::io("mount the device's backing file"))?;
        let device = LoopDevice::attach(&served_at.path().join(DISK_NAME))?;
        Ok(Self {
            disk,
            mounted_on: MountPoint::new()?,
            device,
            served_at,
            _session: session,
        })
    }

    pub(crate) fn device(&self) -> &Path {
        self.device.path()
    }

    /// Where to mount the file system.
    pub(crate) fn point(&self) -> &Path {
        self.mounted_on.path()
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing the kernel cached of an earlier content is read again.
    pub(crate) fn forget(&self) -> Result<()> {
        self.device.forget()
    }

    pub(crate) fn stdout(&self) -> Result<File> {
        OpenOptions::new()
            .write(true)
            .open(self.served_at.path().join(STDOUT_NAME))
            .map_err(Error::io("open the subject's standard output"))
    }
}
