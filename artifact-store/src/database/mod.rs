//! The databases that keep the catalog and the identities.

mod close;
mod memory;
mod portable;
#[cfg(feature = "postgres")]
mod postgres;
mod rejected;
mod report;
#[cfg(feature = "serde")]
mod serde_impl;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod subject;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod traced;
mod url;

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogInventory};
use crate::collections::CollectionCatalog;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::IdentityStore;
use crate::placement::PlacementRecord;
use crate::sharing::SharingRecord;
use crate::store_id::StoreIdRecord;

pub(crate) use self::rejected::Rejected;
pub(crate) use self::subject::Subject;
pub use close::CloseDatabase;
pub use memory::MemoryDatabase;
pub use portable::{DatabaseLoad, DatabaseSnapshot, PortableDatabase};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresDatabase, PostgresOptions};
pub use report::DatabaseReport;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDatabase;
pub use url::DatabaseUrl;

/// The maximum number of administrators in a page.
const MAX_ADMINISTRATORS: usize = 256;

/// An open database: its catalog, its identities, its grants and links, its store id and its placement. A clone shares the same database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Database {
    /// The rows of artifacts, and the experiments.
    pub catalog: Arc<dyn Catalog>,
    /// The same rows, for maintenance: list, remove, hold, retention.
    pub inventory: Arc<dyn CatalogInventory>,
    /// The workers, the groups and the named administrators.
    pub identities: Arc<dyn IdentityStore>,
    /// The grants and links, for [`Sharing`](crate::Sharing).
    pub sharing: Arc<dyn SharingRecord>,
    /// The store id, which the backend keeps too; see [`StoreHalves`](crate::StoreHalves).
    pub store_id: Arc<dyn StoreIdRecord>,
    /// Where the blobs are, if they were ever moved.
    pub placement: Arc<dyn PlacementRecord>,
    /// The collections, for [`CollectionStore::new`](crate::CollectionStore::new).
    pub collections: Arc<dyn CollectionCatalog>,
    closer: Arc<dyn CloseDatabase>,
    portable: Option<Arc<dyn PortableDatabase>>,
}

impl Database {
    /// Wraps a database that keeps all of them.
    pub fn new<D>(database: D) -> Self
    where
        D: CatalogInventory
            + IdentityStore
            + SharingRecord
            + StoreIdRecord
            + PlacementRecord
            + CollectionCatalog
            + CloseDatabase,
    {
        let database = Arc::new(database);
        Self {
            catalog: database.clone(),
            inventory: database.clone(),
            identities: database.clone(),
            sharing: database.clone(),
            store_id: database.clone(),
            placement: database.clone(),
            collections: database.clone(),
            portable: Arc::clone(&database).portable(),
            closer: database,
        }
    }

    /// Opens the database that a URL or a bare path names; see [`DatabaseUrl`] for the forms.
    ///
    /// # Errors
    ///
    /// As [`DatabaseUrl::parse`] and [`DatabaseUrl::open`].
    pub async fn from_url(text: &str) -> Result<Self> {
        DatabaseUrl::parse(text)?.open().await
    }

    /// Returns the same database for copies of it: the one that was opened, also if a field was replaced by a wrapper.
    ///
    /// # Errors
    ///
    /// `Unsupported` if this kind of database has no copies. All databases of this crate have.
    pub fn portable(&self) -> Result<&Arc<dyn PortableDatabase>> {
        self.portable.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, Operation::Dump)
                .with_detail("this kind of database cannot be copied")
        })
    }

    /// Finishes the calls that were made before, and closes the files and connections. Every later call on
    /// this database, also through clones and through stores that use it, fails with `Unavailable`; a
    /// database in memory is not closed. Succeeds if it is closed already.
    ///
    /// Call it after the last request and before the runtime ends. It closes the database that was opened,
    /// also if a field was replaced by a wrapper. Dropping the last clone closes the database too, but blocks
    /// the thread meanwhile (SQLite) or does not wait (PostgreSQL). A dropped future leaves it open or closed.
    ///
    /// # Errors
    ///
    /// If an SQLite file cannot be closed properly. No row is lost by that.
    pub async fn close(&self) -> Result<()> {
        self.closer.close().await
    }
}
