//! The lines of a dump: JSON objects with one member, whose name says what the line is.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact_backend::{ArtifactId, BoxError, Sha256Digest, StoreId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::collection_line::{CollectionFileLine, CollectionLine};
use super::receipt_line::{QueuedReceiptLine, ReceiptLine, ReceiptLogLine};
use super::record::DumpRecord;
use super::shares::{GrantLine, LinkLine};
use crate::administrators::Administrator;
use crate::catalog::{Hold, RowPosition};
use crate::digests::ChunkDigests;
use crate::experiment::{Experiment, ExperimentId};
use crate::identity::{
    AdministratorId, CredentialHash, DisplayName, Group, GroupId, Labels, MemberId, Worker,
    WorkerId,
};
use crate::principal::PrincipalId;
use crate::quota::{Quota, QuotaScope};
use crate::row::Row;

/// The version of the format. A reader refuses a higher one.
pub(super) const VERSION: u32 = 1;

/// The first line of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DumpHeader {
    /// The store that the database belongs to, if it belongs to one.
    pub store_id: Option<StoreId>,
    /// When the dump began, by the clock of the program that wrote it.
    pub taken_at: Timestamp,
}

impl DumpHeader {
    /// Creates a header.
    pub fn new(store_id: Option<StoreId>, taken_at: Timestamp) -> Self {
        Self { store_id, taken_at }
    }
}

/// How many records of each kind a dump has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DumpCounts {
    /// The experiments.
    pub experiments: u64,
    /// The workers.
    pub workers: u64,
    /// The groups.
    pub groups: u64,
    /// The members of all groups.
    pub members: u64,
    /// The artifacts.
    pub artifacts: u64,
    /// The bytes of all artifacts. More than `u64::MAX` count as that.
    pub bytes: u64,
    /// The artifacts that have chunk digests.
    #[serde(default)]
    pub chunk_digests: u64,
    /// The holds.
    pub holds: u64,
    /// The ids that were removed or condemned.
    pub removed: u64,
    /// The grants.
    #[serde(default)]
    pub grants: u64,
    /// The links.
    #[serde(default)]
    pub links: u64,
    /// The named administrators. Left out of the text if their number is 0, so that programs that do not know them can read it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub administrators: u64,
    /// The collections.
    #[serde(default)]
    pub collections: u64,
    /// The names in all collections, also of files that were removed.
    #[serde(default)]
    pub collection_files: u64,
    /// The quotas.
    #[serde(default)]
    pub quotas: u64,
    /// The entries of the log of receipts. Left out of the text if their number is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub receipts: u64,
    /// The artifacts that have no entry in the log yet. Left out of the text if their number is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub queued_receipts: u64,
    /// The records that could not be read, and are not in the dump. An unreadable hold is in it, as one of the
    /// administrator.
    pub unreadable: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl DumpCounts {
    pub(crate) fn add(&mut self, record: &DumpRecord) {
        match record {
            DumpRecord::Experiment { .. } => self.experiments += 1,
            DumpRecord::Worker { .. } => self.workers += 1,
            DumpRecord::Group(_) => self.groups += 1,
            DumpRecord::Member { .. } => self.members += 1,
            DumpRecord::Artifact { row, .. } => {
                self.artifacts += 1;
                self.bytes = self.bytes.saturating_add(row.size);
            }
            DumpRecord::ChunkDigests { .. } => self.chunk_digests += 1,
            DumpRecord::Hold(_) => self.holds += 1,
            DumpRecord::Removed(_) => self.removed += 1,
            DumpRecord::AccessGrant(_) => self.grants += 1,
            DumpRecord::AccessLink { .. } => self.links += 1,
            DumpRecord::Administrator(_) => self.administrators += 1,
            DumpRecord::Collection(_) => self.collections += 1,
            DumpRecord::CollectionFile { .. } => self.collection_files += 1,
            DumpRecord::Quota { .. } => self.quotas += 1,
            // There is one at most.
            DumpRecord::ReceiptLog { .. } => {}
            DumpRecord::Receipt { .. } => self.receipts += 1,
            DumpRecord::QueuedReceipt(_) => self.queued_receipts += 1,
        }
    }
}

