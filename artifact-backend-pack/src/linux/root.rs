//! The root folder: opened and checked once, locked for one process, then held by descriptors.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use artifact_backend::metrics::SyncMetrics;
use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Ownership, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::linux::error::{failed, misconfigured};
use crate::linux::spares::Spares;
use crate::linux::sys::{self, SysResult};

/// The file with the name of this backend and the version of its layout. It is created last.
pub(crate) const MARKER: &str = "artifact-format";
const MARKER_TEXT: &str = "artifact-backend-pack 1\n";
/// The marker of a root that may have notes. A program of an earlier version, which knows none, refuses it.
const NOTED_MARKER_TEXT: &str = "artifact-backend-pack 2\n";
const _: () = assert!(NOTED_MARKER_TEXT.len() == MARKER_TEXT.len());
/// The marker while it is written. A crash can leave it.
pub(crate) const NEW_MARKER: &str = "artifact-format.new";
/// The folder of segments.
pub(crate) const SEGMENTS: &str = "segments";
/// The root of the `FsBackend` that holds larger blobs. It also holds the record of a failed sync, which both backends obey.
pub(crate) const LARGE: &str = "large";
const FAILED_SYNC: &str = "failed-sync";
const FAILED_SYNC_TEXT: &str = "A sync failed, so blobs may be lost that the kernel still shows. Nothing is stored in this root until it is \
     repaired:\n\n1. Stop every process that uses it.\n2. Check the disk, unmount the file system and run fsck.\n3. Remove this \
     file and start again.\n";

const LOST_TEXT: &str = "A frame of this segment is damaged, at the offset in the name of this file. It is not known which blobs and \
     deletions were recorded in it.\nWhile this file is here, no file and no segment is removed, and a blob that is not found \
     is reported as damaged.\n\n1. Check the disk.\n2. Compare the store with its database (artifact verify), and restore what is missing from a \
     backup.\n3. Stop the server, remove this file and start again.\n";

/// The name of the file that says where the good part of a segment ends.
pub(crate) fn cut_name(segment: u32, end: u32) -> String {
    format!("{segment:08x}.cut-{end:08x}")
}

/// The name of the file that says which segment was the last one to be written to.
pub(crate) fn head_name(segment: u32) -> String {
    format!("head-{segment:08x}")
}

/// The name of the file that says where a segment has a damaged frame, so that it is not known which blobs were in it.
pub(crate) fn lost_name(segment: u32, offset: u32) -> String {
    format!("{segment:08x}.damaged-{offset:08x}")
}

/// The folders that all names are relative to.
#[derive(Debug)]
pub(crate) struct Root {
    folder: File,
    segments: File,
    large: File,
    in_doubt: AtomicBool,
    metrics: SyncMetrics,
    /// The number of the last segment that has or had a frame. Zero before the first frame.
    head: AtomicU32,
    /// Whether the marker says that there may be notes.
    has_notes: AtomicBool,
    pub(crate) spares: Spares,
    is_portable: bool,
}

/// What the marker of a root says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    None,
    Plain,
    /// There may be notes.
    Noted,
}

/// A locked root whose layout is not complete yet.
#[derive(Debug)]
pub(crate) struct LockedRoot {
    folder: File,
    marker: Marker,
}

