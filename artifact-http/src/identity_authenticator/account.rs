//! The principals of an identity store: workers and named administrators.

use artifact_store::{
    AdministratorId, CredentialHash, IdentityStore, Principal, Result, StoredCredential, WorkerId,
};

/// A principal whose credential is in the identity store, if it exists.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    Worker(WorkerId),
    Administrator(AdministratorId),
}

/// An account with what is stored of it.
#[derive(Debug)]
pub(super) enum Stored {
    Worker(WorkerId, StoredCredential),
    Administrator(AdministratorId, CredentialHash),
}

impl Account {
    pub(super) fn parse(principal: &str) -> Option<Self> {
        match principal.parse() {
            Ok(id) => Some(Self::Worker(id)),
            Err(_) => principal.parse().ok().map(Self::Administrator),
        }
    }

    /// Returns what is stored, if that is known without waiting.
    pub(super) fn cached(self, identities: &dyn IdentityStore) -> Option<Stored> {
        match self {
            Self::Worker(id) => {
                let stored = identities.cached_credential(id)?;
                Some(Stored::Worker(id, stored))
            }
            Self::Administrator(id) => {
                let hash = identities.cached_administrator_credential(id)?;
                Some(Stored::Administrator(id, hash))
            }
        }
    }

    /// Reads what is stored.
    pub(super) async fn read(self, identities: &dyn IdentityStore) -> Result<Option<Stored>> {
        Ok(match self {
            Self::Worker(id) => {
                let stored = identities.credential(id).await?;
                stored.map(|stored| Stored::Worker(id, stored))
            }
            Self::Administrator(id) => {
                let hash = identities.administrator_credential(id).await?;
                hash.map(|hash| Stored::Administrator(id, hash))
            }
        })
    }
}

impl Stored {
    pub(super) fn hash(&self) -> &CredentialHash {
        match self {
            Self::Worker(_, stored) => &stored.hash,
            Self::Administrator(_, hash) => hash,
        }
    }

    /// Returns the principal, once its secret was verified.
    pub(super) fn into_principal(self) -> Principal {
        match self {
            Self::Administrator(id, _) => Principal::administrator(id),
            Self::Worker(id, stored) => {
                let principal = Principal::worker(id, stored.experiment);
                if stored.in_admins {
                    principal.with_admin_class()
                } else {
                    principal
                }
            }
        }
    }
}
