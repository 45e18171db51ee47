//! Closing a database.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::{MemoryDatabase, PortableDatabase};
use crate::error::Result;
use crate::metrics::PoolStatus;

/// A database that can be closed; [`Database`](crate::Database) is its only caller.
#[async_trait]
pub trait CloseDatabase: Debug + Send + Sync + 'static {
    /// Finishes the calls that were made before, and closes the files and connections. Every later call
    /// fails with `Unavailable`. Succeeds if it is closed already.
    ///
    /// # Errors
    ///
    /// If a file or connection cannot be closed properly.
    async fn close(&self) -> Result<()>;

    /// Returns the status of its pools of connections. The default is that it has no pools.
    fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }

    /// Returns the same database for copies of it, if it supports them. The default is that it does not.
    fn portable(self: Arc<Self>) -> Option<Arc<dyn PortableDatabase>> {
        None
    }
}

#[async_trait]
impl CloseDatabase for MemoryDatabase {
    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn portable(self: Arc<Self>) -> Option<Arc<dyn PortableDatabase>> {
        Some(self)
    }
}

#[cfg(feature = "sqlite")]
#[async_trait]
impl CloseDatabase for super::SqliteDatabase {
    async fn close(&self) -> Result<()> {
        Self::close(self).await
    }

    fn pools(&self) -> Vec<PoolStatus> {
        self.pool_statuses()
    }

    fn portable(self: Arc<Self>) -> Option<Arc<dyn PortableDatabase>> {
        Some(self)
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl CloseDatabase for super::PostgresDatabase {
    async fn close(&self) -> Result<()> {
        Self::close(self).await;
        Ok(())
    }

    fn pools(&self) -> Vec<PoolStatus> {
        self.pool_statuses()
    }

    fn portable(self: Arc<Self>) -> Option<Arc<dyn PortableDatabase>> {
        Some(self)
    }
}