impl LockedRoot {
    /// Opens the folder and takes its lock. Creates it if only its last component is missing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
        sys::create_folder(CWD, path).map_err(|errno| match errno {
            Errno::NOENT => {
                misconfigured("the parent folder of the root does not exist; create it")
            }
            errno => fail("create the root")(errno),
        })?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        // Symlinks in the operator's path are followed, even the last component.
        let opened = sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()));
        let folder = File::from(opened.map_err(fail("open the root"))?);
        let (owner, mode) = sys::owner_and_mode(&folder).map_err(fail("inspect the root"))?;
        let me = rustix::process::geteuid().as_raw();
        Ownership::new(owner, mode, me)
            .check_trusted()
            .map_err(|error| misconfigured(format!("the root {error}")))?;
        if !sys::try_lock(&folder).map_err(fail("lock the root"))? {
            return Err(in_use());
        }
        let marker = read_marker(folder.as_fd())?;
        if marker == Marker::None {
            check_new(folder.as_fd())?;
        } else if !sys::exists(folder.as_fd(), LARGE)
            .map_err(fail("look for the folder `large`"))?
        {
            // Opened, it would be created, and its blobs would seem to be lost.
            return Err(misconfigured("the folder `large` is missing; restore it"));
        }
        Ok(Self { folder, marker })
    }

    /// Opens the folders of the layout, after the folder of larger blobs was opened. Creates the rest of a new layout.
    ///
    /// `is_portable` says that nothing is used that only Linux has.
    pub(crate) fn complete(self, is_portable: bool) -> Result<Root> {
        let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
        let folder = self.folder.as_fd();
        let is_new = self.marker == Marker::None;
        let large = sys::open_folder(folder, LARGE).map_err(fail("open the folder `large`"))?;
        if is_new {
            sys::create_folder(folder, SEGMENTS).map_err(fail("create the folder `segments`"))?;
        }
        let segments = sys::open_folder(folder, SEGMENTS).map_err(|errno| match errno {
            Errno::NOENT => misconfigured("the folder `segments` is missing; restore it"),
            errno => fail("open the folder `segments`")(errno),
        })?;
        let root = Root {
            segments,
            large,
            folder: self.folder,
            in_doubt: AtomicBool::new(false),
            metrics: SyncMetrics::new("pack"),
            head: AtomicU32::new(0),
            spares: Spares::default(),
            is_portable,
            has_notes: AtomicBool::new(self.marker == Marker::Noted),
        };
        if is_new {
            root.create_marker()
                .map_err(fail("create the format marker"))?;
        }
        Ok(root)
    }
}

/// Reads the marker of this layout.
pub(crate) fn read_marker(root: BorrowedFd<'_>) -> Result<Marker> {
    let fail = |errno| failed(Operation::Open, None, "read the format marker", errno);
    let file = match sys::open_file(root, MARKER, OFlags::RDONLY) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Marker::None),
        Err(Errno::LOOP | sys::NOT_A_FILE) => {
            return Err(misconfigured("the format marker is not a file"));
        }
        Err(errno) => return Err(fail(errno)),
    };
    let mut text = [0; MARKER_TEXT.len()];
    let fits = sys::size(&file).map_err(fail)? == text.len() as u64
        && sys::read_exact(&file, &mut text, 0).is_ok();
    if fits && text == MARKER_TEXT.as_bytes() {
        return Ok(Marker::Plain);
    }
    if fits && text == NOTED_MARKER_TEXT.as_bytes() {
        return Ok(Marker::Noted);
    }
    Err(misconfigured(
        "the file artifact-format names another layout, so this is not a root of pack:, or one of a newer release",
    ))
}

/// Rejects a root without a marker that contains more than an interrupted start leaves.
fn check_new(root: BorrowedFd<'_>) -> Result<()> {
    let fail = |errno| failed(Operation::Open, None, "read the root", errno);
    for name in sys::names(root).map_err(fail)? {
        if ![SEGMENTS, LARGE, NEW_MARKER].contains(&name.as_str()) {
            let detail = format!("the root is not empty and has no format marker: it has {name:?}");
            return Err(misconfigured(detail));
        }
    }
    match sys::open_folder(root, SEGMENTS) {
        Ok(segments) if sys::names(segments.as_fd()).map_err(fail)?.is_empty() => Ok(()),
        Ok(_) => Err(misconfigured(
            "the root has segments but no format marker; restore the file artifact-format from a backup",
        )),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(fail(errno)),
    }
}

