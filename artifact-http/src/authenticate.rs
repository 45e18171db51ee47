//! The interface between the endpoints and the identities of a program.

use std::fmt::Debug;

use artifact_backend::BoxError;
use artifact_store::Principal;
use async_trait::async_trait;
use http::request::Parts;

/// Finds out which principal sent a request.
///
/// Embedders with their own identities implement this. Any kind of credential will do: a signed token, a
/// session cookie, an API key, or a client certificate that a layer left in the extensions.
/// [`bearer_token`](crate::bearer_token) and [`Credential::from_headers`](crate::Credential::from_headers) read
/// the field `Authorization`.
///
/// An implementation must do the same work for an unknown principal as for a wrong secret, compare secrets in
/// constant time, and apply [`Principal::with_admin_class`] to principals that may read every artifact of
/// their experiment. Principals that are not workers of this store are made by [`Principal::external`].
#[async_trait]
pub trait Authenticate: Debug + Send + Sync + 'static {
    /// Returns the principal that sent a request.
    ///
    /// Called once for each request on a protected path, known or unknown, before any other check. `request`
    /// has the method, URI, header fields and extensions, as the layers around the router left them. A nested
    /// router removes its prefix from the URI; the extension `axum::extract::OriginalUri` has the whole one. A
    /// request with more than one `Authorization` field gets 400 before this call, and the value of that field
    /// is marked as sensitive, so that `Debug` does not show it.
    ///
    /// Do not accept a secret in the query: URLs are logged and shared.
    ///
    /// # Errors
    ///
    /// [`Rejected`](AuthenticateError::Rejected) if there is no valid credential; callers cannot tell why it is
    /// not valid. [`Unavailable`](AuthenticateError::Unavailable) or [`Busy`](AuthenticateError::Busy) if the
    /// credential cannot be checked now.
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError>;
}

/// The reason why a credential was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// There is no credential, it has the wrong form, the principal is unknown, or the secret is wrong. The
    /// client gets 401.
    #[error("the credential is not valid")]
    Rejected,
    /// The request has more than one credential. The client gets 400.
    #[error("the request has more than one Authorization header")]
    MultipleCredentials,
    /// Too many credentials are being checked at once. The client gets 503; the server has no fault.
    #[error("too many credentials are being checked at once")]
    Busy,
    /// The check failed, for example because a database is down. The client gets 503, and the source
    /// is logged.
    #[error("the credential cannot be checked now")]
    Unavailable(#[source] BoxError),
}
