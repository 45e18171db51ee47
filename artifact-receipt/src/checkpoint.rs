//! Checkpoints: the size and the root of a log.

use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::hash::TreeHash;
use crate::key::{SigningKey, VerifierKey};
use crate::key_name::KeyName;
use crate::note::SignedNote;

/// What a log signs of its tree, by [tlog-checkpoint](https://c2sp.org/tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: KeyName,
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree.
    pub root: TreeHash,
}

impl Checkpoint {
    /// Creates a checkpoint.
    pub fn new(origin: KeyName, size: u64, root: TreeHash) -> Self {
        Self { origin, size, root }
    }

    /// Signs the checkpoint. A log must sign only a tree that it will always have: the leaves must be durable before.
    pub fn sign(&self, key: &SigningKey) -> SignedNote {
        let Self { origin, size, root } = self;
        SignedNote::sign(format!("{origin}\n{size}\n{root}\n"), key)
    }

    /// Verifies a signed checkpoint.
    ///
    /// # Errors
    ///
    /// Those of [`SignedNote::verify`]; `Malformed` if the note is no checkpoint; `OtherLog` if the origin is not the name of the key.
    pub fn verify(note: &SignedNote, keys: &[VerifierKey]) -> Result<Self, ReceiptError> {
        let (text, key) = note.verify(keys)?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin != *key.name() {
            let detail = format!(
                "{} signed a checkpoint of the log {}",
                key.name(),
                checkpoint.origin
            );
            return Err(ReceiptError::new(ReceiptErrorKind::OtherLog, detail));
        }
        Ok(checkpoint)
    }

    /// Parses the text of a checkpoint. Lines after the third are ignored.
    fn parse(text: &str) -> Result<Self, ReceiptError> {
        let malformed = || ReceiptError::malformed("the signed text is no checkpoint");
        let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
        let mut line = || lines.next().ok_or_else(malformed);
        let (origin, size_text, root) = (line()?, line()?, line()?);
        let size: u64 = size_text.parse().map_err(|_| malformed())?;
        let root = TreeHash::parse(root).ok_or_else(malformed)?;
        if size.to_string() != size_text || lines.any(str::is_empty) {
            return Err(malformed());
        }
        let origin = origin.parse().map_err(|_| malformed())?;
        Ok(Self { origin, size, root })
    }
}