impl Root {
    /// Creates the marker when everything else is durable.
    fn create_marker(&self) -> SysResult<()> {
        let folder = self.folder.as_fd();
        let parent = sys::open_folder(folder, "..")?;
        let file = self.write_new_marker(MARKER_TEXT)?;
        for synced in [&file, &self.segments, &self.folder, &parent] {
            self.sync(synced)?;
        }
        // No other process can have made a marker: the root is locked.
        sys::rename(folder, NEW_MARKER, MARKER)?;
        self.sync(&self.folder)
    }

    fn write_new_marker(&self, text: &str) -> SysResult<File> {
        let folder = self.folder.as_fd();
        sys::unlink(folder, NEW_MARKER)?;
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        let file = sys::open_file(folder, NEW_MARKER, new)?;
        sys::write_all(&file, text.as_bytes(), 0)?;
        Ok(file)
    }

    /// Returns whether there may be notes in the root.
    pub(crate) fn has_notes(&self) -> bool {
        self.has_notes.load(Ordering::Acquire)
    }

    /// Makes the marker say durably that there may be notes, before the first one is written. Only the committer calls this.
    pub(crate) fn allow_notes(&self) -> SysResult<()> {
        if self.has_notes() {
            return Ok(());
        }
        let folder = self.folder.as_fd();
        let file = self.write_new_marker(NOTED_MARKER_TEXT)?;
        self.sync(&file)?;
        sys::rename(folder, NEW_MARKER, MARKER)?;
        self.sync(&self.folder)?;
        self.has_notes.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn segments(&self) -> BorrowedFd<'_> {
        self.segments.as_fd()
    }

    /// Ends the lock, so that another handle can open the root.
    pub(crate) fn unlock(&self) {
        sys::unlock(&self.folder);
    }

    /// Syncs a file or folder. Records a failure, after which nothing is acknowledged.
    pub(crate) fn sync(&self, file: impl AsFd) -> SysResult<()> {
        let synced = self.time_sync(|| sys::fsync(file));
        synced.inspect_err(|errno| self.record_failed_sync(*errno, None))
    }

    /// Makes a system call that syncs, and records how long it takes.
    pub(crate) fn time_sync<T>(&self, sync: impl FnOnce() -> T) -> T {
        self.metrics.time(sync)
    }

    /// Syncs the bytes of a segment. The caller records a failure.
    pub(crate) fn sync_bytes(&self, file: &File) -> SysResult<()> {
        if self.is_portable {
            sys::fsync(file)
        } else {
            sys::fdatasync(file)
        }
    }

    /// Gives the blocks of a range back to the file system, if it can do so. The range then reads as zeros.
    pub(crate) fn punch(&self, file: &File, at: u64, length: u64) {
        if !self.is_portable {
            // A file system without holes keeps the blocks until the segment is compacted.
            let _ = sys::punch(file, at, length);
        }
    }

    /// Returns the number of the last segment that may have frames. It must be there: no compaction removes it.
    pub(crate) fn head(&self) -> u32 {
        self.head.load(Ordering::Acquire)
    }

    /// Notes what the names in the folder say.
    pub(crate) fn set_head(&self, segment: u32) {
        self.head.store(segment, Ordering::Release);
    }

    /// Records that a segment is written to. Called before its first frame, when the file itself is durable. The name counts, so
    /// the file is empty.
    pub(crate) fn record_head(&self, segment: u32) -> SysResult<()> {
        let new = OFlags::CREATE | OFlags::WRONLY;
        sys::open_file(self.segments(), &head_name(segment), new)?;
        self.sync(&self.segments)?;
        let before = self.head.swap(segment, Ordering::AcqRel);
        // The greatest number counts, so one that stays does no harm.
        let _ = sys::unlink(self.segments(), &head_name(before));
        Ok(())
    }

