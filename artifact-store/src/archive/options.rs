//! The settings of an exporter and of an importer.

use crate::experiment::ExperimentId;

/// The settings of an [`Exporter`](super::Exporter).
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    pub(super) bytes_per_second: Option<u64>,
}

impl ExportOptions {
    /// Sets how many bytes of artifacts are read per second at most. 0 and the default are no limit.
    #[must_use = "returns the changed settings"]
    pub fn with_bytes_per_second(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.bytes_per_second = bytes.into();
        self
    }
}

/// The settings of an [`Importer`](super::Importer).
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    pub(super) bytes_per_second: Option<u64>,
    pub(super) dry_run: bool,
    pub(super) skip_removed: bool,
    pub(super) experiment: Option<ExperimentId>,
}

impl ImportOptions {
    /// Sets how many bytes of artifacts are read per second at most. 0 and the default are no limit.
    #[must_use = "returns the changed settings"]
    pub fn with_bytes_per_second(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.bytes_per_second = bytes.into();
        self
    }

    /// Sets whether the importer only checks the whole archive and the ids in it. A dry run writes nothing. Default: no.
    #[must_use = "returns the changed settings"]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets whether artifacts that were removed from this store are left out. Otherwise the import is refused because of
    /// them. Default: no.
    #[must_use = "returns the changed settings"]
    pub fn with_skip_removed(mut self, skip: bool) -> Self {
        self.skip_removed = skip;
        self
    }

    /// Sets the experiment that the artifacts belong to after the import. Default: that of the archive.
    #[must_use = "returns the changed settings"]
    pub fn with_experiment(mut self, experiment: impl Into<Option<ExperimentId>>) -> Self {
        self.experiment = experiment.into();
        self
    }
}
