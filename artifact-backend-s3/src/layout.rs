//! Object keys. All of them are under the prefix:
//!
//! ```text
//! blobs/<id>                    a blob
//! staging/<id>-<write id>       a large upload in progress, if the provider needs a staging copy
//! staging/probe-<write id>      an object that the probe creates and removes
//! store-id                      the store id; missing until a database is joined to the blobs
//! ```

use artifact_backend::ArtifactId;
use object_store::path::{Path, PathPart};

use crate::write_id::WriteId;

/// The keys under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    blobs: Path,
    staging: Path,
    store_id: Path,
}

impl Layout {
    /// Returns the layout under a prefix that follows the grammar of
    /// [`BucketUrl`](crate::BucketUrl).
    pub(crate) fn new(prefix: &str) -> Self {
        let prefix: Path = prefix.split('/').filter(|name| !name.is_empty()).collect();
        Self {
            blobs: prefix.clone().join("blobs"),
            staging: prefix.clone().join("staging"),
            store_id: prefix.join("store-id"),
        }
    }

    /// Returns the folder of all blobs.
    pub(crate) fn blobs(&self) -> &Path {
        &self.blobs
    }

    /// Returns the folder of all temporary objects.
    pub(crate) fn staging(&self) -> &Path {
        &self.staging
    }

    /// Returns the key of the store id, which no blob key begins with.
    pub(crate) fn store_id(&self) -> &Path {
        &self.store_id
    }

    pub(crate) fn blob(&self, id: ArtifactId) -> Path {
        let text = id.to_string();
        self.blobs.clone().join(PathPart::from(text.as_str()))
    }

    pub(crate) fn staged(&self, id: ArtifactId, write_id: WriteId) -> Path {
        let name = format!("{id}-{write_id}");
        self.staging.clone().join(PathPart::from(name))
    }

    pub(crate) fn probe(&self, write_id: WriteId) -> Path {
        let name = format!("probe-{write_id}");
        self.staging.clone().join(PathPart::from(name))
    }

    /// Returns the id of the blob at `key`, or `None` if it is not a blob key.
    pub(crate) fn id_of(&self, key: &Path) -> Option<ArtifactId> {
        let mut below = key.prefix_match(&self.blobs)?;
        let name = below.next()?;
        if below.next().is_some() {
            return None;
        }
        ArtifactId::from_ascii(name.as_ref().as_bytes()).ok()
    }
}
