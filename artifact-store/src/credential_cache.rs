//! A cache of stored credentials.

use std::hash::Hash;
use std::num::NonZeroI64;

use quick_cache::sync::Cache;

use crate::admin_token::ValidAdminTokens;
use crate::identity::{AdministratorId, CredentialHash, StoredCredential, WorkerId};

/// The version of all rights in a database: of the credentials of its workers and administrators, of its admin token, and of
/// the members of its groups. It is random, and every change of a right replaces it in the same transaction.
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
    /// Whether any quota is set. A change of quotas replaces the version too.
    pub(crate) has_quotas: bool,
}

/// Credentials, each with the version of the rights that it was read with. Those used least are
/// evicted.
#[derive(Debug)]
pub(crate) struct CredentialCache<I, C>(Cache<I, (RightsVersion, C)>);

/// The credentials of workers and of administrators.
#[derive(Debug)]
pub(crate) struct CredentialCaches {
    pub(crate) workers: CredentialCache<WorkerId, StoredCredential>,
    pub(crate) administrators: CredentialCache<AdministratorId, CredentialHash>,
    /// There is one entry at most.
    pub(crate) admin_token: CredentialCache<(), ValidAdminTokens>,
}

impl CredentialCaches {
    /// A credential takes about 300 bytes and at most 600, so those of workers take up to 20 MiB.
    pub(crate) const WORKERS: usize = 32 << 10;
    pub(crate) const ADMINISTRATORS: usize = 1 << 10;
}

impl Default for CredentialCaches {
    fn default() -> Self {
        Self {
            workers: CredentialCache(Cache::new(Self::WORKERS)),
            administrators: CredentialCache(Cache::new(Self::ADMINISTRATORS)),
            admin_token: CredentialCache(Cache::new(8)),
        }
    }
}

impl<I: Copy + Eq + Hash, C: Clone> CredentialCache<I, C> {
    /// Returns the credential of a principal if it has the current version, which is determined only if
    /// a credential is cached.
    pub(crate) fn get(&self, id: I, current: impl FnOnce() -> Option<RightsVersion>) -> Option<C> {
        let (version, credential) = self.0.get(&id)?;
        (current()? == version).then_some(credential)
    }

    /// Caches a credential that was read together with this version, in one snapshot.
    pub(crate) fn insert(&self, id: I, version: RightsVersion, credential: C) {
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
        let cache = CredentialCaches::default().workers;
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
        let caches = CredentialCaches::default();
        let version = RightsVersion::new(1).unwrap();
        for _ in 0..2 * CredentialCaches::WORKERS {
            caches
                .workers
                .insert(WorkerId::mint(), version, credential());
            let id = AdministratorId::mint();
            caches.administrators.insert(id, version, credential().hash);
        }
        assert!(caches.workers.0.len() <= CredentialCaches::WORKERS);
        assert!(caches.administrators.0.len() <= CredentialCaches::ADMINISTRATORS);
    }
}
