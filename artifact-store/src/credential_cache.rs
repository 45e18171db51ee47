//! A cache of stored credentials.

use std::num::NonZeroI64;

use quick_cache::sync::Cache;

use crate::identity::{StoredCredential, WorkerId};

/// The version of all rights in a database: of the credentials of its workers, and of the members of its
/// groups. It is random, and every change of a right replaces it in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RightsVersion(NonZeroI64);

impl RightsVersion {
    /// Returns `None` for 0, which a database without a version returns.
    pub(crate) fn new(number: i64) -> Option<Self> {
        NonZeroI64::new(number).map(Self)
    }
}

/// What a process knows of the rights in a database for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) version: RightsVersion,
    /// Whether there is a quota, of whomever. A change of quotas replaces the version too.
    pub(crate) has_quotas: bool,
}

/// Credentials, each with the version of the rights that it was read with. Those used least are
/// evicted.
#[derive(Debug)]
pub(crate) struct CredentialCache(Cache<WorkerId, (RightsVersion, StoredCredential)>);

impl Default for CredentialCache {
    fn default() -> Self {
        Self(Cache::new(Self::CAPACITY))
    }
}

impl CredentialCache {
    /// A credential takes about 300 bytes and at most 600, so the cache takes up to 20 MiB.
    pub(crate) const CAPACITY: usize = 32 << 10;

    /// Returns the credential of a worker if it has the current version, which is determined only if
    /// a credential is cached.
    pub(crate) fn get(
        &self,
        id: WorkerId,
        current: impl FnOnce() -> Option<RightsVersion>,
    ) -> Option<StoredCredential> {
        let (version, credential) = self.0.get(&id)?;
        (current()? == version).then_some(credential)
    }

    /// Caches a credential that was read together with this version, in one snapshot.
    pub(crate) fn insert(
        &self,
        id: WorkerId,
        version: RightsVersion,
        credential: StoredCredential,
    ) {
        self.0.insert(id, (version, credential));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> StoredCredential {
        let hash = "$argon2id$x".parse().unwrap();
        StoredCredential::new("exp".parse().unwrap(), hash, false)
    }

    #[test]
    fn credentials_of_another_version_are_not_returned() {
        let cache = CredentialCache::default();
        let id = WorkerId::mint();
        let (one, two) = (RightsVersion::new(1), RightsVersion::new(2));
        assert_eq!(cache.get(id, || one), None);
        cache.insert(id, one.unwrap(), credential());
        assert_eq!(cache.get(id, || one), Some(credential()));
        assert_eq!(cache.get(id, || two), None);
        assert_eq!(cache.get(id, || None), None);
        cache.insert(id, two.unwrap(), credential());
        assert_eq!(cache.get(id, || one), None);
        assert_eq!(cache.get(id, || two), Some(credential()));
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = CredentialCache::default();
        let version = RightsVersion::new(1).unwrap();
        for _ in 0..2 * CredentialCache::CAPACITY {
            cache.insert(WorkerId::mint(), version, credential());
        }
        assert!(cache.0.len() <= CredentialCache::CAPACITY);
    }
}
