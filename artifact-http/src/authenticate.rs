//! Who is asking: the seam between the endpoints and whatever keeps credentials.

use std::fmt::Debug;

use artifact_backend::BoxError;
use artifact_store::Principal;
use async_trait::async_trait;

use crate::credential::Credential;

/// Decides whose credential it is.
///
/// An embedder with identities of its own implements this. It must do the same work for an unknown
/// principal as for a wrong secret, compare in constant time, and resolve membership of the group
/// `admins` into [`Principal::with_admin_class`].
#[async_trait]
pub trait Authenticate: Debug + Send + Sync + 'static {
    /// The principal of this credential.
    ///
    /// # Errors
    ///
    /// [`Rejected`](AuthenticateError::Rejected) where it is unknown or wrong, which of the two is
    /// not told; [`Unavailable`](AuthenticateError::Unavailable) or
    /// [`Busy`](AuthenticateError::Busy) where that cannot be known now.
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthenticateError>;
}

/// Why a credential was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// Unknown, or wrong. The client is answered 401.
    #[error("the credential is not valid")]
    Rejected,
    /// As many credentials are being checked as may be at once. The client is answered 503; nothing
    /// is wrong with the server.
    #[error("as many credentials are being checked as may be at once")]
    Busy,
    /// It cannot be checked now. The client is answered 503, and the source is logged.
    #[error("the credential cannot be checked now")]
    Unavailable(#[source] BoxError),
}
