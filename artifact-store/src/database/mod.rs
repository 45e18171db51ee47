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

pub use memory::MemoryDatabase;
#[cfg(feature = "postgres")]
pub use postgres::PostgresDatabase;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDatabase;
pub use url::DatabaseUrl;

/// An open database: its catalog and its identities. A clone shares the same database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Database {
    /// The rows of artifacts, and the experiments.
    pub catalog: Arc<dyn Catalog>,
    /// The workers and groups.
    pub identities: Arc<dyn IdentityStore>,
}

impl Database {
    /// Wraps a database that keeps both.
    pub fn new<D: Catalog + IdentityStore>(database: D) -> Self {
        let database = Arc::new(database);
        Self {
            catalog: database.clone(),
            identities: database,
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
