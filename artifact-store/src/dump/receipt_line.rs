//! The lines of the log of receipts.

use artifact_backend::{ArtifactId, BoxError, Sha256Digest};
use artifact_receipt::{KeyName, LogSecret, TreeHash};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::DumpRecord;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::receipts::QueuedReceipt;

/// The secret is 64 hexadecimal digits, as a digest is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptLogLine {
    origin: String,
    secret: Sha256Digest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptLine {
    index: u64,
    artifact: ArtifactId,
    /// Of the leaf, also a SHA-256.
    hash: Sha256Digest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuedReceiptLine {
    number: i64,
    artifact: ArtifactId,
    experiment: ExperimentId,
    created_by: PrincipalId,
    size: u64,
    sha256: Sha256Digest,
    created_at: Timestamp,
}

impl ReceiptLogLine {
    pub(super) fn new(origin: &KeyName, secret: &LogSecret) -> Self {
        Self {
            origin: origin.as_str().to_owned(),
            secret: Sha256Digest::from_bytes(*secret.expose_bytes()),
        }
    }

    pub(super) fn into_record(self) -> Result<DumpRecord, BoxError> {
        Ok(DumpRecord::ReceiptLog {
            origin: self.origin.parse()?,
            secret: LogSecret::from_bytes(*self.secret.as_bytes()),
        })
    }
}

impl ReceiptLine {
    pub(super) fn new(index: u64, artifact: ArtifactId, hash: TreeHash) -> Self {
        Self {
            index,
            artifact,
            hash: Sha256Digest::from_bytes(*hash.as_bytes()),
        }
    }

    pub(super) fn into_record(self) -> DumpRecord {
        DumpRecord::Receipt {
            index: self.index,
            artifact: self.artifact,
            hash: TreeHash::from_bytes(*self.hash.as_bytes()),
        }
    }
}

impl From<QueuedReceipt> for QueuedReceiptLine {
    fn from(queued: QueuedReceipt) -> Self {
        Self {
            number: queued.number,
            artifact: queued.id,
            experiment: queued.experiment,
            created_by: queued.created_by,
            size: queued.size,
            sha256: queued.sha256,
            created_at: queued.created_at,
        }
    }
}

impl From<QueuedReceiptLine> for DumpRecord {
    fn from(line: QueuedReceiptLine) -> Self {
        Self::QueuedReceipt(QueuedReceipt {
            number: line.number,
            id: line.artifact,
            experiment: line.experiment,
            created_by: line.created_by,
            size: line.size,
            sha256: line.sha256,
            created_at: line.created_at,
        })
    }
}
