//! A request to an endpoint of workers, groups or administrators.

use artifact_store::{DisplayName, Experiment, IdentityStore, Principal, Timestamp};
use serde::de::DeserializeOwned;

use super::json_body;
use crate::concurrency_limiter::Permit;
use crate::head::Head;
use crate::identity_authenticator::IdentityAuthenticator;
use crate::problem::Problem;
use crate::query;
use crate::request::AuthorizedRequest;
use crate::router::Service;

/// An authorized request whose body was read or dropped, with the identities of its router.
#[derive(Debug)]
pub(super) struct IdentityRequest<'s, S = Experiment> {
    service: &'s Service,
    pub(super) authenticator: &'s IdentityAuthenticator,
    pub(super) principal: Principal,
    pub(super) experiment: S,
    pub(super) parts: &'s Head,
}

/// The names that a list is filtered by.
pub(super) enum Filter {
    All,
    Named(DisplayName),
    /// A text that is no display name, so nothing has it.
    Nothing,
}

impl<'s, S> IdentityRequest<'s, S> {
    /// Drops the body.
    pub(super) fn new(request: AuthorizedRequest<'s, S>) -> Result<Self, Problem> {
        // Routers without identities do not have these endpoints.
        let authenticator = request.service.identities.as_deref();
        Ok(Self {
            service: request.service,
            authenticator: authenticator
                .ok_or_else(|| Problem::internal("this router has no identities"))?,
            principal: request.principal,
            experiment: request.experiment,
            parts: request.parts,
        })
    }

    /// Reads the body: one JSON object.
    pub(super) async fn with_json<T: DeserializeOwned>(
        request: AuthorizedRequest<'s, S>,
    ) -> Result<(Self, T), Problem> {
        let value = json_body::read(&request.parts.headers, request.body).await?;
        let request = AuthorizedRequest {
            body: axum::body::Body::empty(),
            ..request
        };
        Ok((Self::new(request)?, value))
    }

    pub(super) fn identities(&self) -> &dyn IdentityStore {
        self.authenticator.identities()
    }

    /// Takes a permit for an answer that may be long.
    pub(super) fn list_permit(&self) -> Result<Permit, Problem> {
        self.service.lists.acquire(&self.principal)
    }

    pub(super) fn now(&self) -> Result<Timestamp, Problem> {
        let now = self.service.store.config().clock().now();
        Timestamp::try_from(now).map_err(|error| {
            Problem::internal("the clock's time is outside of the supported years")
                .with_source(error)
        })
    }

    /// Returns the query, if there is one.
    pub(super) fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    /// Reads the query parameter `name`.
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        let query = self.parts.uri.query().unwrap_or("");
        let Some(value) = query::parameter(query, "name")? else {
            return Ok(Filter::All);
        };
        let name = query::decode_form(value)?.parse();
        Ok(name.map_or(Filter::Nothing, Filter::Named))
    }
}
