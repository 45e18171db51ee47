//! Mounting the strict file system, and running a subject on it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption};

use super::event::Event;
use super::fault::{Fault, OpKind};
use super::image::{Image, STORE};
use super::live::Live;
use super::serve::{STDOUT_NAME, Served};
use crate::claims::Claims;
use crate::error::{Error, Result};
use crate::guard::{self, MountPoint};
use crate::protocol::Line;
use crate::subject::{Ended, Subject};

/// How many requests are served at once: syncs sleep, and others must go on meanwhile.
const SERVERS: usize = 8;

/// What a run begins with and what goes wrong in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// What is there, and durable, when the run begins.
    pub image: Image,
    /// Errors to inject.
    pub faults: Vec<Fault>,
    /// Cut the power when the operation of this number begins: it and all after it are EIO, and the
    /// subject is killed.
    pub crash_at: Option<u64>,
    /// How long a sync takes. With none, syncs are over before another thread can do anything, and
    /// answers given too early hide.
    pub sync_time: Duration,
}

impl Default for Options {
    /// An empty private root, no errors, syncs of 1 ms.
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
    /// With this to begin with.
    #[must_use]
    pub fn with_image(mut self, image: Image) -> Self {
        self.image = image;
        self
    }

    /// With one error more.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// With a power cut when the operation of this number begins.
    #[must_use]
    pub fn with_crash_at(mut self, operation: u64) -> Self {
        self.crash_at = Some(operation);
        self
    }

    /// With syncs that take this long.
    #[must_use]
    pub fn with_sync_time(mut self, sync_time: Duration) -> Self {
        self.sync_time = sync_time;
        self
    }
}

/// The strict file system, mounted. Unmounted when dropped, in use or not.
#[must_use = "it is unmounted when dropped"]
#[derive(Debug)]
pub struct StrictMount {
    live: Arc<Mutex<Live>>,
    root: PathBuf,
    // In this order: the session's own unmount finds nothing left to do.
    point: MountPoint,
    _session: BackgroundSession,
}

impl StrictMount {
    /// Mounts on a new folder of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) without root or `/dev/fuse`; else the
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
        let live = Arc::new(Mutex::new(Live::new(&image, faults, crash_at)));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("artifact-crash".to_owned()),
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::DefaultPermissions,
        ];
        config.n_threads = Some(SERVERS);
        let served = Served {
            live: live.clone(),
            sync_time,
        };
        let session = fuser::spawn_mount(served, point.path(), &config)
            .map_err(Error::io("mount the strict file system"))?;
        Ok(Self {
            live,
            root: point.path().join(STORE),
            point,
            _session: session,
        })
    }

    /// The subject's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What a subject shall have as standard output: its lines then stand in the recording exactly
    /// where they were said.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn stdout(&self) -> Result<File> {
        self.live().paused = true;
        let opened = OpenOptions::new()
            .write(true)
            .open(self.point.path().join(STDOUT_NAME));
        self.live().paused = false;
        opened.map_err(Error::io("open the subject's standard output"))
    }

    /// What happened so far, for subjects that are no program but threads of the caller.
    pub fn events(&self) -> Vec<Event> {
        self.live().events.clone()
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StrictMount {
    fn drop(&mut self) {
        guard::detach(self.point.path());
    }
}

/// All that happened in one run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recording {
    /// What was there, and durable, when the run began.
    pub image: Image,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Each operation, in order: `At::Operation` counts along these.
    pub operations: Vec<OpKind>,
    /// How many injected errors struck.
    pub struck: u64,
    /// How the subject ended.
    pub ended: Ended,
}

impl Recording {
    /// What the subject said it cannot do here, if it said so.
    pub fn unsupported(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            Event::Said(Line::Unsupported(why)) => Some(why.as_str()),
            _ => None,
        })
    }

    /// What the subject had promised at the end.
    pub fn claims(&self) -> Claims {
        let mut claims = Claims::default();
        for event in &self.events {
            if let Event::Said(line) = event {
                claims.say(line);
            }
        }
        claims
    }
}

/// Runs `subject` once on the strict file system.
///
/// A subject that ends badly or late is no error here: [`Recording::ended`] says so.
///
/// # Errors
///
/// When the file system cannot be mounted or the subject not started.
pub fn record(subject: &Subject, options: Options) -> Result<Recording> {
    let image = options.image.clone();
    let mount = StrictMount::new(options)?;
    let stdout = mount.stdout()?;
    let ended = subject.run(mount.root(), stdout, || mount.live().dead)?;
    let mut live = mount.live();
    live.dead = true;
    Ok(Recording {
        image,
        events: std::mem::take(&mut live.events),
        operations: std::mem::take(&mut live.operations),
        struck: live.struck,
        ended,
    })
}
