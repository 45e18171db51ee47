//! One record of a database, whatever the database is.

use std::time::Duration;

use artifact_backend::{ArtifactId, Sha256Digest};
use artifact_receipt::{KeyName, LogSecret, TreeHash};

use crate::administrators::Administrator;
use crate::catalog::{Hold, RowPosition};
use crate::collections::{Collection, CollectionFile, CollectionId};
use crate::digests::ChunkDigests;
use crate::experiment::Experiment;
use crate::identity::{CredentialHash, Group, GroupId, MemberId, Worker};
use crate::quota::{Quota, QuotaScope};
use crate::receipts::QueuedReceipt;
use crate::row::Row;
use crate::sharing::{AccessGrant, AccessLink};

/// One record of a database. A [snapshot](crate::PortableDatabase::snapshot) returns them in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpRecord {
    /// An experiment, and how long it keeps artifacts that have no time of their own.
    Experiment {
        /// The experiment.
        experiment: Experiment,
        /// Its retention, in whole microseconds.
        keep: Option<Duration>,
    },
    /// A worker, and the hash of its token with the time when the token expires.
    Worker {
        /// The worker.
        worker: Worker,
        /// The hash. The token itself is nowhere.
        credential: CredentialHash,
    },
    /// A group. Its list of members is empty; they follow as records of their own.
    Group(Group),
    /// A member of a group, in the order of its members.
    Member {
        /// The group.
        group: GroupId,
        /// The member, which need not exist.
        member: MemberId,
    },
    /// The row of an artifact, in the order of the positions.
    Artifact {
        /// Its position, which stays the same in a copy.
        position: RowPosition,
        /// The row.
        row: Row,
    },
    /// The digests of the chunks of an artifact, in the order of the positions. An artifact without them has no such record.
    ChunkDigests {
        /// The artifact.
        id: ArtifactId,
        /// The digests.
        digests: ChunkDigests,
    },
    /// A hold on an artifact.
    Hold(Hold),
    /// An id that was removed or condemned, so that it never gets a row again.
    Removed(ArtifactId),
    /// A named administrator, with the hash of its token. The token itself is nowhere.
    Administrator(Administrator),
    /// A collection. Its numbers of files and bytes are 0; a copy adds them up again.
    Collection(Collection),
    /// A name in a collection, also of an artifact that was removed, in the order of the collections and names.
    CollectionFile {
        /// The collection.
        collection: CollectionId,
        /// The name, and the artifact.
        file: CollectionFile,
    },
    /// A grant, in the order of its subjects and ids. Snapshots of older versions have grants and links before the
    /// administrators.
    AccessGrant(AccessGrant),
    /// A link, in the order of the artifacts and ids.
    AccessLink {
        /// The link.
        link: AccessLink,
        /// The digest of its secret. The secret itself is nowhere.
        digest: Sha256Digest,
    },
    /// A quota. What is used of it is counted again in a copy.
    Quota {
        /// Whose artifacts it counts.
        scope: QuotaScope,
        /// The limits.
        quota: Quota,
    },
    /// The log of receipts, if one has begun.
    ReceiptLog {
        /// Its name.
        origin: KeyName,
        /// What the salts of its leaves are derived from.
        secret: LogSecret,
    },
    /// A leaf of the log, in the order of the indexes, without gaps.
    Receipt {
        /// Its index.
        index: u64,
        /// The artifact, which may have been removed.
        artifact: ArtifactId,
        /// The hash.
        hash: TreeHash,
    },
    /// An artifact that has no leaf yet. A copy gives it another number.
    QueuedReceipt(QueuedReceipt),
}
