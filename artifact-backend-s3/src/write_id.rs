//! The write id: metadata that identifies our blobs, and the write that created each.

use std::fmt;

use artifact_backend::{ArtifactId, random};
use object_store::{Attribute, Attributes};

/// The metadata name. Lower-case letters only: Azure's metadata names are identifiers, and the other
/// providers fold the case.
const KEY: &str = "artifactwriteid";

/// The header of [`KEY`] on Azure, for the one request that `object_store` sends without metadata.
#[cfg(feature = "azure")]
pub(crate) const AZURE_HEADER: &str = "x-ms-meta-artifactwriteid";

/// 128 random bits that identify one write.
///
/// All attempts of a write use the same id, and the object that they create carries it in its
/// metadata. Only this id decides whether an object comes from this write. Size and e-tag do not:
/// another writer's object with the same bytes would match too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct WriteId([u8; 16]);

impl WriteId {
    pub(crate) fn new() -> Self {
        Self(random::bytes())
    }

    /// Returns the metadata that carries this id.
    pub(crate) fn attributes(self) -> Attributes {
        Attributes::from_iter([(Attribute::Metadata(KEY.into()), self.to_string())])
    }

    /// Returns the write id in an object's metadata, if there is a well-formed one.
    ///
    /// It is not a signature: a client that may write to the bucket can forge it.
    pub(crate) fn of(attributes: &Attributes) -> Option<Self> {
        let text = attributes.get(&Attribute::Metadata(KEY.into()))?;
        let id = ArtifactId::from_ascii(text.as_bytes()).ok()?;
        Some(Self(*id.as_bytes()))
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 32 hexadecimal digits, as an artifact id has.
        ArtifactId::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({self})")
    }
}
