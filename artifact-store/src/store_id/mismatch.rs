//! Why a database and a backend cannot be joined.

use std::fmt;

use artifact_backend::StoreId;

use crate::error::Error;

/// Why a database and a backend are not halves of one store. `Display` says what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Each half has a store id, but not the same one.
    DifferentIds {
        /// The store id of the database.
        database: StoreId,
        /// The store id of the backend.
        backend: StoreId,
    },
    /// The database has a store id, and the backend has none: the blobs are missing, or these are not
    /// the blobs of the database.
    NoBackendId {
        /// The store id of the database.
        database: StoreId,
        /// Whether the backend has a blob.
        has_blobs: bool,
    },
    /// The backend has a store id, and the database has none: the database is missing, or this is not
    /// the database of the blobs.
    NoDatabaseId {
        /// The store id of the backend.
        backend: StoreId,
        /// Whether the database has a row.
        has_rows: bool,
    },
    /// Neither half has a store id. The database has rows whose blobs are not in the backend.
    RowsWithoutBlobs {
        /// The number of rows that were looked at.
        rows: usize,
        /// The number of those whose blob is missing.
        missing: usize,
    },
    /// Neither half has a store id. The backend has blobs, and the database has no row.
    BlobsWithoutRows,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DifferentIds { database, backend } => write!(
                f,
                "the database belongs to {database} and the blobs belong to {backend}"
            ),
            Self::NoBackendId {
                database,
                has_blobs: false,
            } => write!(
                f,
                "the database belongs to {database}, but the backend is empty"
            ),
            Self::NoBackendId {
                database,
                has_blobs: true,
            } => write!(
                f,
                "the database belongs to {database}, but the backend has blobs without a store id"
            ),
            Self::NoDatabaseId {
                backend,
                has_rows: false,
            } => write!(
                f,
                "the blobs belong to {backend}, but the database is new or empty"
            ),
            Self::NoDatabaseId {
                backend,
                has_rows: true,
            } => write!(
                f,
                "the blobs belong to {backend}, but the database has rows without a store id"
            ),
            Self::RowsWithoutBlobs { rows, missing } => write!(
                f,
                "of {rows} rows of the database, {missing} have no blob in the backend"
            ),
            Self::BlobsWithoutRows => {
                f.write_str("the backend has blobs, but the database has no rows")
            }
        }
    }
}

/// Why two halves were not joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// They are not halves of one store. Nothing was changed.
    #[error("the database and the backend do not belong together: {0}")]
    Mismatch(Mismatch),
    /// The database or the backend failed. A later call continues where this one stopped.
    #[error("cannot find out whether the database and the backend belong together")]
    Failed(#[from] Error),
}

impl From<Mismatch> for JoinError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}
