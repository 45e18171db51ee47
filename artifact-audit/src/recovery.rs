//! Opens the file of a log: checks it, and repairs what a crash left.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use artifact_backend::random;

use crate::append_file::{self, AppendFile};
use crate::damage::DamageKind;
use crate::error::{AuditError, AuditErrorKind};
use crate::line::{MAX_LINE, Position, append_line, members, time_text};
use crate::log::AuditHead;
use crate::options::AuditOptions;
use crate::scan::{Extent, Scan};

/// An open file, whose last line is on disk.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Box<dyn AppendFile>,
    /// The lock ends when it is dropped.
    pub(crate) lock: Lock,
    pub(crate) chain: String,
    /// The number of the file's first line.
    pub(crate) first: u64,
    pub(crate) last: Position,
    pub(crate) length: u64,
}

impl Opened {
    pub(crate) fn head(&self) -> AuditHead {
        AuditHead {
            chain: self.chain.clone(),
            seq: self.last.seq,
            hash: self.last.hash,
        }
    }
}

/// The locked file beside a log.
///
/// It has no content but its length: the number of lines that the last process lost at its end, because the log could not be
/// written. A length needs no space, so that it can be set on a full disk, too.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Returns the number of lines that were lost at the end of the last process.
    fn lost(&self) -> io::Result<u64> {
        self.0.length()
    }

    /// Notes the number of lines that are lost, for the next process.
    pub(crate) fn set_lost(&mut self, lines: u64) -> io::Result<()> {
        self.0.truncate(lines)?;
        self.0.sync_all()
    }
}

/// Returns the path with an ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// The end of the name of a file that becomes the log when its first line is on disk.
pub(crate) const NEW: &str = ".new";
/// The end of the name of the lock.
pub(crate) const LOCK: &str = ".lock";
/// What begins the end of the name of a file with an incomplete line: two numbers follow.
pub(crate) const TORN: &str = ".torn-";

pub(crate) fn open(path: &Path, options: &AuditOptions) -> Result<Opened, AuditError> {
    let io = |error| AuditError::io(path, error);
    let lock = append_file::lock(&beside(path, LOCK)).map_err(io)?;
    let lock = lock.ok_or_else(|| AuditError::new(AuditErrorKind::Locked, path))?;
    finish_rotation(path).map_err(io)?;
    let is_new = !append_file::exists(path).map_err(io)?;
    let mut file = append_file::open(path).map_err(io)?;
    let mut scan = Scan::default();
    let extent = read(&mut file, path, &mut scan).map_err(io)?;
    let is_only_torn = |kind| kind == DamageKind::Torn;
    if let Some(damage) = scan
        .damages
        .iter()
        .find(|damage| !is_only_torn(damage.kind))
    {
        let damage = damage.to_string();
        return Err(AuditError::new(AuditErrorKind::Damaged, path).with_source(damage));
    }
    if !is_new && extent.complete + extent.torn == 0 {
        tracing::warn!(
            path = %path.display(),
            "the file of the audit log is empty, so a new chain begins; if it had lines before, they were removed"
        );
    }
    let torn = cut_torn_line(path, &mut file, extent, scan.lines).map_err(io)?;
    let opened = begin(file, Lock(lock), scan, extent, torn.as_deref(), options);
    let opened = opened.map_err(|error| {
        if is_new {
            // It has no line, so that nothing is lost with it. If it stays, the next start warns about it.
            let _ = append_file::remove(path);
        }
        io(error)
    })?;
    append_file::sync_folder(path).map_err(io)?;
    Ok(opened)
}

/// Completes a rotation that a crash interrupted.
fn finish_rotation(path: &Path) -> io::Result<()> {
    let new = beside(path, NEW);
    if !append_file::exists(&new)? {
        return Ok(());
    }
    if append_file::exists(path)? {
        // The former file still has its name. It has all lines.
        append_file::remove(&new)?;
    } else {
        append_file::rename(&new, path)?;
    }
    append_file::sync_folder(path)
}

fn read(file: &mut File, path: &Path, scan: &mut Scan) -> io::Result<Extent> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(MAX_LINE, file);
    scan.read(&path.display().to_string(), &mut reader)
}

/// Moves an incomplete last line to a file beside the log. Returns the name of that file.
fn cut_torn_line(
    path: &Path,
    file: &mut File,
    extent: Extent,
    lines: u64,
) -> io::Result<Option<PathBuf>> {
    if extent.torn == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(extent.complete))?;
    let mut torn = Vec::new();
    file.take(extent.torn).read_to_end(&mut torn)?;
    let mut number = 0;
    let (name, mut side) = loop {
        let name = beside(path, &format!("{TORN}{lines}-{number}"));
        match append_file::create(&name) {
            Ok(side) => break (name, side),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    };
    if let Err(error) = side.append(&torn).and_then(|()| side.sync()) {
        // The log still has the line, so the next start moves it.
        let _ = append_file::remove(&name);
        return Err(error);
    }
    append_file::sync_folder(path)?;
    // Last: what is cut off is in the other file.
    file.truncate(extent.complete)?;
    Ok(Some(name))
}

/// Returns the members of a line that says that lines were lost.
pub(crate) fn lost_members(lines: u64) -> String {
    members("lost", &[], &[("lines", lines)])
}

/// Writes the first line of a new log, or the one that says that a log was opened again.
fn begin(
    mut file: File,
    mut lock: Lock,
    scan: Scan,
    extent: Extent,
    torn: Option<&Path>,
    options: &AuditOptions,
) -> io::Result<Opened> {
    let time = time_text(options.clock.now());
    let program = concat!("artifact-audit ", env!("CARGO_PKG_VERSION"));
    let mut bytes = Vec::new();
    let is_new = scan.last.is_none();
    let chain = scan.chain.unwrap_or_else(|| {
        let id = u128::from_be_bytes(random::bytes());
        format!("{id:032x}")
    });
    let torn_name = torn.and_then(Path::file_name);
    let torn_name = torn_name.map(|name| name.to_string_lossy());
    let members = match (is_new, &torn_name) {
        (true, _) => members("begin", &[("chain", &chain), ("program", program)], &[]),
        (false, None) => members("open", &[("program", program)], &[]),
        (false, Some(name)) => members(
            "recovered",
            &[("program", program), ("file", name)],
            &[("bytes", extent.torn)],
        ),
    };
    let mut last = append_line(&mut bytes, scan.last, &time, &members);
    let unsaid = lock.lost()?;
    if unsaid > 0 {
        let members = lost_members(unsaid);
        last = append_line(&mut bytes, Some(last), &time, &members);
    }
    if let Err(error) = file.append(&bytes).and_then(|()| file.sync_all()) {
        // Leaves the file as it was, without a part of a line.
        let _ = file.truncate(extent.complete);
        return Err(error);
    }
    if unsaid > 0 {
        // Last: after a crash, the loss is in the log twice rather than not at all.
        lock.set_lost(0)?;
    }
    Ok(Opened {
        file: Box::new(file),
        lock,
        chain,
        first: scan.first.unwrap_or(0),
        last,
        length: extent.complete + bytes.len() as u64,
    })
}
