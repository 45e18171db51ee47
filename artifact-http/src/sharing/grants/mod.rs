//! The endpoints of grants, which are alike for artifacts and collections.

mod of_artifact;
mod of_collection;

use artifact_audit::AuditField;
use artifact_store::{AccessGrant, GrantId, GrantSubject, MemberId};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::of_artifact::{CreateGrant, ListGrants, RevokeGrant};
pub(crate) use self::of_collection::{
    CreateCollectionGrant, ListCollectionGrants, RevokeCollectionGrant,
};
use super::{expiry, location, next, page, sharing};
use crate::identity::json_body::{self, present};
use crate::identity::list;
use crate::management::{MAX_KEEP_SECONDS, check_no_parameters};
use crate::openapi::schemas;
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewGrant {
    /// The worker that may read. Give this or `group`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "schemas::WorkerId")]
    worker: Option<String>,
    /// The group whose direct and nested members may read.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "schemas::GroupId")]
    group: Option<String>,
    /// When the grant ends. Give this or `expires_in`, or neither for a grant that does not end by itself.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "schemas::Time")]
    expires_at: Option<String>,
    /// After how many seconds the grant ends, 1 to 3153600000.
    #[serde(default, deserialize_with = "present")]
    #[schemars(range(min = 1, max = MAX_KEEP_SECONDS), extend("examples" = [604_800]))]
    expires_in: Option<u64>,
}

impl NewGrant {
    fn grantee(&self) -> Result<MemberId, Problem> {
        let invalid = |detail| Problem::bad_request(detail);
        match (&self.worker, &self.group) {
            (Some(worker), None) => worker.parse().map(MemberId::Worker).map_err(|error| {
                invalid("`worker` must be the id of a worker, wkr_...").with_source(error)
            }),
            (None, Some(group)) => group.parse().map(MemberId::Group).map_err(|error| {
                invalid("`group` must be the id of a group, grp_...").with_source(error)
            }),
            _ => Err(invalid("give either `worker` or `group`")),
        }
    }
}

/// What the grants of artifacts and of collections have in common.
#[derive(Serialize, JsonSchema)]
struct GrantTerms<'g> {
    /// The worker that may read, or `null`.
    #[schemars(with = "Option<schemas::WorkerId>")]
    worker: Option<&'g str>,
    /// The group whose members may read, or `null`.
    #[schemars(with = "Option<schemas::GroupId>")]
    group: Option<&'g str>,
    #[schemars(with = "schemas::Time")]
    created_at: String,
    #[schemars(with = "schemas::Principal")]
    created_by: &'g str,
    /// When the grant ends, or `null` if it does not end by itself.
    #[schemars(with = "Option<schemas::Time>")]
    expires_at: Option<String>,
}

impl<'g> GrantTerms<'g> {
    fn new(grant: &'g AccessGrant) -> Self {
        let (worker, group) = match &grant.grantee {
            MemberId::Worker(id) => (Some(id.as_str()), None),
            MemberId::Group(id) => (None, Some(id.as_str())),
        };
        Self {
            worker,
            group,
            created_at: grant.created_at.to_string(),
            created_by: grant.created_by.as_str(),
            expires_at: grant.expires_at.map(|time| time.to_string()),
        }
    }
}

/// Makes the grant that a request asks for. Returns it with the path that revokes it.
async fn create(
    request: AuthorizedRequest<'_>,
    subject: GrantSubject,
) -> Result<(AccessGrant, HeaderValue), Problem> {
    check_no_parameters(&request)?;
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body,
    } = request;
    let new: NewGrant = json_body::read(&parts.headers, body).await?;
    let grantee = new.grantee()?;
    parts.is_about(AuditField::Member, &grantee);
    let expires_at = expiry::time(service, new.expires_at.as_deref(), new.expires_in)?;
    let grant = sharing(service)?
        .grant(&principal, &experiment.id, subject, grantee, expires_at)
        .await?;
    parts.is_about(AuditField::Grant, &grant.id);
    let location = location(parts, grant.id.as_str());
    Ok((grant, location))
}

/// Returns the response to a request that made a grant.
fn created(body: &impl Serialize, location: HeaderValue) -> Response {
    let mut response = response::json(StatusCode::CREATED, body);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Answers with a page of grants. `respond` describes the grants and the position of the next page.
async fn list(
    request: AuthorizedRequest<'_>,
    subject: GrantSubject,
    respond: impl FnOnce(&[AccessGrant], Option<String>) -> Response,
) -> Result<Response, Problem> {
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body: _,
    } = request;
    let (after, limit) = page::<GrantId>(parts)?;
    let permit = service.lists.acquire(&principal)?;
    let grants = sharing(service)?
        .grants(&principal, &experiment.id, subject, after, limit)
        .await?;
    let next = next(limit, grants.len(), grants.last().map(|grant| grant.id));
    Ok(list::hold(respond(&grants, next), permit))
}

async fn revoke(
    request: AuthorizedRequest<'_>,
    subject: GrantSubject,
    grant: GrantId,
) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    sharing(request.service)?
        .revoke_grant(&request.principal, &request.experiment.id, subject, grant)
        .await?;
    Ok(response::empty())
}
