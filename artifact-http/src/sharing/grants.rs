//! `GET` and `POST /v1/experiments/{E}/artifacts/{A}/grants`, and `DELETE .../grants/{N}`.

use artifact_audit::AuditField;
use artifact_store::{AccessGrant, ArtifactId, GrantId, GrantSubject, MemberId};
use axum::response::Response;
use http::header::LOCATION;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TAG, expiry, location, next, page, sharing};
use crate::endpoint::{Access, Endpoint};
use crate::identity::json_body::{self, present};
use crate::identity::list;
use crate::management::{MAX_KEEP_SECONDS, check_no_parameters};
use crate::openapi::{Answer, Docs, RequestContent, parameters, schemas};
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

/// A grant of an artifact to a worker or a group.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
struct GrantBody<'g> {
    /// The name of the grant in the path that revokes it.
    #[schemars(extend("examples" = [schemas::GRANT]))]
    id: &'g str,
    #[schemars(with = "schemas::ExperimentField")]
    experiment: &'g str,
    /// The id of the artifact.
    #[schemars(extend("examples" = [schemas::ARTIFACT]))]
    artifact: String,
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

impl<'g> GrantBody<'g> {
    fn new(grant: &'g AccessGrant, artifact: ArtifactId) -> Self {
        let (worker, group) = match &grant.grantee {
            MemberId::Worker(id) => (Some(id.as_str()), None),
            MemberId::Group(id) => (None, Some(id.as_str())),
        };
        Self {
            id: grant.id.as_str(),
            experiment: grant.experiment.as_str(),
            artifact: artifact.to_string(),
            worker,
            group,
            created_at: grant.created_at.to_string(),
            created_by: grant.created_by.as_str(),
            expires_at: grant.expires_at.map(|time| time.to_string()),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grants")]
struct GrantsBody<'g> {
    grants: Vec<GrantBody<'g>>,
    /// The value of `after` for the next page, or `null` if this page is the last one.
    #[schemars(extend("examples" = [schemas::GRANT]))]
    next: Option<String>,
}

pub(crate) struct CreateGrant;

impl CreateGrant {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createGrant",
        method: Method::POST,
        path: "/v1/experiments/{E}/artifacts/{A}/grants",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Let a worker or a group read an artifact",
            clauses: &["M-1", "M-2", "S-1", "S-2", "J-1"],
            content: Some(RequestContent::json::<NewGrant>()),
            answers: &[
                Answer::json::<GrantBody<'static>>(201, "The grant, which counts now.")
                    .with_headers(&["Location"]),
            ],
            problems: &[409, 413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
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
        let subject = GrantSubject::Artifact(id);
        let grant = sharing(service)?
            .grant(&principal, &experiment.id, subject, grantee, expires_at)
            .await?;
        parts.is_about(AuditField::Grant, &grant.id);
        let mut response = response::json(StatusCode::CREATED, &GrantBody::new(&grant, id));
        let location = location(parts, grant.id.as_str());
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }
}

pub(crate) struct ListGrants;

impl ListGrants {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listGrants",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts/{A}/grants",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "List the grants of an artifact",
            clauses: &["M-1", "M-2", "S-1", "S-4", "L-2"],
            parameters: &[&parameters::AFTER_ID, &parameters::SHARE_LIMIT],
            answers: &[Answer::json::<GrantsBody<'static>>(
                200,
                "A page of the grants that count now.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
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
        let subject = GrantSubject::Artifact(id);
        let grants = sharing(service)?
            .grants(&principal, &experiment.id, subject, after, limit)
            .await?;
        let body = GrantsBody {
            grants: grants
                .iter()
                .map(|grant| GrantBody::new(grant, id))
                .collect(),
            next: next(limit, grants.len(), grants.last().map(|grant| grant.id)),
        };
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}

pub(crate) struct RevokeGrant;

impl RevokeGrant {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "revokeGrant",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/artifacts/{A}/grants/{N}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Revoke a grant",
            clauses: &["M-1", "M-2", "S-1", "S-3"],
            answers: &[Answer::empty(
                204,
                "The grant counts for no request any more.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
        grant: GrantId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let subject = GrantSubject::Artifact(id);
        sharing(request.service)?
            .revoke_grant(&request.principal, &request.experiment.id, subject, grant)
            .await?;
        Ok(response::empty())
    }
}
