//! Runs a subject on a real file system and logs every write and flush of its device.

use std::time::Duration;

use rustix::fs::Mode;

use super::device::WriteFault;
use super::event::BlockRecording;
use super::file_system::{FileSystem, mount_error};
use super::rig::Rig;
use crate::error::{Error, Result};
use crate::strict::STORE;
use crate::subject::Subject;

/// Options of a run on a recording device.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockOptions {
    /// The duration of a flush.
    pub sync_time: Duration,
    /// A fault of the inode table: after `.0` writes to it, `.1` writes fail with EIO. ext4 only.
    pub inode_table_fault: Option<(usize, usize)>,
}

impl Default for BlockOptions {
    /// Flushes of 1 ms, without a fault.
    fn default() -> Self {
        Self {
            sync_time: Duration::from_millis(1),
            inode_table_fault: None,
        }
    }
}

impl BlockOptions {
    /// Sets the duration of a flush.
    #[must_use]
    pub fn with_sync_time(mut self, sync_time: Duration) -> Self {
        self.sync_time = sync_time;
        self
    }

    /// Lets writes to ext4's inode table fail with EIO: the first `succeed` writes succeed, and the next
    /// `fail` writes fail. Many inodes share a block, so the sync of one file loses changes of others.
    #[must_use]
    pub fn with_inode_table_fault(mut self, succeed: usize, fail: usize) -> Self {
        self.inode_table_fault = Some((succeed, fail));
        self
    }
}

/// Runs `subject` once on a fresh `file_system`. Its root is an empty, private and durable folder.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if this machine lacks a requirement,
/// otherwise the failure of the simulator itself. A subject that fails or times out is not an error:
/// [`BlockRecording::outcome`] says so.
pub fn record(
    subject: &Subject,
    file_system: FileSystem,
    options: &BlockOptions,
) -> Result<BlockRecording> {
    let BlockOptions {
        sync_time,
        inode_table_fault,
    } = options;
    file_system.available()?;
    let rig = Rig::new(file_system.size(), *sync_time)?;
    file_system.create(rig.device())?;
    let mount = || {
        file_system
            .mount(rig.device(), rig.point())
            .map_err(|errno| mount_error(file_system, errno))
    };
    let root = rig.point().join(STORE);
    let mounted = mount()?;
    rustix::fs::mkdir(&root, Mode::RWXU).map_err(Error::io("create the subject's root"))?;
    mounted.unmount()?;

    let fault = match *inode_table_fault {
        None => None,
        Some((succeed, fail)) => Some(WriteFault {
            parts: FileSystem::inode_table(rig.device())?,
            succeed,
            fail,
        }),
    };
    let base = {
        let mut disk = rig.disk();
        disk.fault = fault;
        disk.log = Some(Vec::new());
        disk.pages.clone()
    };
    let mounted = mount()?;
    let outcome = subject.run(&root, rig.stdout()?, || false)?;
    // Writes of the unmount belong to no crash state, so the log is taken first.
    let events = {
        let mut disk = rig.disk();
        disk.fault = None;
        disk.log.take().unwrap_or_default()
    };
    mounted.unmount()?;
    Ok(BlockRecording {
        file_system,
        base,
        events,
        outcome,
    })
}
