//! What happens while the file cannot be written.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use crate::append_file::AppendFile;
use crate::{
    AuditErrorKind, AuditEvent, AuditField, AuditKind, AuditLog, AuditOptions, AuditOutcome,
    AuditSync, OnFailure, verify_files,
};

const NO_FAULT: u8 = 0;
/// Writes a part of the bytes, as a full disk does.
const FULL: u8 = 1;
const SYNC: u8 = 2;

/// A file that fails while a test wants it to.
#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn AppendFile>,
    fault: Arc<AtomicU8>,
    /// Is locked while the file is slow.
    gate: Arc<Mutex<()>>,
}

impl AppendFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        drop(self.gate.lock().unwrap());
        if self.fault.load(Ordering::SeqCst) == FULL {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.fault.load(Ordering::SeqCst) == SYNC {
            return Err(io::Error::other("the disk failed"));
        }
        self.file.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.file.has_name()
    }

    fn is_at(&self, path: &Path) -> io::Result<Option<bool>> {
        self.file.is_at(path)
    }
}

struct Site {
    _folder: TempDir,
    log: AuditLog,
    fault: Arc<AtomicU8>,
    gate: Arc<Mutex<()>>,
}

impl Site {
    /// Opens a log that is not tried again by itself, so that the test decides when.
    fn open(options: AuditOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fault = Arc::new(AtomicU8::new(NO_FAULT));
        let gate = Arc::default();
        let of_file = (Arc::clone(&fault), Arc::clone(&gate));
        let options = options.with_retry(Duration::from_hours(1));
        let log = AuditLog::start(&folder.path().join("audit.log"), options, |mut opened| {
            let (fault, gate) = of_file;
            opened.file = Box::new(FaultyFile {
                file: opened.file,
                fault,
                gate,
            });
            opened
        });
        Self {
            log: log.unwrap(),
            _folder: folder,
            fault,
            gate,
        }
    }

    fn set(&self, fault: u8) {
        self.fault.store(fault, Ordering::SeqCst);
    }

    /// Closes the log, checks its chain, and returns the texts `grant-N` and `lost-N` in the order of the lines.
    async fn finish(self) -> Vec<String> {
        self.log.close().await.unwrap();
        let path = self.log.path();
        let report = verify_files(std::slice::from_ref(&path), &[]).unwrap();
        assert!(report.is_good(), "{:?}", report.damages);
        let text = io::read_to_string(crate::append_file::open_to_read(&path).unwrap());
        let lines = text.unwrap();
        let found = lines.lines().filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let lost = line["lines"].as_u64().map(|lines| format!("lost-{lines}"));
            line["grant"].as_str().map(str::to_owned).or(lost)
        });
        found.collect()
    }
}

fn grant(number: usize) -> AuditEvent {
    AuditEvent::new("createGrant", AuditKind::Grant, AuditOutcome::Done)
        .with(AuditField::Grant, format!("grant-{number}"))
}

fn fetch(number: usize) -> AuditEvent {
    AuditEvent::new("fetch", AuditKind::Fetch, AuditOutcome::Done)
        .with(AuditField::Grant, format!("grant-{number}"))
}

#[tokio::test]
async fn requests_are_refused_until_the_log_can_be_written_and_no_line_is_lost() {
    for fault in [FULL, SYNC] {
        let site = Site::open(AuditOptions::default());
        site.log.record(&grant(0)).wait().await.unwrap();
        site.log.check().unwrap();
        site.set(fault);
        let error = site.log.record(&grant(1)).wait().await.unwrap_err();
        assert_eq!(error.kind(), AuditErrorKind::Unavailable);
        let error = site.log.check().unwrap_err();
        assert_eq!(error.kind(), AuditErrorKind::Unavailable);
        // Actions that were begun before still end.
        let error = site.log.record(&grant(2)).wait().await.unwrap_err();
        assert_eq!(error.kind(), AuditErrorKind::Unavailable);
        site.log.record(&fetch(3)).wait().await.unwrap();
        site.log.flush().await.unwrap_err();
        site.set(NO_FAULT);
        site.log.flush().await.unwrap();
        site.log.check().unwrap();
        site.log.record(&grant(4)).wait().await.unwrap();
        let expected: Vec<_> = (0..5).map(|number| format!("grant-{number}")).collect();
        assert_eq!(site.finish().await, expected, "{fault}");
    }
}

