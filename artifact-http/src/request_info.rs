//! Facts about a request that may be logged: no secret, and no text that the client chose.

use artifact_store::{ArtifactId, ExperimentId, PrincipalId};

use crate::head::Subject;

/// The route, the principal and the subject of a request; an extension of every response of the
/// [`router`](crate::router()). For access logs: it contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    pub(crate) route: &'static str,
    pub(crate) principal: Option<PrincipalId>,
    /// The name of the endpoint. `None` if the request failed a check before routing.
    pub(crate) endpoint: Option<&'static str>,
    pub(crate) subject: Subject,
}

impl RequestInfo {
    pub(crate) const UNKNOWN: Self = Self {
        route: "-",
        principal: None,
        endpoint: None,
        subject: Subject::NONE,
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

    /// Returns the experiment of the request, if it exists and the credential was valid.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        self.subject.experiment.as_ref()
    }

    /// Returns the id of the artifact that the request is about, or that it stored. There may be no such artifact.
    pub fn artifact(&self) -> Option<ArtifactId> {
        self.subject.artifact
    }
}
