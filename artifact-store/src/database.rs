//! One database: rows and registry.

use std::sync::Arc;

use crate::error::Result;
use crate::registry::Registry;
use crate::rows::{DatabaseUrl, Rows};

/// One opened database, which keeps rows and registry. A clone is the same database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Database {
    /// What is recorded beside the bytes.
    pub rows: Arc<dyn Rows>,
    /// Who there is.
    pub registry: Arc<dyn Registry>,
}

impl Database {
    /// The two sides of what keeps both.
    pub fn new<D: Rows + Registry>(both: D) -> Self {
        let both = Arc::new(both);
        Self {
            rows: both.clone(),
            registry: both,
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
