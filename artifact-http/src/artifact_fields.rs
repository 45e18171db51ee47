//! A cache of the header fields of artifacts.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use artifact_http_files::FileFields;
use artifact_store::Row;
use quick_cache::sync::Cache;

/// The fields of artifacts that were answered recently. Rows never change, so entries do not expire.
#[derive(Debug)]
pub(crate) struct ArtifactFieldsCache(Cache<ArtifactId, Arc<FileFields>>);

impl Default for ArtifactFieldsCache {
    fn default() -> Self {
        Self(Cache::new(Self::CAPACITY))
    }
}

impl ArtifactFieldsCache {
    /// An entry takes about 2 KiB, so the cache takes a few MiB.
    const CAPACITY: usize = 2048;

    /// Returns the fields of a row's artifact.
    pub(crate) fn get(&self, row: &Row) -> Arc<FileFields> {
        if let Some(fields) = self.0.get(&row.id) {
            return fields;
        }
        let fields = Arc::new(FileFields::of(row));
        self.0.insert(row.id, Arc::clone(&fields));
        fields
    }
}
