//! Authenticates workers and named administrators by their registration tokens, and `admin` by the admin token.

mod account;
mod hashing;
mod verifier;

use std::fmt;
use std::sync::Arc;

use artifact_backend::{Clock, SystemClock, random};
use artifact_store::{
    AdministratorId, CredentialHash, IdentityStore, Principal, PrincipalId, Timestamp, WorkerId,
};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;

use self::account::Account;
use self::verifier::Verifier;
use crate::admin_token::{self, AdminToken};
use crate::authenticate::{Authenticate, AuthenticateError};
use crate::credential::{Credential, Secret};

/// Authenticates the workers and named administrators of an [`IdentityStore`] by registration token, and `admin` by the
/// admin token.
///
/// - A token has 256 random bits. Only an argon2id hash of it is stored.
/// - A replaced or revoked token is invalid, and a new membership effective, once the request that made the
///   change is answered, also if another process on the same database answered it.
/// - A token is invalid from the time on at which it [expires](CredentialHash::expires_at), by the clock of this process.
///   Its answer is that to a wrong token.
/// - Results are remembered under a keyed hash of the secret, and each only for the stored credential that it
///   was computed with, so argon2 runs once per token and process, not once per request.
/// - A request with a remembered valid secret asks the database only if
///   [`cached_credential`](IdentityStore::cached_credential) (or its counterpart for administrators) has no current
///   credential. Every other
///   request reads the stored credential and the membership of `admins` from it.
/// - At most half of the cores run argon2, and a bounded number of credentials waits for them.
///   Beyond that the answer is [`Busy`](AuthenticateError::Busy). Remembered secrets never wait.
/// - An unknown principal costs the same work as a wrong secret.
///
/// Needs a tokio runtime, whose blocking pool does the work.
pub struct IdentityAuthenticator {
    identities: Arc<dyn IdentityStore>,
    admin: AdminToken,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
    /// Authenticates all requests without a credential of `admin`, of a worker or of a named administrator.
    others: Option<Arc<dyn Authenticate>>,
}

/// A new token and the hash of it to store.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: Secret,
    pub(crate) hash: CredentialHash,
}

impl IdentityAuthenticator {
    /// Creates an authenticator. Computes one hash, which takes about a millisecond.
    pub fn new(identities: Arc<dyn IdentityStore>, admin: AdminToken) -> Self {
        Self {
            identities,
            admin,
            verifier: Verifier::new(),
            clock: Arc::new(SystemClock),
            others: None,
        }
    }

    /// Sets the authenticator of the program's own users, who then share the endpoints with the workers.
    ///
    /// It decides about every request whose `Authorization` is not of the form `Bearer admin:<secret>`,
    /// `Bearer wkr_...:<secret>` or `Bearer adm_...:<secret>` (or the same by HTTP Basic on the paths under `/v1`), for example about one with a JWT or without the field. Without it, such
    /// requests are [`Rejected`](AuthenticateError::Rejected).
    #[must_use = "returns the changed authenticator"]
    pub fn with_others(mut self, others: Arc<dyn Authenticate>) -> Self {
        self.others = Some(others);
        self
    }

    /// Sets the clock by which tokens expire. By default it is the system's.
    #[must_use = "returns the changed authenticator"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Returns whether a stored credential can be valid now. A time that cannot be represented counts as expired.
    fn is_current(&self, hash: &CredentialHash) -> bool {
        hash.expires_at().is_none()
            || Timestamp::try_from(self.clock.now()).is_ok_and(|now| !hash.has_expired(now))
    }

    pub(crate) fn identities(&self) -> &dyn IdentityStore {
        &*self.identities
    }

    pub(crate) fn share_identities(&self) -> Arc<dyn IdentityStore> {
        Arc::clone(&self.identities)
    }

    /// Checks the token of `admin`: those that this server was given, or else those that the database records.
    async fn check_admin(&self, credential: &Credential) -> Result<Principal, AuthenticateError> {
        let identities = &self.identities;
        let known = self.admin.given();
        let known = known.or_else(|| identities.cached_admin_token());
        let expected = if known.is_some() {
            known
        } else {
            let read = identities.admin_token().await;
            let read = read.map_err(|error| AuthenticateError::Unavailable(error.into()))?;
            read.map(|recorded| recorded.valid_tokens())
        };
        if admin_token::matches(credential.secret(), expected, self.clock.now()) {
            Ok(Principal::admin())
        } else {
            Err(AuthenticateError::Rejected)
        }
    }

    /// Creates a token for a worker or an administrator. It is valid once its hash is stored.
    pub(crate) async fn issue(&self, principal: &str) -> Result<Issued, AuthenticateError> {
        let token = Secret::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()));
        let hash = self.verifier.hash(principal, &token).await?;
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
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError> {
        let credential = Credential::from_request(request);
        if let Some(others) = &self.others
            && !credential.as_ref().is_ok_and(is_of_the_store)
        {
            return others.authenticate(request).await;
        }
        let credential = credential?;
        if credential.principal() == PrincipalId::ADMIN {
            return self.check_admin(&credential).await;
        }
        let account = Account::parse(credential.principal());
        if let Some(account) = account
            && let Some(stored) = account.cached(&*self.identities)
            && self
                .verifier
                .remembers(credential.principal(), credential.secret(), stored.hash())
            && self.is_current(stored.hash())
        {
            return Ok(stored.into_principal());
        }
        // A wrong secret of a cached account is read here too, because one of an unknown account is.
        let stored = match account {
            Some(account) => account.read(&*self.identities).await,
            None => Ok(None),
        };
        let stored = stored.map_err(|error| AuthenticateError::Unavailable(error.into()))?;
        // An expired token costs the same work as one of an unknown account.
        let stored = stored.filter(|stored| self.is_current(stored.hash()));
        let hash = stored.as_ref().map(account::Stored::hash);
        let valid = self
            .verifier
            .verify(credential.principal(), credential.secret(), hash)
            .await?;
        match stored {
            Some(stored) if valid => Ok(stored.into_principal()),
            _ => Err(AuthenticateError::Rejected),
        }
    }
}

/// Returns whether a credential claims to be that of `admin`, of a worker or of a named administrator.
fn is_of_the_store(credential: &Credential) -> bool {
    let principal = credential.principal();
    principal == PrincipalId::ADMIN
        || principal.starts_with(WorkerId::PREFIX)
        || principal.parse::<AdministratorId>().is_ok()
}

#[cfg(test)]
mod tests;
