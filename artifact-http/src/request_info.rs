//! Facts about a request that may be logged: no secret, and no text that the client chose.

use artifact_store::PrincipalId;

/// The route and the principal of a request; an extension of every response of the
/// [`router`](crate::router()). For access logs: it contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    pub(crate) route: &'static str,
    pub(crate) principal: Option<PrincipalId>,
}

impl RequestInfo {
    pub(crate) const UNKNOWN: Self = Self {
        route: "-",
        principal: None,
    };

    /// Returns the template of the path, such as `/v0/experiments/{E}/artifacts`, with the configured base
    /// path. Returns `-` if
    /// the path is unknown or the request failed a check before routing.
    pub fn route(&self) -> &'static str {
        self.route
    }

    /// Returns the principal whose credential was verified, or `None` if there was no valid one.
    pub fn principal(&self) -> Option<&PrincipalId> {
        self.principal.as_ref()
    }
}
