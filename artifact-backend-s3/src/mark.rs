//! The mark by which a blob of ours, and the very write that made it, is known again.

use std::fmt;

use artifact_backend::{ArtifactId, random};
use object_store::{Attribute, Attributes};

/// Lower-case letters only: Azure's metadata names are identifiers, and the others fold the case.
const KEY: &str = "artifactwriteid";

/// The header of [`KEY`] on Azure, for the one request that `object_store` sends without metadata.
#[cfg(feature = "azure")]
pub(crate) const AZURE_HEADER: &str = "x-ms-meta-artifactwriteid";

/// 128 random bits that stay the same for all attempts of one write, and are in the metadata of what
/// it creates. Whether an object is this write's is decided by them and nothing else: not by its
/// size, nor by its e-tag, which the same bytes of another writer would have too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct WriteId([u8; 16]);

impl WriteId {
    pub(crate) fn new() -> Self {
        Self(random::bytes())
    }

    /// The metadata that carries it.
    pub(crate) fn attributes(self) -> Attributes {
        Attributes::from_iter([(Attribute::Metadata(KEY.into()), self.to_string())])
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The same 32 digits as an id's.
        ArtifactId::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({self})")
    }
}

/// The mark on an object, if there is a well-formed one. Who made the object is not proven by it:
/// whoever may write to the bucket may forge it.
pub(crate) fn of(attributes: &Attributes) -> Option<WriteId> {
    let text = attributes.get(&Attribute::Metadata(KEY.into()))?;
    let id = ArtifactId::from_ascii(text.as_bytes()).ok()?;
    Some(WriteId(*id.as_bytes()))
}
