//! Workers by their registration tokens, and the administrator by its own.

mod two_generation_set;
mod hashing;
mod verifier;

use std::fmt;
use std::sync::Arc;

use artifact_backend::random;
use artifact_store::{CredentialHash, IdentityStore, Principal, PrincipalId, WorkerId};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::verifier::Verifier;
use crate::admin_token::AdminToken;
use crate::authenticate::{Authenticate, AuthenticateError};
use crate::credential::{Credential, Secret};

/// Accepts the workers of a [`IdentityStore`] by their registration tokens, and `admin` by one token.
///
/// - A token is 256 random bits. What is stored of it is an argon2id hash.
/// - Each request of a worker reads its stored credential anew, with whether it is in `admins`: one
///   read of the database. A replaced token is dead, and a membership counts, from the next request
///   on, whichever process on the same database changed it.
/// - Whether a secret is right is remembered under a keyed hash of it and of the stored credential
///   together, so argon2 runs once for a token in a process, not once a request.
/// - At most half of the cores compute argon2, and a bounded number of credentials waits for them.
///   One more is [`Busy`](AuthenticateError::Busy). What is remembered waits for nobody.
/// - An unknown worker costs the same work as a wrong secret.
///
/// It runs in a tokio runtime, whose blocking pool does the work.
pub struct IdentityAuthenticator {
    identities: Arc<dyn IdentityStore>,
    admin: AdminToken,
    verifier: Verifier,
}

/// A token that was just made, and what is stored of it.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: Secret,
    pub(crate) hash: CredentialHash,
}

impl IdentityAuthenticator {
    /// An authenticator for the workers of this identities and this administrator. Computes one hash,
    /// which takes about a millisecond.
    pub fn new(identities: Arc<dyn IdentityStore>, admin: AdminToken) -> Self {
        Self {
            identities,
            admin,
            verifier: Verifier::new(),
        }
    }

    /// Who there is.
    pub(crate) fn identities(&self) -> &dyn IdentityStore {
        &*self.identities
    }

    /// Makes a token for a worker. It counts once its hash is written.
    pub(crate) async fn issue(&self, worker: WorkerId) -> Result<Issued, AuthenticateError> {
        let token = Secret::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()));
        let hash = self.verifier.hash(worker.as_str(), &token).await?;
        Ok(Issued { token, hash })
    }
}

impl fmt::Debug for IdentityAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityAuthenticator")
            .field("identities", &self.identities)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Authenticate for IdentityAuthenticator {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthenticateError> {
        if credential.principal() == PrincipalId::ADMIN {
            return self.admin.authenticate(credential).await;
        }
        let id = credential.principal().parse::<WorkerId>().ok();
        let stored = match id {
            Some(id) => self.identities.credential(id).await,
            None => Ok(None),
        };
        let stored = stored.map_err(|error| AuthenticateError::Unavailable(error.into()))?;
        let hash = stored.as_ref().map(|stored| &stored.hash);
        let right = self
            .verifier
            .verify(credential.principal(), credential.secret(), hash)
            .await?;
        match (id, stored) {
            (Some(id), Some(stored)) if right => {
                let principal = Principal::worker(id, stored.experiment);
                Ok(if stored.in_admins {
                    principal.with_admin_class()
                } else {
                    principal
                })
            }
            _ => Err(AuthenticateError::Rejected),
        }
    }
}
