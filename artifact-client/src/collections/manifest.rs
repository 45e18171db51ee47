//! The check of a manifest.

use artifact_backend::Sha256Digest;
use sha2::{Digest, Sha256};

use super::model::Manifest;

/// The maximum size of a manifest in bytes: about one million files.
pub(super) const MAX_BYTES: usize = 256 << 20;

impl Manifest {
    /// Computes the digest of the files: the SHA-256 of the lines that `sha256sum` prints for them.
    pub fn digest(&self) -> Sha256Digest {
        let mut hasher = Sha256::new();
        for file in &self.files {
            hasher.update(format!("{}  {}\n", file.sha256, file.name));
        }
        Sha256Digest::from_bytes(hasher.finalize().into())
    }

    /// Returns whether the totals are those of the files.
    pub(super) fn is_consistent(&self) -> bool {
        let bytes = self
            .files
            .iter()
            .fold(0_u64, |bytes, file| bytes.saturating_add(file.size_bytes));
        self.total.files == self.files.len() as u64
            && self.total.size_bytes == bytes
            && self.total.sha256 == self.digest()
    }
}