    /// Records where a segment has damaged frames, durably, before it is sealed. The names count.
    pub(crate) fn record_lost(&self, segment: u32, offsets: &[u32]) -> SysResult<()> {
        let new = OFlags::CREATE | OFlags::WRONLY;
        for offset in offsets {
            let file = sys::open_file(self.segments(), &lost_name(segment, *offset), new)?;
            // The text is for an operator.
            let _ = sys::write_all(&file, LOST_TEXT.as_bytes(), 0);
        }
        if offsets.is_empty() {
            return Ok(());
        }
        self.sync(&self.segments)
    }

    /// Records a failed sync: of the segment and the end of its good part, if it was one of a segment. The names alone count, so
    /// they are synced before the text is written.
    pub(crate) fn record_failed_sync(&self, cause: Errno, cut: Option<(u32, u32)>) {
        self.in_doubt.store(true, Ordering::Release);
        self.metrics.count_failure();
        let new = OFlags::CREATE | OFlags::WRONLY;
        let cut = cut.map_or(Ok(()), |(segment, end)| {
            sys::open_file(self.segments(), &cut_name(segment, end), new)?;
            sys::fsync(&self.segments)
        });
        let recorded = sys::open_file(self.large.as_fd(), FAILED_SYNC, new).and_then(|file| {
            sys::fsync(&self.large)?;
            sys::write_all(&file, FAILED_SYNC_TEXT.as_bytes(), 0)?;
            sys::fsync(&file)
        });
        match cut.and(recorded) {
            Ok(()) => tracing::error!(
                %cause,
                alarm = "failed-sync",
                "a sync failed; nothing is acknowledged any more, and the file large/failed-sync in the root says what to do"
            ),
            Err(errno) => tracing::error!(
                %cause, %errno,
                alarm = "failed-sync",
                "a sync failed, and its record could not be made durable; nothing is acknowledged any more; do not start \
                 again before the file system was repaired and mounted again"
            ),
        }
    }

    /// Returns whether a sync has failed, here or in the folder of larger blobs. Called before each acknowledgement.
    pub(crate) fn is_in_doubt(&self) -> SysResult<bool> {
        if !self.in_doubt.load(Ordering::Acquire) && sys::exists(self.large.as_fd(), FAILED_SYNC)? {
            self.in_doubt.store(true, Ordering::Release);
            self.metrics.refuse_writes();
        }
        Ok(self.in_doubt.load(Ordering::Acquire))
    }

    /// Returns an error if this process knows of a failed sync.
    pub(crate) fn check_trusted(&self, operation: Operation, id: Option<ArtifactId>) -> Result<()> {
        if self.in_doubt.load(Ordering::Acquire) {
            return Err(in_doubt(operation, id));
        }
        Ok(())
    }

    /// Returns an error if the root was removed. A removed folder looks empty through its descriptor, which does not mean that a
    /// blob is absent.
    pub(crate) fn check_alive(&self, operation: Operation) -> Result<()> {
        if self.is_alive() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Misconfigured, operation)
            .with_detail("the root was removed while it was in use; restore it and restart"))
    }

    /// Returns whether the folder of segments still has a name.
    pub(crate) fn is_alive(&self) -> bool {
        sys::is_linked(&self.segments) == Ok(true)
    }
}

/// The error of a root that a process has open.
pub(crate) fn in_use() -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Open).with_detail(
        "the root is open already, and only one process can use it; a server collects, sweeps and scrubs its root by itself, \
         so stop it before you run another command on the root",
    )
}

/// The error of every operation after a failed sync.
pub(crate) fn in_doubt(operation: Operation, id: Option<ArtifactId>) -> Error {
    let error = Error::new(ErrorKind::Unexpected, operation).with_detail(
        "an earlier sync of this root failed, so nothing is acknowledged any more; stop the process, check the disk, repair the \
         file system with fsck, remove the file large/failed-sync from the root, and start again",
    );
    match id {
        Some(id) => error.with_id(id),
        None => error,
    }
}
