//! What an exporter and an importer do.

use artifact_backend::ArtifactId;

use crate::error::Error;
use crate::experiment::ExperimentId;

/// Something that an exporter did, when it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportEvent {
    /// One more artifact, or a chunk of it, was written.
    Progress {
        /// The number of artifacts so far.
        artifacts: u64,
        /// The bytes of artifacts so far.
        bytes: u64,
    },
}

/// What is in a finished archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// The number of artifacts.
    pub artifacts: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// Artifacts that were removed while the archive was written, and are not in it.
    pub removed: u64,
}

/// Something that an importer did or found, when it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportEvent {
    /// The archive has this artifact, and this store cannot take it. Nothing will be imported.
    Refused {
        /// The artifact.
        id: ArtifactId,
        /// Why.
        error: Error,
    },
    /// The artifact was removed from this store, and is left out.
    Skipped {
        /// The artifact.
        id: ArtifactId,
    },
    /// One more artifact, or a chunk of it, was read.
    Progress {
        /// The number of artifacts so far.
        artifacts: u64,
        /// The bytes of artifacts so far.
        bytes: u64,
    },
    /// Everything is stored and checked. The rows are about to become visible.
    Publishing {
        /// The number of rows.
        rows: u64,
    },
}

/// What an importer found, and whether it imported it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// The experiment of the artifacts after the import.
    pub experiment: ExperimentId,
    /// The artifacts in the archive.
    pub artifacts: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// Artifacts that were new here.
    pub new: u64,
    /// Artifacts that were here already, with the same row and the same bytes.
    pub already_here: u64,
    /// Artifacts that were left out because they were removed from this store.
    pub skipped: u64,
    /// Artifacts that this store cannot take. If there is one, nothing was imported.
    pub refused: u64,
}

impl ImportReport {
    /// Returns whether the store can take the whole archive, and has taken it unless that was a dry run.
    pub fn is_good(&self) -> bool {
        self.refused == 0
    }
}
