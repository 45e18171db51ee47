//! Joins a database and a backend to one store, or finds out that they do not belong together.

use std::sync::Arc;

use artifact_backend::{ArtifactInventory, ErrorKind as BackendErrorKind, StoreId};
use artifact_open::Backend;
use futures_util::TryStreamExt as _;

use super::{JoinError, Mismatch, StoreIdRecord};
use crate::database::{Database, PortableDatabase};
use crate::error::{Error, ErrorKind, Operation};

type Result<T> = std::result::Result<T, JoinError>;

const JOIN: Operation = Operation::JoinHalves;

/// A database and a backend, the two halves of a store.
///
/// Both keep the same random [`StoreId`], made once. A program that opens a store calls
/// [`join`](Self::join) before the first request. It then notices that a disk is not mounted, that a
/// database file is missing, or that the blobs belong to another database, before anything is written
/// to the wrong place.
///
/// | database | backend | [`join`](Self::join) |
/// |---|---|---|
/// | the store id | the same id | succeeds |
/// | the store id | another id or none | [`Mismatch`] |
/// | no id, but it proposed the id of the backend | an id | completes what a crash interrupted |
/// | no id | an id of another database | [`Mismatch`] |
/// | no id and no row | no id and no blob | makes a new id |
/// | no id, and rows whose blobs exist | no id | makes an id for this store of version 0.1 |
/// | no id, and rows without blobs | no id | [`Mismatch`] |
/// | no id and no row | no id, and blobs | [`Mismatch`] |
///
/// A new id is proposed in the database, then created in the backend, then confirmed in the database.
/// Each step is durable before the next. At the creation and at the confirmation the first one decides,
/// so several servers on one database and one backend can start at the same time. Servers on two
/// databases and one backend, or on one database and two backends, cannot: all but one get a
/// [`Mismatch`].
///
/// A copy of a half has the same id as the original. Two servers that each use one copy of the database
/// and the same backend are therefore not noticed.
///
/// ```
/// use artifact_store::{Backend, Database, JoinError, StoreHalves};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::from_url("/srv/artifacts/rows.sqlite").await?;
/// let backend = Backend::from_url("/srv/artifacts/blobs").await?;
/// match StoreHalves::new(&database, &backend).join().await {
///     Ok(id) => println!("serving {id}"),
///     Err(JoinError::Mismatch(mismatch)) => println!("restore the lost half: {mismatch}"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StoreHalves {
    database: Arc<dyn StoreIdRecord>,
    portable: Option<Arc<dyn PortableDatabase>>,
    backend: Arc<dyn ArtifactInventory>,
}

impl StoreHalves {
    /// Creates a pair of halves. Does no I/O.
    pub fn new(database: &Database, backend: &Backend) -> Self {
        Self {
            database: Arc::clone(&database.store_id),
            portable: database.portable().ok().cloned(),
            backend: backend.inventory(),
        }
    }

    /// Checks that the halves belong together, and returns their store id. Makes it if both halves are
    /// new, or if they are a store of version 0.1, which had no store ids.
    ///
    /// For a store of version 0.1, up to eight rows are looked at. The blob of each must exist.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if they do not belong together. [`adopt`](Self::adopt) joins them nevertheless.
    pub async fn join(&self) -> Result<StoreId> {
        self.check_not_moved().await?;
        loop {
            let recorded = self.database.store_id().await?;
            match self.try_join(recorded).await {
                // Another server may have joined the halves after this one read the database.
                Err(JoinError::Mismatch(_)) if self.database.store_id().await? != recorded => {}
                outcome => return outcome,
            }
        }
    }

