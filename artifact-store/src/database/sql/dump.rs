//! The statements and records of a snapshot.

use std::time::Duration;

use artifact_backend::{ArtifactId, BoxError, Sha256Digest};
use jiff::Timestamp;

use super::administrators::{self, AdministratorRecord};
use super::collections::{
    CollectionRecord, FileRecord, SELECT_COLLECTION_FILES, SELECT_COLLECTIONS,
};
use super::digests::ChunkDigestsRecord;
use super::maintenance::position;
use super::quotas::{decode_limits, decode_scope};
use super::receipts::{
    LeafRecord, LogRecord, QueuedRecord, SELECT_LEAVES, SELECT_LOG, SELECT_QUEUE,
};
use super::records::{
    ArtifactRecord, Columns, Decoder, ExperimentRecord, MembershipRecord, Record as _, WorkerRecord,
};
use super::sharing::{GrantRecord, LinkRecord, grant_columns, link_columns};
use crate::catalog::Hold;
use crate::collections::CollectionId;
use crate::dump::DumpRecord;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// The kinds of records, in their order in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Part {
    Experiments,
    Workers,
    Groups,
    Members,
    Rows,
    ChunkDigests,
    Holds,
    Removed,
    Administrators,
    Collections,
    CollectionFiles,
    Grants,
    Links,
    Quotas,
    ReceiptLog,
    Receipts,
    QueuedReceipts,
}

/// Whether a database is empty.
pub(in crate::database) const IS_EMPTY: &str = "\
    SELECT NOT (EXISTS (SELECT 1 FROM experiments) OR EXISTS (SELECT 1 FROM artifact_rows) \
        OR EXISTS (SELECT 1 FROM workers) OR EXISTS (SELECT 1 FROM groups) OR EXISTS (SELECT 1 FROM holds) \
        OR EXISTS (SELECT 1 FROM store_id) OR EXISTS (SELECT 1 FROM proposed_store_ids) \
        OR EXISTS (SELECT 1 FROM placement) OR EXISTS (SELECT 1 FROM administrators) \
        OR EXISTS (SELECT 1 FROM collections) OR EXISTS (SELECT 1 FROM receipt_log))";
pub(in crate::database) const SELECT_STORE_ID: &str = "SELECT id FROM store_id";

/// The tables whose records are copied, and those of uploads, which are not: a database that was moved changes none of them.
pub(in crate::database) const TABLES: [&str; 25] = [
    "access_grants",
    "access_links",
    "admin_token",
    "administrators",
    "artifact_rows",
    "chunk_digests",
    "collection_files",
    "collections",
    "experiments",
    "former_backends",
    "groups",
    "holds",
    "members",
    "placement",
    "proposed_store_ids",
    "quotas",
    "receipt_log",
    "receipt_nodes",
    "receipt_queue",
    "replaced_admin_tokens",
    "retention",
    "store_id",
    "upload_parts",
    "uploads",
    "workers",
];

impl Part {
    /// How many kinds there are.
    pub(in crate::database) const NUMBER: usize = 17;

    pub(in crate::database) const ALL: [Self; Self::NUMBER] = [
        Self::Experiments,
        Self::Workers,
        Self::Groups,
        Self::Members,
        Self::Rows,
        Self::ChunkDigests,
        Self::Holds,
        Self::Removed,
        Self::Administrators,
        Self::Collections,
        Self::CollectionFiles,
        Self::Grants,
        Self::Links,
        Self::Quotas,
        Self::ReceiptLog,
        Self::Receipts,
        Self::QueuedReceipts,
    ];

    /// Returns how many records a batch has.
    pub(in crate::database) const fn batch(self) -> usize {
        match self {
            // Each has up to 128 KiB.
            Self::ChunkDigests => 32,
            _ => 1_000,
        }
    }

