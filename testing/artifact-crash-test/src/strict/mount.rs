//! Mounts the strict file system and runs a subject on it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};

use super::event::Event;
use super::fault::{Fault, OpKind};
use super::fuse::STDOUT_NAME;
use super::image::{Image, STORE};
use super::live::LiveFs;
use super::operations::StrictFs;
use crate::claims::Claims;
use crate::error::{Error, Result};
use crate::guard::{self, MountPoint};
use crate::protocol::Line;
use crate::subject::{RunOutcome, Subject};

/// The number of FUSE threads. Other requests must proceed while some syncs sleep.
const SERVER_THREADS: usize = 8;

/// Options of a run: the initial content and the faults.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The durable content at the start of the run.
    pub image: Image,
    /// The errors to inject.
    pub faults: Vec<Fault>,
    /// Cuts the power when the operation with this number begins. This and all later operations return
    /// EIO, and the subject is killed.
    pub crash_at: Option<u64>,
    /// The duration of a sync. If it is zero, a sync finishes before another thread can act, which hides
    /// premature acknowledgements.
    pub sync_time: Duration,
}

impl Default for Options {
    /// An empty, private root, no errors, syncs of 1 ms.
    fn default() -> Self {
        Self {
            image: Image::default(),
            faults: Vec::new(),
            crash_at: None,
            sync_time: Duration::from_millis(1),
        }
    }
}

impl Options {
    /// Sets the durable content at the start of the run.
    #[must_use]
    pub fn with_image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// Adds an error to inject.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Cuts the power when the operation with this number begins.
    #[must_use]
    pub fn with_crash_at(mut self, operation: u64) -> Self {
        self.crash_at = Some(operation);
        self
    }

    /// Sets the duration of a sync.
    #[must_use]
    pub fn with_sync_time(mut self, sync_time: Duration) -> Self {
        self.sync_time = sync_time;
        self
    }
}

/// A mount of the strict file system. Dropping it unmounts the file system, even if it is in use.
#[must_use = "dropping it unmounts the file system"]
#[derive(Debug)]
pub struct StrictMount {
    live: Arc<Mutex<LiveFs>>,
    root: PathBuf,
    // Dropped before the session, whose own unmount then has nothing to do.
    point: MountPoint,
    _session: BackgroundSession,
}

impl StrictMount {
    /// Mounts the file system on a new private folder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) without root or `/dev/fuse`, otherwise the
    /// failure of the mount.
    pub fn new(options: Options) -> Result<Self> {
        let Options {
            image,
            faults,
            crash_at,
            sync_time,
        } = options;
        guard::available()?;
        let point = MountPoint::new()?;
        let live = Arc::new(Mutex::new(LiveFs::new(&image, faults, crash_at)));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("artifact-crash".to_owned()),
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::DefaultPermissions,
        ];
        config.n_threads = Some(SERVER_THREADS);
        let file_system = StrictFs {
            live: live.clone(),
            sync_time,
        };
        let session = fuser::spawn_mount(file_system, point.path(), &config)
            .map_err(Error::io("mount the strict file system"))?;
        Ok(Self {
            live,
            root: point.path().join(STORE),
            point,
            _session: session,
        })
    }

    /// Returns the subject's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the file to use as the subject's standard output. The recording then holds its lines exactly
    /// where they were printed.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub fn stdout(&self) -> Result<File> {
        self.live().injector.paused = true;
        let opened = OpenOptions::new()
            .write(true)
            .open(self.point.path().join(STDOUT_NAME));
        self.live().injector.paused = false;
        opened.map_err(Error::io("open the subject's standard output"))
    }

    /// Returns the events so far, for a subject that is not a program but threads of the caller.
    pub fn events(&self) -> Vec<Event> {
        self.live().events.clone()
    }

    fn live(&self) -> MutexGuard<'_, LiveFs> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StrictMount {
    fn drop(&mut self) {
        guard::detach(self.point.path());
    }
}

/// The recording of one run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recording {
    /// The durable content at the start of the run.
    pub image: Image,
    /// The events of the run, in order.
    pub events: Vec<Event>,
    /// The operations of the run, in order. [`FaultPoint::Operation`](super::FaultPoint) is an index
    /// into them.
    pub operations: Vec<OpKind>,
    /// The number of errors that were injected.
    pub faults_hit: u64,
    /// The outcome of the run.
    pub outcome: RunOutcome,
}

impl Recording {
    /// Returns the reason why the subject cannot work here, if it printed `UNSUPPORTED`.
    pub fn unsupported(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            Event::Printed(Line::Unsupported(why)) => Some(why.as_str()),
            _ => None,
        })
    }

    /// Returns the subject's promises at the end of the run.
    pub fn claims(&self) -> Claims {
        let mut claims = Claims::default();
        for event in &self.events {
            if let Event::Printed(line) = event {
                claims.record(line);
            }
        }
        claims
    }
}

/// Runs `subject` once on the strict file system.
///
/// A subject that fails or times out is not an error: [`Recording::outcome`] says so.
///
/// # Errors
///
/// If the file system cannot be mounted or the subject cannot be started.
pub fn record(subject: &Subject, options: Options) -> Result<Recording> {
    let image = options.image.clone();
    let mount = StrictMount::new(options)?;
    let stdout = mount.stdout()?;
    let outcome = subject.run(mount.root(), stdout, || mount.live().injector.powered_off)?;
    let mut live = mount.live();
    live.injector.powered_off = true;
    Ok(Recording {
        image,
        events: std::mem::take(&mut live.events),
        operations: std::mem::take(&mut live.injector.operations),
        faults_hit: live.injector.faults_hit,
        outcome,
    })
}
