//! Sets up a recording device: a FUSE file, a loop device on top of it, and a mount point.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};

use super::device::{DISK_NAME, Device, Disk, STDOUT_NAME};
use super::loop_device::LoopDevice;
use crate::error::{Error, Result};
use crate::guard::{self, MountPoint};

/// The number of FUSE threads: enough to accept the subject's lines while a flush sleeps.
const SERVER_THREADS: usize = 4;

/// A recording device. Dropping it removes the mount, then the loop device, then the FUSE file.
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
        config.n_threads = Some(SERVER_THREADS);
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

    /// Returns the mount point for the file system.
    pub(crate) fn point(&self) -> &Path {
        self.mounted_on.path()
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the kernel's cache of the device after its content was replaced.
    pub(crate) fn drop_kernel_cache(&self) -> Result<()> {
        self.device.drop_kernel_cache()
    }

    pub(crate) fn stdout(&self) -> Result<File> {
        OpenOptions::new()
            .write(true)
            .open(self.served_at.path().join(STDOUT_NAME))
            .map_err(Error::io("open the subject's standard output"))
    }
}
