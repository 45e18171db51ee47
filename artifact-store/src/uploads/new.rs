//! The description of an upload to begin.

use std::time::Duration;

use artifact_backend::Sha256Digest;

use crate::content_type::ContentType;
use crate::experiment::ExperimentId;
use crate::file_name::FileName;

/// A description of an upload session to [create](super::Uploads::create).
#[derive(Debug, Clone)]
pub struct NewUpload {
    pub(super) experiment: ExperimentId,
    pub(super) content_type: ContentType,
    pub(super) file_name: Option<FileName>,
    pub(super) length: Option<u64>,
    pub(super) sha256: Option<Sha256Digest>,
    pub(super) expires_in: Option<Duration>,
}

impl NewUpload {
    /// Describes an upload in an experiment, with the default content type and of unknown length.
    pub fn new(experiment: ExperimentId) -> Self {
        Self {
            experiment,
            content_type: ContentType::default(),
            file_name: None,
            length: None,
            sha256: None,
            expires_in: None,
        }
    }

    /// Sets the content type of the artifact.
    #[must_use = "returns the changed value"]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// Sets the file name of the artifact, or removes it.
    #[must_use = "returns the changed value"]
    pub fn with_file_name(mut self, file_name: impl Into<Option<FileName>>) -> Self {
        self.file_name = file_name.into();
        self
    }

    /// Declares the length of the file in bytes. It never changes. Without it, the length is
    /// [declared](super::Uploads::declare_length) later.
    #[must_use = "returns the changed value"]
    pub fn with_length(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.length = bytes.into();
        self
    }

    /// Sets the SHA-256 that the whole file must have, or removes it. [`complete`](super::Uploads::complete) compares it.
    #[must_use = "returns the changed value"]
    pub fn with_sha256(mut self, sha256: impl Into<Option<Sha256Digest>>) -> Self {
        self.sha256 = sha256.into();
        self
    }

    /// Sets how long the artifact is kept after its creation, or removes the limit; see
    /// [`NewArtifact::with_expires_in`](crate::NewArtifact::with_expires_in). The databases keep whole microseconds of it.
    #[must_use = "returns the changed value"]
    pub fn with_expires_in(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.expires_in = period.into();
        self
    }
}
