//! The databases that keep the catalog and the identities.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod rejected;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod subject;
mod url;

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::identity::IdentityStore;
use crate::store_id::StoreIdRecord;

pub use memory::MemoryDatabase;
#[cfg(feature = "postgres")]
pub use postgres::PostgresDatabase;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDatabase;
pub use url::DatabaseUrl;

/// An open database: its catalog, its identities and its store id. A clone shares the same database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Database {
    /// The rows of artifacts, and the experiments.
    pub catalog: Arc<dyn Catalog>,
    /// The workers and groups.
    pub identities: Arc<dyn IdentityStore>,
    /// The store id, which the backend keeps too; see [`StoreHalves`](crate::StoreHalves).
    pub store_id: Arc<dyn StoreIdRecord>,
}

impl Database {
    /// Wraps a database that keeps all three.
    pub fn new<D: Catalog + IdentityStore + StoreIdRecord>(database: D) -> Self {
        let database = Arc::new(database);
        Self {
            catalog: database.clone(),
            identities: database.clone(),
            store_id: database,
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
}
