//! What the members of an archive say.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::header::MAX_OCTAL;
use crate::catalog::Hold;
use crate::experiment::ExperimentId;
use crate::row::Row;

/// The first member.
pub(super) const HEAD: &str = "artifact-archive.json";
/// The last member.
pub(super) const END: &str = "artifact-archive-end.json";
/// The version of the form. A reader refuses every other one.
const VERSION: u32 = 1;
const FORMAT: &str = "artifact-archive";

/// The most artifacts in a part.
pub(super) const MAX_ROWS: usize = 1_000;
/// The sum of the sizes of the artifacts in a part from which on an exporter begins another part.
pub(super) const PART_BYTES: u64 = 1 << 30;
/// The most bytes in the list of a part. A row has less than 4 KiB.
pub(super) const MAX_LIST: u64 = 4_096 * MAX_ROWS as u64;
/// The most bytes in the first and the last member.
pub(super) const MAX_RECORD: u64 = 4_096;

/// The content of the first member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: String,
    version: u32,
    pub(super) experiment: ExperimentId,
    #[serde(deserialize_with = "crate::serde_impl::micros")]
    pub(super) created_at: Timestamp,
    /// The retention of the experiment in microseconds.
    pub(super) retention_us: Option<u64>,
}

impl Head {
    pub(super) fn new(
        experiment: ExperimentId,
        created_at: Timestamp,
        retention_us: Option<u64>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            experiment,
            created_at,
            retention_us,
        }
    }

    /// Returns the version that this program cannot read, if it is one.
    pub(super) fn unknown_version(&self) -> Option<u32> {
        (self.version != VERSION).then_some(self.version)
    }

    pub(super) fn is_archive(&self) -> bool {
        self.format == FORMAT
    }
}

/// A line of the list of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArchivedRow {
    pub(super) row: Row,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hold: Option<Hold>,
}

/// The content of the last member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) artifacts: u64,
    pub(super) bytes: u64,
    pub(super) parts: u64,
    /// The SHA-256 of the contents of all earlier members that are not blobs.
    pub(super) sha256: Option<Sha256Digest>,
}

/// Returns a line of JSON.
pub(super) fn encode(record: &impl Serialize) -> serde_json::Result<String> {
    let mut line = serde_json::to_string(record)?;
    line.push('\n');
    Ok(line)
}

/// Reads a line of JSON. Returns `None` if it is not exactly what [`encode`] returns for some record.
pub(super) fn decode<T: Serialize + DeserializeOwned>(line: &[u8]) -> Option<T> {
    let record = serde_json::from_slice(line).ok()?;
    (encode(&record).ok()?.as_bytes() == line).then_some(record)
}

/// Returns the name of the list of a part.
pub(super) fn list_name(part: u64) -> String {
    format!("parts/{part:08}.jsonl")
}

/// Returns the name of the digests of a part.
pub(super) fn sums_name(part: u64) -> String {
    format!("parts/{part:08}.sha256")
}

pub(super) fn blob_name(id: ArtifactId) -> String {
    format!("blobs/{id}")
}

/// Returns the line about a blob that `sha256sum --check` reads.
pub(super) fn sum_line(row: &Row) -> String {
    format!("{}  {}\n", row.sha256, blob_name(row.id))
}

/// Returns the time of a blob in its header, in seconds.
pub(super) fn blob_time(row: &Row) -> u64 {
    let seconds = u64::try_from(row.created_at.as_second()).unwrap_or(0);
    seconds.min(MAX_OCTAL)
}
