//! The place of a deposit in a collection.

use std::sync::Arc;

use super::catalog::CollectionCatalog;
use super::id::CollectionId;
use super::path::CollectionPath;
use crate::digests::ChunkDigests;
use crate::error::Result;
use crate::row::Row;
use crate::time::Deadline;

/// The collection that a deposit goes to, and its name there.
#[derive(Debug, Clone)]
pub(crate) struct FilePlace {
    pub(super) catalog: Arc<dyn CollectionCatalog>,
    pub(super) collection: CollectionId,
    pub(super) path: CollectionPath,
}

impl FilePlace {
    /// Writes the row and the name.
    pub(crate) async fn insert(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: &Deadline,
    ) -> Result<()> {
        let inserted =
            self.catalog
                .insert_file(self.collection, &self.path, row, digests, Some(deadline));
        inserted.await
    }
}
