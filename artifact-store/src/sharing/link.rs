//! The record of a link.

use std::num::NonZeroU32;
use std::time::Duration;

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use crate::experiment::ExperimentId;
use crate::identity::LinkId;
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// Lets everyone who knows its [secret](crate::LinkSecret) read one artifact, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessLink {
    /// The id of the link. It is no secret.
    pub id: LinkId,
    /// The experiment of the artifact.
    pub experiment: ExperimentId,
    /// The artifact.
    pub artifact: ArtifactId,
    /// When the link was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: PrincipalId,
    /// From when on it no longer works.
    pub expires_at: Timestamp,
    /// After how many downloads it no longer works. `None` means that they are not limited.
    pub max_downloads: Option<NonZeroU32>,
    /// The number of downloads so far. They are counted only if they are limited.
    pub downloads: u32,
}

impl AccessLink {
    /// Creates a link without a limit of downloads. The times are truncated to microseconds.
    pub fn new(
        id: LinkId,
        experiment: ExperimentId,
        artifact: ArtifactId,
        created_at: Timestamp,
        created_by: PrincipalId,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            experiment,
            artifact,
            created_at: truncate_to_micros(created_at),
            created_by,
            expires_at: truncate_to_micros(expires_at),
            max_downloads: None,
            downloads: 0,
        }
    }

    /// Sets after how many downloads the link no longer works, and how many there were.
    #[must_use = "returns the changed link"]
    pub fn with_downloads(
        mut self,
        max_downloads: impl Into<Option<NonZeroU32>>,
        downloads: u32,
    ) -> Self {
        self.max_downloads = max_downloads.into();
        self.downloads = downloads;
        self
    }
}

/// What a new link is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewLink {
    pub(crate) expires_in: Duration,
    pub(crate) max_downloads: Option<NonZeroU32>,
}

impl NewLink {
    /// Describes a link that works for this time.
    pub fn expiring_in(period: Duration) -> Self {
        Self {
            expires_in: period,
            max_downloads: None,
        }
    }

    /// Sets after how many downloads the link no longer works (default: not limited).
    #[must_use = "returns the changed description"]
    pub fn with_max_downloads(mut self, max_downloads: impl Into<Option<NonZeroU32>>) -> Self {
        self.max_downloads = max_downloads.into();
        self
    }
}