/// A line. The names of the variants are the names in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    Dump {
        version: u32,
        store_id: Option<String>,
        taken_at: Timestamp,
    },
    Experiment {
        id: ExperimentId,
        created_at: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        keep_micros: Option<u64>,
    },
    Worker(WorkerLine),
    Group {
        id: GroupId,
        experiment: ExperimentId,
        name: Option<DisplayName>,
        created_at: Timestamp,
        created_by: PrincipalId,
    },
    Member {
        group: GroupId,
        member: MemberId,
    },
    Artifact {
        position: u64,
        row: Row,
    },
    ChunkDigests(ChunkDigestsLine),
    Hold(Hold),
    Removed(ArtifactId),
    Grant(GrantLine),
    Link(LinkLine),
    Administrator(AdministratorLine),
    Collection(CollectionLine),
    CollectionFile(CollectionFileLine),
    Quota(QuotaLine),
    ReceiptLog(ReceiptLogLine),
    Receipt(ReceiptLine),
    QueuedReceipt(QueuedReceiptLine),
    Counts(DumpCounts),
    End {
        /// Of all bytes before this line.
        sha256: Sha256Digest,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkerLine {
    id: WorkerId,
    experiment: ExperimentId,
    name: Option<DisplayName>,
    labels: Option<BTreeMap<String, String>>,
    registered_at: Timestamp,
    registered_by: PrincipalId,
    credential: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential_expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdministratorLine {
    id: AdministratorId,
    name: DisplayName,
    created_at: Timestamp,
    created_by: PrincipalId,
    credential: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential_expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChunkDigestsLine {
    id: ArtifactId,
    chunk_bytes: u64,
    blake3: String,
    digests: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaLine {
    experiment: ExperimentId,
    /// Missing for the quota of the whole experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<PrincipalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_artifacts: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u64>,
}

/// The version of a dump of any version.
#[derive(Debug, Deserialize)]
pub(super) struct AnyVersion {
    pub(super) dump: VersionOnly,
}

#[derive(Debug, Deserialize)]
pub(super) struct VersionOnly {
    pub(super) version: u32,
}

impl Line {
    pub(super) fn of(record: &DumpRecord) -> Self {
        match record.clone() {
            DumpRecord::Experiment { experiment, keep } => Self::Experiment {
                id: experiment.id,
                created_at: experiment.created_at,
                keep_micros: keep.map(|keep| u64::try_from(keep.as_micros()).unwrap_or(u64::MAX)),
            },
            DumpRecord::Worker { worker, credential } => Self::Worker(WorkerLine {
                id: worker.id,
                experiment: worker.experiment,
                name: worker.name,
                labels: worker.labels.map(|labels| labels.as_map().clone()),
                registered_at: worker.registered_at,
                registered_by: worker.registered_by,
                credential: credential.as_phc().to_owned(),
                credential_expires_at: credential.expires_at(),
            }),
            DumpRecord::Group(group) => Self::Group {
                id: group.id,
                experiment: group.experiment,
                name: group.name,
                created_at: group.created_at,
                created_by: group.created_by,
            },
            DumpRecord::Member { group, member } => Self::Member { group, member },
            DumpRecord::Artifact { position, row } => Self::Artifact {
                position: position.number(),
                row,
            },
            DumpRecord::ChunkDigests { id, digests } => Self::ChunkDigests(ChunkDigestsLine {
                id,
                chunk_bytes: digests.chunk_bytes(),
                blake3: digests.blake3_hex(),
                digests: digests.hex(),
            }),
            DumpRecord::Hold(hold) => Self::Hold(hold),
            DumpRecord::Removed(id) => Self::Removed(id),
            DumpRecord::AccessGrant(grant) => Self::Grant(grant.into()),
            DumpRecord::AccessLink { link, digest } => Self::Link(LinkLine::new(link, digest)),
            DumpRecord::Administrator(administrator) => Self::Administrator(AdministratorLine {
                id: administrator.id,
                name: administrator.name,
                created_at: administrator.created_at,
                created_by: administrator.created_by,
                credential: administrator.credential.as_phc().to_owned(),
                credential_expires_at: administrator.credential.expires_at(),
            }),
            DumpRecord::Collection(collection) => Self::Collection(collection.into()),
            DumpRecord::CollectionFile { collection, file } => {
                Self::CollectionFile(CollectionFileLine::new(collection, file))
            }
            DumpRecord::Quota { scope, quota } => Self::Quota(QuotaLine {
                experiment: scope.experiment().clone(),
                principal: scope.principal().cloned(),
                max_bytes: quota.max_bytes,
                max_artifacts: quota.max_artifacts,
                max_in_flight: quota.max_in_flight,
            }),
            DumpRecord::ReceiptLog { origin, secret } => {
                Self::ReceiptLog(ReceiptLogLine::new(&origin, &secret))
            }
            DumpRecord::Receipt {
                index,
                artifact,
                hash,
            } => Self::Receipt(ReceiptLine::new(index, artifact, hash)),
            DumpRecord::QueuedReceipt(queued) => Self::QueuedReceipt(queued.into()),
        }
    }

    /// Returns the record of a line that is neither the first nor one of the last two.
    pub(super) fn into_record(self) -> Result<DumpRecord, BoxError> {
        Ok(match self {
            Self::Dump { .. } | Self::Counts(_) | Self::End { .. } => {
                return Err("it is not the line of a record".into());
            }
            Self::Experiment {
                id,
                created_at,
                keep_micros,
            } => DumpRecord::Experiment {
                experiment: Experiment::new(id, created_at),
                keep: keep_micros.map(Duration::from_micros),
            },
            Self::Worker(line) => DumpRecord::Worker {
                worker: Worker::new(
                    line.id,
                    line.experiment,
                    line.registered_at,
                    line.registered_by,
                )
                .with_name(line.name)
                .with_labels(line.labels.map(Labels::of_any_size)),
                credential: line
                    .credential
                    .parse::<CredentialHash>()?
                    .with_expires_at(line.credential_expires_at),
            },
            Self::Group {
                id,
                experiment,
                name,
                created_at,
                created_by,
            } => DumpRecord::Group(
                Group::new(id, experiment, created_at, created_by).with_name(name),
            ),
            Self::Member { group, member } => DumpRecord::Member { group, member },
            Self::Artifact { position, row } => DumpRecord::Artifact {
                position: RowPosition::from_number(position),
                row,
            },
            Self::ChunkDigests(line) => DumpRecord::ChunkDigests {
                id: line.id,
                digests: ChunkDigests::from_hex(line.chunk_bytes, &line.blake3, &line.digests)?,
            },
            Self::Hold(hold) => DumpRecord::Hold(hold),
            Self::Removed(id) => DumpRecord::Removed(id),
            Self::Grant(line) => DumpRecord::AccessGrant(line.into_grant()?),
            Self::Link(line) => line.into_record()?,
            Self::Administrator(line) => {
                let credential: CredentialHash = line.credential.parse()?;
                DumpRecord::Administrator(Administrator::new(
                    line.id,
                    line.name,
                    line.created_at,
                    line.created_by,
                    credential.with_expires_at(line.credential_expires_at),
                ))
            }
            Self::Collection(line) => DumpRecord::Collection(line.into()),
            Self::CollectionFile(line) => {
                let (collection, file) = line.into_parts();
                DumpRecord::CollectionFile { collection, file }
            }
            Self::Quota(line) => DumpRecord::Quota {
                scope: QuotaScope::new(line.experiment, line.principal),
                quota: Quota::default()
                    .with_max_bytes(line.max_bytes)
                    .with_max_artifacts(line.max_artifacts)
                    .with_max_in_flight(line.max_in_flight),
            },
            Self::ReceiptLog(line) => line.into_record()?,
            Self::Receipt(line) => line.into_record(),
            Self::QueuedReceipt(line) => line.into(),
        })
    }
}
