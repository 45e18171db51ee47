//! The interface between the endpoints and the store of credentials.

use std::fmt::Debug;

use artifact_backend::BoxError;
use artifact_store::Principal;
use async_trait::async_trait;

use crate::credential::Credential;

/// Verifies credentials.
///
/// Embedders with their own identities implement this. An implementation must do the same work for an
/// unknown principal as for a wrong secret, compare secrets in constant time, and apply
/// [`Principal::with_admin_class`] to members of the group `admins`.
#[async_trait]
pub trait Authenticate: Debug + Send + Sync + 'static {
    /// Returns the principal of a credential.
    ///
    /// # Errors
    ///
    /// [`Rejected`](AuthenticateError::Rejected) if the principal is unknown or the secret wrong;
    /// callers cannot tell which. [`Unavailable`](AuthenticateError::Unavailable) or
    /// [`Busy`](AuthenticateError::Busy) if the credential cannot be checked now.
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthenticateError>;
}

/// The reason why a credential was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// The principal is unknown or the secret wrong. The client gets 401.
    #[error("the credential is not valid")]
    Rejected,
    /// Too many credentials are being checked at once. The client gets 503; the server has no fault.
    #[error("too many credentials are being checked at once")]
    Busy,
    /// The check failed, for example because a database is down. The client gets 503, and the source
    /// is logged.
    #[error("the credential cannot be checked now")]
    Unavailable(#[source] BoxError),
}