#[tokio::test]
async fn requests_go_on_and_a_line_says_how_many_were_lost() {
    let options = AuditOptions::default()
        .with_on_failure(OnFailure::Continue)
        .with_max_queue(2);
    let site = Site::open(options);
    site.set(FULL);
    for number in 0..6 {
        site.log.record(&grant(number)).wait().await.unwrap();
        site.log.check().unwrap();
    }
    site.set(NO_FAULT);
    site.log.flush().await.unwrap();
    assert_eq!(
        site.finish().await,
        ["grant-0", "grant-1", "grant-2", "lost-3"]
    );
}

#[tokio::test]
async fn a_full_queue_refuses_requests() {
    let site = Site::open(AuditOptions::default().with_max_queue(2));
    let gate = Arc::clone(&site.gate);
    let closed = gate.lock().unwrap();
    // The appender may have taken the first of them, and waits for the gate then.
    let waiting: Vec<_> = (0..3)
        .map(|number| site.log.record(&grant(number)))
        .collect();
    while site.log.check().is_ok() {
        drop(site.log.record(&fetch(9)));
    }
    let error = site.log.check().unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Unavailable);
    drop(closed);
    for recorded in waiting {
        recorded.wait().await.unwrap();
    }
    site.log.flush().await.unwrap();
    site.log.check().unwrap();
    let found = site.finish().await;
    assert_eq!(found[..3], ["grant-0", "grant-1", "grant-2"]);
}

#[tokio::test]
async fn lines_that_another_program_adds_stop_the_log() {
    let site = Site::open(AuditOptions::default());
    let path = site.log.path();
    let mut other = crate::append_file::open(&path).unwrap();
    AppendFile::append(&mut other, b"made up\n").unwrap();
    let error = site.log.record(&grant(0)).wait().await.unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Unavailable);
    // They stay where they are, for the operator to see.
    site.log.flush().await.unwrap_err();
    let found = io::read_to_string(crate::append_file::open_to_read(&path).unwrap());
    assert!(found.unwrap().ends_with("made up\n"));
}

#[tokio::test]
async fn all_lines_are_waited_for_if_the_settings_say_so() {
    let site = Site::open(AuditOptions::default().with_sync(AuditSync::All));
    site.set(SYNC);
    let error = site.log.record(&fetch(0)).wait().await.unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Unavailable);
    site.set(NO_FAULT);
    site.log.flush().await.unwrap();
    let head = site.log.head().unwrap();
    site.log.record(&fetch(1)).wait().await.unwrap();
    assert_eq!(site.log.head().unwrap().seq, head.seq + 1);
    assert_eq!(site.finish().await, ["grant-0", "grant-1"]);
}

#[tokio::test]
async fn lines_that_are_lost_at_the_end_are_told_by_the_next_start() {
    let options = AuditOptions::default().with_on_failure(OnFailure::Continue);
    let site = Site::open(options.clone().with_max_queue(2));
    site.set(FULL);
    // The first fails, two wait in the queue, and three find no room there.
    for number in 0..6 {
        site.log.record(&grant(number)).wait().await.unwrap();
    }
    let error = site.log.close().await.unwrap_err();
    assert_eq!(error.kind(), AuditErrorKind::Unavailable);
    let path = site.log.path();
    for expected in [Some(6), None] {
        let log = AuditLog::open(&path, options.clone()).unwrap();
        log.close().await.unwrap();
        let text = io::read_to_string(crate::append_file::open_to_read(&path).unwrap()).unwrap();
        let mut lines = text.lines().rev().skip(1);
        let last: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(last["lines"].as_u64(), expected, "{last}");
    }
    let lock = crate::recovery::beside(&path, crate::recovery::LOCK);
    let report = verify_files(&[path, lock.clone()], &[]).unwrap();
    assert!(report.is_good(), "{:?}", report.damages);
    assert_eq!(report.skipped, [lock]);
}
