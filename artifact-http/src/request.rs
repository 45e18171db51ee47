//! A request on its way through the checks: authenticated, then authorized.

use artifact_store::{Experiment, Principal};
use axum::body::Body;
use http::request::Parts;

use crate::endpoint::Endpoint;
use crate::problem::{Problem, ProblemType};
use crate::request_info::RequestInfo;
use crate::router::Service;

/// A request with a valid credential whose experiment this server hosts.
#[derive(Debug)]
pub(crate) struct AuthenticatedRequest<'s> {
    pub(crate) service: &'s Service,
    pub(crate) principal: Principal,
    pub(crate) experiment: Experiment,
    pub(crate) parts: &'s Parts,
    pub(crate) body: Body,
    pub(crate) info: &'s mut RequestInfo,
}

/// A request that passed every check before the endpoint's own. Only
/// [`AuthenticatedRequest::authorize`] makes one, so no handler can skip the access rule.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) struct AuthorizedRequest<'s> {
    pub(crate) service: &'s Service,
    pub(crate) principal: Principal,
    pub(crate) experiment: Experiment,
    pub(crate) parts: &'s Parts,
    pub(crate) body: Body,
}

impl<'s> AuthenticatedRequest<'s> {
    /// Checks the endpoint's access rule. The principal must belong to the experiment and be of an
    /// allowed class.
    pub(crate) fn authorize(self, endpoint: &Endpoint) -> Result<AuthorizedRequest<'s>, Problem> {
        if !self.service.serves(endpoint) {
            return Err(Problem::no_such_path());
        }
        self.info.route = self.service.template(endpoint);
        let is_member = self
            .principal
            .experiment()
            .is_none_or(|own| *own == self.experiment.id);
        if !is_member || !endpoint.access.allows(self.principal.class()) {
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
