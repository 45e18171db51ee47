//! How the ids of a tenant are mapped to ids of the shared backend.

use artifact_backend::ArtifactId;
use sha2::{Digest as _, Sha256};

/// The ids of one tenant in the shared backend: 12 bytes of a hash, then the number in 4 bytes, big-endian.
///
/// The hash comes first, because backends divide blobs by the first digits of their ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TenantIds {
    number: [u8; 4],
}

/// The byte whose last bit is 0 in the id of a blob and 1 in the id of the store id.
const KIND: usize = 11;

impl TenantIds {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            number: number.to_be_bytes(),
        }
    }

    fn with_number(self, mut id: [u8; ArtifactId::BYTES]) -> ArtifactId {
        id[KIND + 1..].copy_from_slice(&self.number);
        ArtifactId::from_bytes(id)
    }

    /// Returns the id of a blob in the shared backend.
    pub(crate) fn shared(self, id: ArtifactId) -> ArtifactId {
        let hash = Sha256::new()
            .chain_update(b"artifact tenant v1")
            .chain_update(self.number)
            .chain_update(id.as_bytes())
            .finalize();
        let mut shared = [0; ArtifactId::BYTES];
        shared.copy_from_slice(&hash[..ArtifactId::BYTES]);
        shared[KIND] &= !1;
        self.with_number(shared)
    }

    /// Returns the id of the blob that holds the tenant's store id.
    pub(crate) fn store_id(self) -> ArtifactId {
        let mut shared = [0; ArtifactId::BYTES];
        shared[KIND] = 1;
        self.with_number(shared)
    }

    /// Returns whether this id of the shared backend is that of a blob of this tenant.
    pub(crate) fn is_blob(self, shared: ArtifactId) -> bool {
        let bytes = shared.as_bytes();
        bytes[KIND + 1..] == self.number && bytes[KIND] & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calculated with hashlib of Python. A change would make every stored blob unreachable.
    #[test]
    fn the_mapping_never_changes() {
        let ids = TenantIds::new(0x0102_0304);
        let id = ArtifactId::from_bytes([0x5a; 16]);
        assert_eq!(
            ids.shared(id).to_string(),
            "e4141146e56a20b50c55bfa201020304"
        );
        assert_eq!(
            ids.store_id().to_string(),
            "00000000000000000000000101020304"
        );
    }

    #[test]
    fn no_id_of_a_blob_is_the_id_of_the_store_id_or_of_another_tenant() {
        for number in [0, 1, u32::MAX] {
            let ids = TenantIds::new(number);
            assert!(!ids.is_blob(ids.store_id()));
            for _ in 0..256 {
                let shared = ids.shared(ArtifactId::mint());
                assert!(ids.is_blob(shared));
                assert!(!TenantIds::new(2).is_blob(shared));
            }
        }
    }
}
