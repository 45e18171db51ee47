//! The header of the WAL index, by which SQLite itself notices that another connection has committed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;

use super::system::{Inode, inode};
use crate::catalog::CommitMark;

/// The length of one of the two copies of the header in bytes
/// (<https://sqlite.org/walformat.html>, section 2.1).
const COPY: usize = CommitMark::LENGTH;
/// The place of the byte `isInit` in a copy.
const IS_INIT: usize = 12;

/// The file with the suffix `-shm`, for reading.
#[derive(Debug, Clone)]
pub(super) struct WalIndex(Arc<File>);

/// The state of a database: every commit of any connection replaces it.
///
/// It counts the commits, and holds the number of frames in the log, the checksum of the last one and
/// two random numbers of the log. SQLite keeps the pages that it has read for as long as it stays the
/// same (`walIndexTryHdr` in `wal.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexHeader([u8; COPY]);

impl IndexHeader {
    /// Returns the header as a mark of the last commit.
    pub(super) fn mark(self) -> CommitMark {
        CommitMark::new(self.0)
    }
}

impl WalIndex {
    /// Opens the file, which must have this inode. Returns `None` if the system does not guarantee that a
    /// read of a file returns what another process has written through a mapping.
    ///
    /// Closing any descriptor of a file releases all locks of the process on it (fcntl(2)), and SQLite has
    /// locks on this file. So it stays open until SQLite has removed it, which the last connection does:
    /// it is closed when another database is opened after that.
    pub(super) fn open(path: &Path, expected: Inode) -> io::Result<Option<Self>> {
        static OPEN: Mutex<Vec<Arc<File>>> = Mutex::new(Vec::new());
        if !cfg!(any(target_os = "linux", target_os = "macos")) {
            return Ok(None);
        }
        let is_expected = |file: &File| file.metadata().is_ok_and(|file| inode(&file) == expected);
        // Each change is one step, so a panic leaves the list valid.
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|file| file.metadata().map_or(true, |file| file.nlink() > 0));
        if let Some(file) = open.iter().find(|file| is_expected(file)) {
            return Ok(Some(Self(Arc::clone(file))));
        }
        // Neither a symlink nor a FIFO.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let file = Arc::new(options.open(path)?);
        // Also if it is another file, which may be that of another database.
        open.push(Arc::clone(&file));
        if is_expected(&file) {
            Ok(Some(Self(file)))
        } else {
            Err(io::Error::other("the file was replaced"))
        }
    }

    /// Reads the header: one system call, which takes no lock. Returns `None` while it is being written.
    pub(super) fn header(&self) -> Option<IndexHeader> {
        let mut copies = [0; 2 * COPY];
        // What SQLite has not written yet, as after a recovery, is shorter.
        let length = self.0.read_at(&mut copies, 0).ok()?;
        let (first, second) = copies.split_first_chunk::<COPY>()?;
        let is_whole = length == copies.len() && first == second && first[IS_INIT] == 1;
        is_whole.then_some(IndexHeader(*first))
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests make files of their own"
)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_being_written_is_not_returned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mut bytes = [7; 2 * COPY + 1];
        (bytes[IS_INIT], bytes[COPY + IS_INIT]) = (1, 1);
        let header = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            WalIndex(Arc::new(File::open(&path).unwrap())).header()
        };
        let whole = header(&bytes).unwrap();
        assert_eq!(header(&bytes), Some(whole));
        assert_eq!(header(&bytes[..2 * COPY]), Some(whole));
        assert_eq!(header(&bytes[..2 * COPY - 1]), None);
        assert_eq!(header(&[]), None);
        for place in [0, COPY - 1, COPY, 2 * COPY - 1] {
            let mut torn = bytes;
            torn[place] ^= 1;
            assert_eq!(header(&torn), None, "{place}");
        }
        (bytes[0], bytes[COPY]) = (8, 8);
        assert_ne!(header(&bytes).unwrap(), whole);
        (bytes[IS_INIT], bytes[COPY + IS_INIT]) = (0, 0);
        assert_eq!(header(&bytes), None);
    }

    #[test]
    fn only_the_expected_file_is_opened_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        for path in [&one, &other] {
            std::fs::write(path, "").unwrap();
        }
        let inode_of = |path: &Path| inode(&path.metadata().unwrap());
        let open = |path, of| WalIndex::open(path, inode_of(of)).map(Option::unwrap);
        let first = open(&one, &one).unwrap();
        let again = open(&one, &one).unwrap();
        assert!(Arc::ptr_eq(&first.0, &again.0));
        assert!(open(&one, &other).is_err());
        // Once it is removed, nothing but these two holds it.
        std::fs::remove_file(&one).unwrap();
        let _other = open(&other, &other).unwrap();
        assert_eq!(Arc::strong_count(&first.0), 2);
    }
}
