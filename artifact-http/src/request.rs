//! A request on its way through the checks: authenticated, then authorized.

use artifact_store::{Experiment, Principal};
use axum::body::Body;

use crate::endpoint::Endpoint;
use crate::head::Head;
use crate::problem::{Problem, ProblemType};
use crate::request_info::RequestInfo;
use crate::router::Service;

/// What a path is about: an experiment that this server hosts, or the [`Deployment`].
pub(crate) trait Scope {
    /// Returns whether a principal may send requests about it at all.
    fn admits(&self, principal: &Principal) -> bool;
}

impl Scope for Experiment {
    fn admits(&self, principal: &Principal) -> bool {
        principal.experiment().is_none_or(|own| *own == self.id)
    }
}

/// The scope of a path that names no experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deployment;

impl Scope for Deployment {
    fn admits(&self, _: &Principal) -> bool {
        true
    }
}

/// A request with a valid credential, and the experiment of its path if it has one.
#[derive(Debug)]
pub(crate) struct AuthenticatedRequest<'s, S = Experiment> {
    pub(crate) service: &'s Service,
    pub(crate) principal: Principal,
    pub(crate) experiment: S,
    pub(crate) parts: &'s Head,
    pub(crate) body: Body,
    pub(crate) info: &'s mut RequestInfo,
}

/// A request that passed every check before the endpoint's own. Only
/// [`AuthenticatedRequest::authorize`] makes one, so no handler can skip the access rule.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) struct AuthorizedRequest<'s, S = Experiment> {
    pub(crate) service: &'s Service,
    pub(crate) principal: Principal,
    pub(crate) experiment: S,
    pub(crate) parts: &'s Head,
    pub(crate) body: Body,
}

impl<'s, S: Scope> AuthenticatedRequest<'s, S> {
    /// Checks the endpoint's access rule. The principal must belong to the experiment and be of an
    /// allowed class.
    pub(crate) fn authorize(
        self,
        endpoint: &Endpoint,
    ) -> Result<AuthorizedRequest<'s, S>, Problem> {
        if !self.service.serves(endpoint) {
            return Err(Problem::no_such_path());
        }
        self.info.route = self.service.template(endpoint);
        self.info.endpoint = Some(endpoint.id);
        if !self.experiment.admits(&self.principal)
            || !endpoint.access.allows(self.principal.class())
        {
            return Err(Problem::new(
                ProblemType::Forbidden,
                "this credential does not allow the operation",
            ));
        }
        Ok(AuthorizedRequest {
            service: self.service,
            principal: self.principal,
            experiment: self.experiment,
            parts: self.parts,
            body: self.body,
        })
    }
}
