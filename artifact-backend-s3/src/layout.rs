//! Which key belongs to what. Everything of ours is under the prefix:
//!
//! ```text
//! blobs/<id>                    a blob
//! staging/<id>-<write id>       a large upload on its way, where the provider needs a detour
//! staging/probe-<write id>      what the probe creates and removes
//! ```

use artifact_backend::ArtifactId;
use object_store::path::{Path, PathPart};

use crate::mark::WriteId;

/// The keys under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    blobs: Path,
    staging: Path,
}

impl Layout {
    /// The layout under a prefix that keeps the grammar of [`BucketUrl`](crate::BucketUrl).
    pub(crate) fn new(prefix: &str) -> Self {
        let prefix: Path = prefix.split('/').filter(|name| !name.is_empty()).collect();
        Self {
            blobs: prefix.clone().join("blobs"),
            staging: prefix.join("staging"),
        }
    }

    /// Where all blobs are.
    pub(crate) fn blobs(&self) -> &Path {
        &self.blobs
    }

    /// Where all that is on its way is.
    pub(crate) fn staging(&self) -> &Path {
        &self.staging
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

    /// The id of the blob at this key, if a blob of ours can be there.
    pub(crate) fn id_of(&self, key: &Path) -> Option<ArtifactId> {
        let mut below = key.prefix_match(&self.blobs)?;
        let name = below.next()?;
        if below.next().is_some() {
            return None;
        }
        ArtifactId::from_ascii(name.as_ref().as_bytes()).ok()
    }
}
