//! The layout version of a root, and how its format marker says it.

use artifact_backend::Result;

use crate::error::misconfigured;

/// More bytes than the marker of any version has.
pub(crate) const MAX_BYTES: usize = 256;

/// The layout of a root, as its marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Version 1: every blob is in `blobs/`.
    Flat,
    /// Version 2, and `blobs/` may still contain blobs. Every fan-out folder exists.
    Migrating,
    /// Version 2.
    FanOut,
}

impl Version {
    const ALL: [Self; 3] = [Self::Flat, Self::Migrating, Self::FanOut];

    /// Returns the content of the marker. A release that knows only version 1 rejects the other two by
    /// the text after the backend's name.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Flat => "artifact-backend-fs 1\n",
            Self::Migrating => "artifact-backend-fs 2 migrating\n",
            Self::FanOut => "artifact-backend-fs 2\n",
        }
    }

    /// Returns the version that a marker says.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if it is another layout.
    pub(crate) fn parse(found: &[u8]) -> Result<Self> {
        let is = |version: &Self| version.text().as_bytes() == found;
        if let Some(version) = Self::ALL.into_iter().find(is) {
            return Ok(version);
        }
        Err(misconfigured(
            if found.starts_with(b"artifact-backend-fs ") {
                "the root has the layout of another version of artifact-backend-fs; use that version, or copy the \
             blobs to a new root"
            } else {
                "the format marker was not written by artifact-backend-fs"
            },
        ))
    }
}