    /// Checks that the halves have the same store id, and returns it. For maintenance: writes nothing. Returns `None` if
    /// neither half has one; [`join`](Self::join) makes it.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if they do not belong together, or if a crash has interrupted the first [`join`](Self::join).
    pub async fn check(&self) -> Result<Option<StoreId>> {
        self.check_not_moved().await?;
        match (self.database.store_id().await?, self.backend_id().await?) {
            (Some(database), Some(backend)) if database == backend => Ok(Some(backend)),
            (Some(database), Some(backend)) => {
                Err(Mismatch::DifferentIds { database, backend }.into())
            }
            (Some(database), None) => Err(Mismatch::NoBackendId {
                database,
                has_blobs: has_blobs(&*self.backend).await?,
            }
            .into()),
            (None, Some(backend)) => Err(self.no_database_id(backend).await?),
            (None, None) => Ok(None),
        }
    }

    /// Joins two halves on purpose, whatever they contain, and returns their store id: that of the
    /// backend, or if it has none, that of the database.
    ///
    /// For an operator who knows why one half was replaced. Rows without blobs and blobs without rows
    /// stay as they are. If each half has an id, the id of the database is replaced: the former
    /// database of these blobs is still accepted, and must not be served any more.
    ///
    /// # Errors
    ///
    /// If the database or the backend fails. It can then be called again.
    pub async fn adopt(&self) -> Result<StoreId> {
        self.check_not_moved().await?;
        let recorded = self.database.store_id().await?;
        let id = if let Some(id) = self.backend_id().await? {
            id
        } else {
            let id = recorded.unwrap_or_else(StoreId::mint);
            self.create_in_backend(id).await?
        };
        if recorded != Some(id) {
            self.database.replace_store_id(id).await?;
            tracing::warn!(store_id = %id, "joined a database and a backend on purpose");
        }
        Ok(id)
    }

    /// Checks that neither half has a store id. For a store of which one half is in memory: that half is
    /// new at every start, so it must not be combined with the half of a store that lasts.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if one of them has a store id.
    pub async fn check_unpaired(&self) -> Result<()> {
        if let Some(database) = self.database.store_id().await? {
            let has_blobs = has_blobs(&*self.backend).await?;
            return Err(Mismatch::NoBackendId {
                database,
                has_blobs,
            }
            .into());
        }
        match self.backend_id().await? {
            Some(backend) => Err(self.no_database_id(backend).await?),
            None => Ok(()),
        }
    }

    /// Fails if the contents of the database were moved to another one.
    async fn check_not_moved(&self) -> Result<()> {
        let Some(portable) = &self.portable else {
            return Ok(());
        };
        match portable.moved_to().await? {
            None => Ok(()),
            Some(to) => Err(Error::new(ErrorKind::Misconfigured, JOIN)
                .with_detail(format!(
                    "this database was moved to {to}, and accepts no writes; start with that database"
                ))
                .into()),
        }
    }

    /// Joins the halves, of which the database had this id.
    async fn try_join(&self, recorded: Option<StoreId>) -> Result<StoreId> {
        match (recorded, self.backend_id().await?) {
            (Some(database), Some(backend)) if database == backend => Ok(backend),
            (Some(database), Some(backend)) => {
                Err(Mismatch::DifferentIds { database, backend }.into())
            }
            (Some(database), None) => Err(Mismatch::NoBackendId {
                database,
                has_blobs: has_blobs(&*self.backend).await?,
            }
            .into()),
            (None, Some(backend)) => self.confirm(backend).await,
            (None, None) => {
                self.check_contents().await?;
                let new = StoreId::mint();
                self.database.propose_store_id(new).await?;
                let created = self.create_in_backend(new).await?;
                self.confirm(created).await
            }
        }
    }

    /// Confirms the id of the backend, if a server on this database has created it.
    async fn confirm(&self, backend: StoreId) -> Result<StoreId> {
        // Read after the id of the backend: a proposal is older than the id that it announces.
        if !self.database.has_proposed_store_id(backend).await? {
            return Err(self.no_database_id(backend).await?);
        }
        // The id may have been read before it was durable.
        self.create_in_backend(backend).await?;
        let database = self.database.confirm_store_id(backend).await?;
        if database != backend {
            // A server on this database and another backend was first.
            return Err(Mismatch::DifferentIds { database, backend }.into());
        }
        tracing::info!(store_id = %backend, "the database and the backend have a store id now");
        Ok(backend)
    }