    /// Returns the statement that reads all records of this kind. Two of them differ between the databases.
    pub(in crate::database) const fn statement(
        self,
        chunk_digests: &'static str,
        removed: &'static str,
    ) -> &'static str {
        match self {
            Self::Experiments => {
                "SELECT id, created_at, keep FROM experiments \
                 LEFT JOIN retention ON retention.experiment = experiments.id ORDER BY id"
            }
            Self::Workers => {
                "SELECT id, name, labels, registered_at, registered_by, experiment, credential, \
                     credential_expires_at \
                 FROM workers ORDER BY id"
            }
            Self::Groups => {
                "SELECT id, name, created_at, created_by, NULL, experiment FROM groups ORDER BY id"
            }
            Self::Members => "SELECT group_id, member FROM members ORDER BY group_id, position",
            Self::Rows => {
                "SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
                     expires_at, seq \
                 FROM artifact_rows WHERE removed_at IS NULL ORDER BY seq"
            }
            Self::ChunkDigests => chunk_digests,
            Self::Holds => "SELECT id, placed_by, placed_at FROM holds ORDER BY id",
            Self::Removed => removed,
            Self::Grants => concat!(
                "SELECT ",
                grant_columns!(),
                " FROM access_grants ORDER BY subject_kind, subject_id, id"
            ),
            Self::Links => concat!(
                "SELECT ",
                link_columns!(),
                ", digest FROM access_links ORDER BY artifact, id"
            ),
            Self::Administrators => administrators::SELECT_ALL,
            Self::Collections => SELECT_COLLECTIONS,
            Self::CollectionFiles => SELECT_COLLECTION_FILES,
            Self::Quotas => {
                "SELECT experiment, principal, max_bytes, max_artifacts, max_in_flight FROM quotas \
                 ORDER BY experiment, principal"
            }
            Self::ReceiptLog => SELECT_LOG,
            Self::Receipts => SELECT_LEAVES,
            Self::QueuedReceipts => SELECT_QUEUE,
        }
    }

    pub(in crate::database) const fn as_str(self) -> &'static str {
        match self {
            Self::Experiments => "experiment",
            Self::Workers => "worker",
            Self::Groups => "group",
            Self::Members => "member of a group",
            Self::Rows => "row",
            Self::ChunkDigests => "list of chunk digests",
            Self::Holds => "hold",
            Self::Removed => "removed id",
            Self::Grants => "grant",
            Self::Links => "link",
            Self::Administrators => "administrator",
            Self::Collections => "collection",
            Self::CollectionFiles => "file of a collection",
            Self::Quotas => "quota",
            Self::ReceiptLog => "log of receipts",
            Self::Receipts => "entry of the log of receipts",
            Self::QueuedReceipts => "queued entry of the log of receipts",
        }
    }

    /// Reads and validates a record.
    pub(in crate::database) fn read<C: Columns>(self, row: &C) -> Result<DumpRecord, BoxError> {
        let decoder = Decoder(Operation::Dump.into());
        Ok(match self {
            Self::Experiments => {
                let keep = row.optional_integer(2)?.map(u64::try_from).transpose()?;
                DumpRecord::Experiment {
                    experiment: ExperimentRecord::read(row)?.decode()?,
                    keep: keep.map(Duration::from_micros),
                }
            }
            Self::Workers => {
                let experiment: ExperimentId = row.text(5)?.parse()?;
                DumpRecord::Worker {
                    worker: WorkerRecord::read(row)?.decode(&experiment)?,
                    credential: decoder.credential(&row.text(6)?, row.optional_integer(7)?)?,
                }
            }
            Self::Groups => {
                let experiment: ExperimentId = row.text(5)?.parse()?;
                let records = [MembershipRecord::read(row)?];
                let group = MembershipRecord::decode_group(&records, &experiment)?;
                DumpRecord::Group(group.ok_or("there is no group")?)
            }
            Self::Members => DumpRecord::Member {
                group: decoder.parse("group_id", &row.text(0)?)?,
                member: decoder.parse("member", &row.text(1)?)?,
            },
            Self::Rows => DumpRecord::Artifact {
                position: position(row.integer(9)?),
                row: ArtifactRecord::read(row)?.decode()?,
            },
            Self::ChunkDigests => DumpRecord::ChunkDigests {
                digests: ChunkDigestsRecord::read(row)?.decode(decoder)?,
                id: ArtifactId::from_bytes(decoder.bytes("id", &row.bytes(3)?)?),
            },
            Self::Holds => DumpRecord::Hold(Hold::new(
                id(decoder, row)?,
                decoder.parse("placed_by", &row.text(1)?)?,
                decoder.time("placed_at", row.integer(2)?)?,
            )),
            Self::Removed => DumpRecord::Removed(id(decoder, row)?),
            Self::Grants => DumpRecord::AccessGrant(GrantRecord::read(row)?.decode(decoder)?),
            Self::Links => DumpRecord::AccessLink {
                link: LinkRecord::read(row)?.decode(decoder)?,
                digest: Sha256Digest::from_bytes(decoder.bytes("digest", &row.bytes(8)?)?),
            },
            Self::Administrators => {
                DumpRecord::Administrator(AdministratorRecord::read(row)?.decode()?)
            }
            Self::Collections => DumpRecord::Collection(CollectionRecord::read(row)?.decode()?),
            Self::CollectionFiles => DumpRecord::CollectionFile {
                file: FileRecord::read(row)?.decode()?,
                collection: CollectionId::from_bytes(decoder.bytes("collection", &row.bytes(7)?)?),
            },
            Self::Quotas => {
                let experiment: ExperimentId = row.text(0)?.parse()?;
                DumpRecord::Quota {
                    scope: decode_scope(&experiment, &row.text(1)?)?,
                    quota: decode_limits([
                        row.optional_integer(2)?,
                        row.optional_integer(3)?,
                        row.optional_integer(4)?,
                    ]),
                }
            }
            Self::ReceiptLog => {
                let log = LogRecord::read(row)?.decode(Operation::Dump)?;
                DumpRecord::ReceiptLog {
                    origin: log.origin,
                    secret: log.secret,
                }
            }
            Self::Receipts => {
                let (index, artifact, hash) = LeafRecord::read(row)?.decode()?;
                DumpRecord::Receipt {
                    index,
                    artifact,
                    hash,
                }
            }
            Self::QueuedReceipts => {
                DumpRecord::QueuedReceipt(QueuedRecord::read(row)?.decode(Operation::Dump)?)
            }
        })
    }

    /// Returns the record that takes the place of one that cannot be read: a hold stays in force.
    pub(in crate::database) fn substitute<C: Columns>(self, row: &C) -> Option<DumpRecord> {
        if self != Self::Holds {
            return None;
        }
        let id = id(Decoder(Operation::Dump.into()), row).ok()?;
        let hold = Hold::new(id, PrincipalId::Admin, Timestamp::UNIX_EPOCH);
        Some(DumpRecord::Hold(hold))
    }
}

fn id<C: Columns>(decoder: Decoder, row: &C) -> Result<ArtifactId, BoxError> {
    Ok(ArtifactId::from_bytes(decoder.bytes("id", &row.bytes(0)?)?))
}
