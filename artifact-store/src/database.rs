//! One database: rows and identities.

use std::sync::Arc;

use crate::error::Result;
use crate::identities::IdentityStore;
use crate::rows::{Catalog, DatabaseUrl};

/// One opened database, which keeps rows and identities. A clone is the same database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Database {
    /// What is recorded beside the bytes.
    pub rows: Arc<dyn Catalog>,
    /// Who there is.
    pub identities: Arc<dyn IdentityStore>,
}

impl Database {
    /// The two sides of what keeps both.
    pub fn new<D: Catalog + IdentityStore>(both: D) -> Self {
        let both = Arc::new(both);
        Self {
            rows: both.clone(),
            identities: both,
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
