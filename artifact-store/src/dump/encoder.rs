//! Writes a dump as text.

use artifact_backend::Sha256Digest;
use sha2::{Digest as _, Sha256};

use super::line::{DumpCounts, DumpHeader, Line, VERSION};
use super::record::DumpRecord;

/// Writes a dump as lines of JSON, without I/O: the bytes go to a buffer of the caller. See `docs/formats.md` of the project
/// for the format.
///
/// ```
/// use artifact_store::{DumpDecoder, DumpEncoder, DumpHeader, DumpRecord, ArtifactId, Timestamp};
///
/// # fn main() -> artifact_store::Result<()> {
/// let mut text = Vec::new();
/// let header = DumpHeader::new(None, Timestamp::UNIX_EPOCH);
/// let mut encoder = DumpEncoder::begin(&header, &mut text);
/// let removed = DumpRecord::Removed(ArtifactId::from_bytes([7; 16]));
/// encoder.push(&removed, &mut text);
/// encoder.finish(0, &mut text);
///
/// let mut decoder = DumpDecoder::default();
/// let mut records = Vec::new();
/// decoder.push(&text, &mut records)?;
/// assert_eq!(decoder.finish()?.removed, 1);
/// assert_eq!(records, [removed]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a dump without its last line is refused; call finish"]
pub struct DumpEncoder {
    hasher: Sha256,
    counts: DumpCounts,
}

impl DumpEncoder {
    /// Appends the first line.
    pub fn begin(header: &DumpHeader, out: &mut Vec<u8>) -> Self {
        let mut encoder = Self {
            hasher: Sha256::new(),
            counts: DumpCounts::default(),
        };
        let line = Line::Dump {
            version: VERSION,
            store_id: header.store_id.map(|id| id.to_string()),
            taken_at: header.taken_at,
        };
        encoder.append(&line, out);
        encoder
    }

    /// Appends the line of a record.
    pub fn push(&mut self, record: &DumpRecord, out: &mut Vec<u8>) {
        self.counts.add(record);
        self.append(&Line::of(record), out);
    }

    /// Returns what was written so far.
    pub fn counts(&self) -> DumpCounts {
        self.counts
    }

    /// Appends the last two lines: the counts, and the SHA-256 of everything before. `unreadable` is the number of records
    /// that the database has and the dump has not.
    pub fn finish(mut self, unreadable: u64, out: &mut Vec<u8>) -> DumpCounts {
        self.counts.unreadable = unreadable;
        let counts = self.counts;
        self.append(&Line::Counts(counts), out);
        let sha256 = Sha256Digest::from_bytes(self.hasher.clone().finalize().into());
        self.append(&Line::End { sha256 }, out);
        counts
    }

    fn append(&mut self, line: &Line, out: &mut Vec<u8>) {
        let start = out.len();
        serde_json::to_writer(&mut *out, line).expect("a line has only texts and numbers");
        out.push(b'\n');
        self.hasher.update(&out[start..]);
    }
}
