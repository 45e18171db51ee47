//! Folders with logs.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests read and damage their own files"
)]

use std::path::{Path, PathBuf};

use artifact_audit::{
    AuditEvent, AuditField, AuditKind, AuditLog, AuditOptions, AuditOutcome, VerifyReport,
    verify_files,
};
use tempfile::TempDir;

/// Returns an event of a fetch, which no request waits for.
pub(crate) fn fetch(number: usize) -> AuditEvent {
    AuditEvent::new("fetch", AuditKind::Fetch, AuditOutcome::Done)
        .with_status(200)
        .with(AuditField::Principal, "admin")
        .with(AuditField::Artifact, format!("{number:032x}"))
}

/// Returns an event of a change.
pub(crate) fn grant(number: usize) -> AuditEvent {
    AuditEvent::new("createGrant", AuditKind::Grant, AuditOutcome::Done)
        .with(AuditField::Grant, format!("grant-{number}"))
}

/// A folder with a log.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.path().join("audit.log")
    }

    pub(crate) fn open(&self, options: AuditOptions) -> AuditLog {
        AuditLog::open(&self.log(), options).unwrap()
    }

    /// Returns the names of all files but the lock, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "audit.log.lock").collect();
        names.sort();
        names
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns the files of the chain in its order: the renamed ones, then the log.
    pub(crate) fn chain(&self) -> Vec<PathBuf> {
        let mut names = self.names();
        names.retain(|name| name != "audit.log" && !name.contains(".torn-"));
        let names = names.iter().map(|name| self.path(name));
        names.chain([self.log()]).collect()
    }

    pub(crate) fn verify(&self) -> VerifyReport {
        verify_files(&self.chain(), &[]).unwrap()
    }
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

/// Returns the members `event` of all lines.
pub(crate) fn events(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let events = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    });
    events.collect()
}
