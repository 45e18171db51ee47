//! Reads the text of a dump.

use artifact_backend::{BoxError, Sha256Digest};
use sha2::{Digest as _, Sha256};

use super::line::{AnyVersion, DumpCounts, DumpHeader, Line, VERSION};
use super::record::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};

/// The longest line. The labels of a worker are the only text without a limit of their own.
const MAX_LINE: usize = 16 << 20;

/// Reads the lines of a dump, without I/O: the caller passes the bytes in chunks of any length.
///
/// A record counts only once [`finish`](Self::finish) has succeeded: it compares the counts and the SHA-256 of the last lines.
/// So a dump that was cut off, or in which anything changed, is recognised. Memory: one line.
#[derive(Debug, Default)]
pub struct DumpDecoder {
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    lines: u64,
    hasher: Sha256,
    header: Option<DumpHeader>,
    counts: DumpCounts,
    last_position: u64,
    has_counts: bool,
    is_complete: bool,
}

impl DumpDecoder {
    /// Returns the first line, once it was read.
    pub fn header(&self) -> Option<&DumpHeader> {
        self.header.as_ref()
    }

    /// Reads a chunk, and appends the records whose lines end in it.
    ///
    /// # Errors
    ///
    /// `Corrupt`, with the number of the line, if it is not a line of a dump; `Unsupported` if a newer version wrote the
    /// dump. The decoder must not be used any more.
    pub fn push(&mut self, chunk: &[u8], records: &mut Vec<DumpRecord>) -> Result<()> {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.partial.len() + part.len() > MAX_LINE {
                return Err(self.damaged("the line is too long"));
            }
            let is_whole = part.ends_with(b"\n");
            if !is_whole {
                self.partial.extend_from_slice(part);
            } else if self.partial.is_empty() {
                self.read(part, records)?;
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(part);
                self.read(&line, records)?;
            }
        }
        Ok(())
    }

    /// Checks that the dump was read to its end and is whole. Returns the counts.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the end is missing.
    pub fn finish(self) -> Result<DumpCounts> {
        if !self.is_complete || !self.partial.is_empty() {
            return Err(self.damaged("the dump ends before its last line, so it was cut off"));
        }
        Ok(self.counts)
    }

    fn read(&mut self, line: &[u8], records: &mut Vec<DumpRecord>) -> Result<()> {
        self.lines += 1;
        if self.is_complete {
            return Err(self.damaged("something follows the last line"));
        }
        if self.header.is_none() {
            self.header = Some(self.read_header(line)?);
            self.hasher.update(line);
            return Ok(());
        }
        let parsed = serde_json::from_slice(line).map_err(|error| self.damaged(error))?;
        match parsed {
            Line::End { sha256 } => self.read_end(sha256),
            other if self.has_counts => {
                drop(other);
                Err(self.damaged("something follows the counts"))
            }
            Line::Counts(counts) => {
                self.hasher.update(line);
                self.read_counts(counts)
            }
            other => {
                let record = other.into_record().map_err(|error| self.damaged(error))?;
                if let DumpRecord::Artifact { position, .. } = &record {
                    if position.number() <= self.last_position {
                        return Err(
                            self.damaged("the artifacts are not in the order of their positions")
                        );
                    }
                    self.last_position = position.number();
                }
                self.counts.add(&record);
                self.hasher.update(line);
                records.push(record);
                Ok(())
            }
        }
    }

    fn read_header(&self, line: &[u8]) -> Result<DumpHeader> {
        let found: AnyVersion = serde_json::from_slice(line).map_err(|error| {
            self.damaged(error)
                .with_detail("this is not a dump of a database")
        })?;
        if found.dump.version > VERSION {
            let detail = format!(
                "the dump has version {}, but this program reads versions up to {VERSION}; use a newer program",
                found.dump.version
            );
            return Err(Error::new(ErrorKind::Unsupported, Operation::Dump).with_detail(detail));
        }
        match serde_json::from_slice(line).map_err(|error| self.damaged(error))? {
            Line::Dump {
                store_id, taken_at, ..
            } => {
                let store_id = store_id.map(|id| id.parse()).transpose();
                let store_id = store_id.map_err(|error| self.damaged(error))?;
                Ok(DumpHeader::new(store_id, taken_at))
            }
            _ => Err(self.damaged("it is not the first line of a dump")),
        }
    }

    fn read_counts(&mut self, counts: DumpCounts) -> Result<()> {
        self.counts.unreadable = counts.unreadable;
        if counts != self.counts {
            return Err(self.damaged("the dump has other records than its counts say"));
        }
        self.has_counts = true;
        Ok(())
    }

    fn read_end(&mut self, sha256: Sha256Digest) -> Result<()> {
        if !self.has_counts {
            return Err(self.damaged("the counts are missing"));
        }
        let found = Sha256Digest::from_bytes(std::mem::take(&mut self.hasher).finalize().into());
        if found != sha256 {
            return Err(self.damaged("the dump has another SHA-256 than its last line says"));
        }
        self.is_complete = true;
        Ok(())
    }

    fn damaged(&self, error: impl Into<BoxError>) -> Error {
        Error::new(ErrorKind::Corrupt, Operation::Dump)
            .with_detail(format!("line {} of the dump is damaged", self.lines.max(1)))
            .with_source(error)
    }
}
