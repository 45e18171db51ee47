#![doc = include_str!("../README.md")]

mod names;

mod principal;

mod content_type;
mod file_name;
mod row;

mod error;

mod authorize;

pub mod rows;

mod identities;

mod database;

mod backend_url;
mod location;

mod config;
mod deposit;
mod experiment_cache;
mod hasher;
mod row_cache;
mod store;
mod streaming;
mod verified_cache;
mod verify;

pub use artifact_backend::{ArtifactId, ByteRange, Clock, Download, Sha256Digest};
#[cfg(feature = "bucket")]
pub use artifact_backend_s3::{BucketOptions, S3Config};
pub use authorize::{ReadGrant, authorize};
pub use backend_url::{Backend, BackendOptions, BackendUrl};
pub use config::StoreConfig;
pub use content_type::ContentType;
pub use database::Database;
pub use deposit::{Deposit, NewArtifact};
pub use error::{Error, ErrorKind, Operation, Result};
pub use file_name::FileName;
pub use identities::{
    CredentialHash, DisplayName, Group, GroupId, IdentityStore, InvalidCredentialHash,
    InvalidDisplayName, InvalidId, InvalidLabels, Labels, MemberId, StoredCredential, Worker,
    WorkerId,
};
pub use jiff::Timestamp;
pub use names::{ExperimentId, InvalidExperimentId, InvalidPrincipalId, PrincipalId};
pub use principal::{Principal, PrincipalClass};
pub use row::{Experiment, Row};
#[cfg(feature = "postgres")]
pub use rows::PostgresDatabase;
#[cfg(feature = "sqlite")]
pub use rows::SqliteDatabase;
pub use rows::{Catalog, DatabaseUrl, MemoryDatabase};
pub use store::ArtifactStore;