    /// Checks that halves without ids are both new, or look like a store of version 0.1.
    async fn check_contents(&self) -> Result<()> {
        let rows = self.database.some_rows().await?;
        if rows.is_empty() {
            return reject_blobs(&*self.backend).await;
        }
        let mut missing = 0;
        for id in &rows {
            match self.backend.stat(*id).await {
                // A damaged blob is there.
                Ok(_) => {}
                Err(error) if error.kind() == BackendErrorKind::Corrupt => {}
                Err(error) if error.kind() == BackendErrorKind::NotFound => missing += 1,
                Err(error) => return Err(Error::backend(JOIN, error).into()),
            }
        }
        match (rows.len(), missing) {
            (_, 0) => Ok(()),
            (rows, missing) => Err(Mismatch::RowsWithoutBlobs { rows, missing }.into()),
        }
    }

    async fn no_database_id(&self, backend: StoreId) -> Result<JoinError> {
        let has_rows = !self.database.some_rows().await?.is_empty();
        Ok(Mismatch::NoDatabaseId { backend, has_rows }.into())
    }

    async fn backend_id(&self) -> Result<Option<StoreId>> {
        backend_id(&*self.backend).await
    }

    async fn create_in_backend(&self, id: StoreId) -> Result<StoreId> {
        let created = self.backend.create_store_id(id).await;
        Ok(created.map_err(|error| Error::backend(JOIN, error))?)
    }
}

/// Checks that a backend may get a new database: it must have no store id and no blob. For a database
/// that does not exist yet, before it is created.
///
/// # Errors
///
/// [`Mismatch`] if the backend belongs to a database, which is missing.
pub async fn check_new_database(backend: &Backend) -> Result<()> {
    let inventory = backend.inventory();
    if let Some(backend) = backend_id(&*inventory).await? {
        let has_rows = false;
        return Err(Mismatch::NoDatabaseId { backend, has_rows }.into());
    }
    reject_blobs(&*inventory).await
}

/// Checks that a database may get a new backend: it must have no store id and no row. For a backend that
/// does not exist yet, before it is created.
///
/// # Errors
///
/// [`Mismatch`] if the database belongs to a backend, which is missing.
pub async fn check_new_backend(database: &Database) -> Result<()> {
    let record = &database.store_id;
    if let Some(database) = record.store_id().await? {
        let has_blobs = false;
        return Err(Mismatch::NoBackendId {
            database,
            has_blobs,
        }
        .into());
    }
    match record.some_rows().await?.len() {
        0 => Ok(()),
        rows => Err(Mismatch::RowsWithoutBlobs {
            rows,
            missing: rows,
        }
        .into()),
    }
}

async fn backend_id(backend: &dyn ArtifactInventory) -> Result<Option<StoreId>> {
    let found = backend.store_id().await;
    Ok(found.map_err(|error| Error::backend(JOIN, error))?)
}

/// Rejects a backend with blobs beside a database without rows.
async fn reject_blobs(backend: &dyn ArtifactInventory) -> Result<()> {
    if has_blobs(backend).await? {
        return Err(Mismatch::BlobsWithoutRows.into());
    }
    Ok(())
}

/// Returns whether the backend has a blob. A damaged blob counts.
async fn has_blobs(backend: &dyn ArtifactInventory) -> Result<bool> {
    let first = async { backend.list().await?.try_next().await };
    match first.await {
        Ok(first) => Ok(first.is_some()),
        Err(error) if error.damaged_blob().is_some() => Ok(true),
        Err(error) => Err(Error::backend(JOIN, error).into()),
    }
}
