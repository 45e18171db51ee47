//! The manifest of a snapshot: what is in a backup. A backup is complete once its manifest is stored.

use artifact_backend::{ArtifactId, BoxError, Sha256Digest, StoreId};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::dump::DumpCounts;
use crate::error::{Error, ErrorKind, Operation, Result};

/// The version of the format. A reader refuses a higher one.
const VERSION: u32 = 1;
/// The most artifacts that a backup leaves out. If more are lost, the storage is, and this would be no backup of it.
pub(super) const MAX_LEFT_OUT: usize = 100_000;
/// The largest manifest in bytes.
pub(super) const MAX_BYTES: u64 = 32 << 20;

/// What one snapshot of a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupManifest {
    version: u32,
    /// The store that was backed up, in the form `store-` and 32 digits.
    store_id: String,
    /// The number of the snapshot. A later snapshot has a higher one.
    pub number: u64,
    /// When the snapshot of the database was taken.
    pub taken_at: Timestamp,
    /// When the last blob was copied.
    pub finished_at: Timestamp,
    /// The records of the snapshot, including the artifacts that were left out.
    pub counts: DumpCounts,
    /// The artifacts of the snapshot whose blob is not in the backup.
    pub left_out: Vec<LeftOut>,
}

/// An artifact that a backup or a restore leaves out. After a restore its id counts as removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The artifact.
    pub id: ArtifactId,
    /// Why.
    pub why: LeftOutReason,
}

/// Why an artifact is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeftOutReason {
    /// It was removed after the snapshot and before its blob was copied.
    Removed,
    /// Its blob was missing.
    Missing,
    /// Its bytes were not those that were deposited.
    Corrupt,
}

impl LeftOutReason {
    /// Returns `removed`, `missing` or `corrupt`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    sha256: Sha256Digest,
}

#[derive(Debug, Deserialize)]
struct AnyVersion {
    version: u32,
}

impl BackupManifest {
    pub(super) fn new(
        store_id: StoreId,
        number: u64,
        taken_at: Timestamp,
        finished_at: Timestamp,
        counts: DumpCounts,
        left_out: Vec<LeftOut>,
    ) -> Self {
        Self {
            version: VERSION,
            store_id: store_id.to_string(),
            number,
            taken_at,
            finished_at,
            counts,
            left_out,
        }
    }

    /// Returns the store that was backed up.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the manifest has no valid id.
    pub fn store_id(&self) -> Result<StoreId> {
        self.store_id.parse().map_err(damaged)
    }

    /// Returns the bytes to store: one line of JSON, and a line with its SHA-256.
    pub(super) fn encode(&self) -> Bytes {
        let mut text = serde_json::to_vec(self).expect("a manifest has only texts and numbers");
        text.push(b'\n');
        let sha256 = Sha256Digest::from_bytes(Sha256::digest(&text).into());
        let seal = serde_json::to_vec(&Seal { sha256 }).expect("a seal is a text");
        text.extend_from_slice(&seal);
        text.push(b'\n');
        text.into()
    }

    pub(super) fn decode(text: &[u8]) -> Result<Self> {
        let body = text.split_inclusive(|byte| *byte == b'\n').next();
        let body = body.unwrap_or_default();
        let seal: Seal = serde_json::from_slice(&text[body.len()..]).map_err(damaged)?;
        let sha256 = Sha256Digest::from_bytes(Sha256::digest(body).into());
        if sha256 != seal.sha256 {
            return Err(damaged("it has another SHA-256 than its last line says"));
        }
        let found: AnyVersion = serde_json::from_slice(body).map_err(damaged)?;
        if found.version > VERSION {
            let detail = format!(
                "the backup has version {}, but this program reads versions up to {VERSION}; use a newer program",
                found.version
            );
            return Err(Error::new(ErrorKind::Unsupported, Operation::Backup).with_detail(detail));
        }
        serde_json::from_slice(body).map_err(damaged)
    }
}

fn damaged(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Backup)
        .with_detail("the manifest of the snapshot is damaged; use another snapshot")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> BackupManifest {
        let time = Timestamp::UNIX_EPOCH;
        let left_out = LeftOut {
            id: ArtifactId::from_bytes([3; 16]),
            why: LeftOutReason::Removed,
        };
        let id = StoreId::from_bytes([1; 16]);
        BackupManifest::new(id, 7, time, time, DumpCounts::default(), vec![left_out])
    }

    #[test]
    fn a_manifest_is_read_back_and_any_flipped_bit_is_noticed() {
        let bytes = manifest().encode();
        assert_eq!(BackupManifest::decode(&bytes).unwrap(), manifest());
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1;
            let decoded = BackupManifest::decode(&flipped);
            assert_eq!(decoded.unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        }
        for length in 0..bytes.len() - 1 {
            let decoded = BackupManifest::decode(&bytes[..length]);
            assert_eq!(
                decoded.unwrap_err().kind(),
                ErrorKind::Corrupt,
                "cut at {length}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let newer = BackupManifest {
            version: VERSION + 1,
            ..manifest()
        };
        let refused = BackupManifest::decode(&newer.encode()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.to_string().contains("version 2"), "{refused}");
    }
}
