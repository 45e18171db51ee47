//! Closing a database.

use std::fmt::Debug;

use async_trait::async_trait;

use super::MemoryDatabase;
use crate::error::Result;

/// A database that can be closed; [`Database::close`](crate::Database::close) is its only caller.
#[async_trait]
pub trait CloseDatabase: Debug + Send + Sync + 'static {
    /// Finishes the calls that were made before, and closes the files and connections. Every later call
    /// fails with `Unavailable`. Succeeds if it is closed already.
    ///
    /// # Errors
    ///
    /// If a file or connection cannot be closed properly.
    async fn close(&self) -> Result<()>;
}

#[async_trait]
impl CloseDatabase for MemoryDatabase {
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(feature = "sqlite")]
#[async_trait]
impl CloseDatabase for super::SqliteDatabase {
    async fn close(&self) -> Result<()> {
        Self::close(self).await
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl CloseDatabase for super::PostgresDatabase {
    async fn close(&self) -> Result<()> {
        Self::close(self).await;
        Ok(())
    }
}
