#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admin_token;
mod administrators;
mod alone;
#[cfg(feature = "archive")]
mod archive;
mod authorize;
#[cfg(feature = "backup")]
mod backup;
mod blob_survey;
mod catalog;
mod collect;
mod collections;
mod config;
mod content_type;
mod conversions;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod credential_cache;
mod damage;
mod database;
mod deposit;
mod digests;
mod dump;
mod error;
mod experiment;
mod external_id;
mod file_name;
mod free_space;
mod fresh_id;
mod freshness;
mod hasher;
mod idempotency;
mod identity;
mod manage;
mod metrics;
mod migrate;
mod new_artifact;
mod pace;
mod placement;
mod principal;
mod quota;
mod read_memory;
mod read_policy;
mod readiness;
mod receipts;
mod row;
mod row_cache;
mod row_notes;
#[cfg(feature = "schemars")]
mod schema;
mod scrub;
#[cfg(feature = "serde")]
mod serde_impl;
mod shared;
mod sharing;
mod store;
mod store_id;
mod streaming;
mod time;
mod uploads;
mod verified_cache;
mod verified_range;
mod verify;

pub use admin_token::{
    AdminTokenDigest, AdminTokenRecord, OldAdminToken, RecordedAdminToken, ValidAdminTokens,
};
pub use administrators::{Administrator, AdministratorStore, AdministratorStoreExt};
#[cfg(feature = "archive")]
pub use archive::{
    ExportEvent, ExportOptions, ExportReport, Exporter, ImportEvent, ImportOptions, ImportReport,
    Importer,
};
pub use artifact_backend::{ArtifactId, ByteRange, Clock, Download, Sha256Digest, StoreId};
pub use artifact_open::{
    Backend, BackendOptions, BackendUrl, BucketCredentials, BucketOptions, FsConfig, MemConfig,
    PackConfig, S3Config, SchemeRegistry,
};
pub use artifact_receipt;
pub use authorize::{ReadGrant, authorize, authorize_link, authorize_shared, authorize_with};
#[cfg(feature = "backup")]
pub use backup::{
    Backup, BackupEvent, BackupManifest, BackupOptions, BackupPlace, BackupReport, LeftOut,
    LeftOutReason, Restore,
};
pub use catalog::{
    Catalog, CatalogInventory, CommitMark, ExpiredPage, ExpiryPosition, Hold, ImportId,
    PrincipalUsage, Removal, RemovalPage, ReplayCatalog, ReplayCounts, ReplayEvent, RowFilter,
    RowPage, RowPosition, ScrubRecord, StagedRow,
};
pub use collect::{CollectEvent, CollectOptions, CollectReport, CollectStep, Collector};
pub use collections::{
    Collection, CollectionCatalog, CollectionFile, CollectionId, CollectionPath,
    CollectionPosition, CollectionStore, FileLocation, FilePage, FileQuery, FileState,
    InvalidCollectionId, InvalidCollectionPath, ManifestDigest, ManifestReader, NameBound,
};
pub use config::StoreConfig;
pub use content_type::ContentType;
#[cfg(feature = "sqlite")]
pub use database::SqliteDatabase;
pub use database::{
    CloseDatabase, Database, DatabaseLoad, DatabaseReport, DatabaseSnapshot, DatabaseUrl,
    MemoryDatabase, PortableDatabase,
};
#[cfg(feature = "postgres")]
pub use database::{PostgresDatabase, PostgresOptions};
#[cfg(feature = "postgres")]
pub use deadpool_postgres;
pub use deposit::Deposit;
pub use digests::{ChunkDigests, ChunkHasher, InvalidChunkDigests};
pub use dump::{CopyReport, DumpRecord, copy_database};
#[cfg(feature = "backup")]
pub use dump::{DumpCounts, DumpDecoder, DumpEncoder, DumpHeader};
pub use error::{Error, ErrorKind, Operation, Result};
pub use experiment::{Experiment, ExperimentId, InvalidExperimentId};
pub use external_id::{ExternalId, InvalidPrincipalId};
pub use file_name::FileName;
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey};
pub use identity::{
    AdministratorId, CredentialHash, DisplayName, GrantId, Group, GroupId, IdentityStore,
    IdentityStoreExt, InvalidCredentialHash, InvalidDisplayName, InvalidId, InvalidLabels, Labels,
    LinkId, ListPosition, MemberId, Page, StoredCredential, Worker, WorkerId,
};
pub use jiff::Timestamp;
pub use manage::{ArtifactInfo, ManagedStore, RemovalWatch};
pub use metrics::{METRICS, PoolStatus};
pub use migrate::{
    MigrateEvent, MigrateFinding, MigrateOptions, MigrateReport, MigrateState, Migrator,
    NamedBackend,
};
pub use new_artifact::NewArtifact;
pub use placement::{
    FormerBackend, OpenBackend, PlacedBackend, Placement, PlacementConflict, PlacementRecord,
};
pub use principal::{Principal, PrincipalClass, PrincipalId};
pub use quota::{
    Allowance, Quota, QuotaLimit, QuotaPage, QuotaRefusal, QuotaScope, QuotaShortage, QuotaStatus,
    QuotaStore, ReservationId, ReservationOutcome, ReservationRequest,
};
pub use read_policy::{BuiltInRule, ReadPolicy};
pub use readiness::{Readiness, ReadinessPart, ReadinessProbe, UnreadyReason};
pub use receipts::{
    QueuedReceipt, ReceiptBatch, ReceiptLog, ReceiptLogState, ReceiptNode, ReceiptRecord,
};
pub use row::Row;
pub use row_notes::{CatchUp, CatchUpReport, RowNotes};
#[cfg(feature = "postgres-tls")]
pub use rustls;
pub use scrub::{ScrubEvent, ScrubFinding, ScrubOptions, ScrubReport, ScrubTurn, Scrubber};
pub use sharing::{
    AccessGrant, AccessLink, GrantSubject, InvalidLinkSecret, LinkSecret, NewLink, Sharing,
    SharingRecord,
};
pub use store::ArtifactStore;
pub use store_id::{
    JoinError, Mismatch, StoreHalves, StoreIdRecord, check_new_backend, check_new_database,
};
pub use time::Deadline;
pub use uploads::{
    Append, InvalidUploadId, NewUpload, UploadId, UploadOptions, UploadPart, UploadRecords,
    UploadSession, Uploads,
};
