//! `GET` and `POST /v1/experiments/{E}/artifacts/{A}/links`, and `DELETE .../links/{K}`.

use std::num::NonZeroU32;

use artifact_audit::AuditField;
use artifact_store::{AccessLink, ArtifactId, LinkId, NewLink, authorize_with};
use axum::response::Response;
use http::header::LOCATION;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TAG, expiry, location, next, page, sharing};
use crate::endpoint::{Access, Endpoint};
use crate::identity::json_body::{self, present};
use crate::identity::list;
use crate::instance;
use crate::management::{MAX_KEEP_SECONDS, check_no_parameters};
use crate::openapi::{Answer, Docs, RequestContent, parameters, schemas};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewLinkBody {
    /// After how many seconds the link ends, 1 to 3153600000.
    #[schemars(range(min = 1, max = MAX_KEEP_SECONDS), extend("examples" = [86_400]))]
    expires_in: u64,
    /// After how many downloads the link ends, 1 to 4294967295. Without it, they are not limited.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "u32", range(min = 1), extend("examples" = [1]))]
    max_downloads: Option<NonZeroU32>,
}

/// A link to an artifact, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Link")]
struct LinkBody<'l> {
    /// The name of the link in the path that revokes it.
    #[schemars(extend("examples" = [schemas::LINK]))]
    id: &'l str,
    #[schemars(with = "schemas::ExperimentField")]
    experiment: &'l str,
    /// The id of the artifact.
    #[schemars(extend("examples" = [schemas::ARTIFACT]))]
    artifact: String,
    #[schemars(with = "schemas::Time")]
    created_at: String,
    #[schemars(with = "schemas::Principal")]
    created_by: &'l str,
    #[schemars(with = "schemas::Time")]
    expires_at: String,
    /// After how many downloads the link ends, or `null` if they are not limited.
    max_downloads: Option<u32>,
    /// How many downloads there were, or `null` if they are not limited and so not counted.
    downloads: Option<u32>,
}

impl<'l> LinkBody<'l> {
    fn new(link: &'l AccessLink) -> Self {
        Self {
            id: link.id.as_str(),
            experiment: link.experiment.as_str(),
            artifact: link.artifact.to_string(),
            created_at: link.created_at.to_string(),
            created_by: link.created_by.as_str(),
            expires_at: link.expires_at.to_string(),
            max_downloads: link.max_downloads.map(NonZeroU32::get),
            downloads: link.max_downloads.map(|_| link.downloads),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedLink")]
struct CreatedLinkBody<'l> {
    #[serde(flatten)]
    link: LinkBody<'l>,
    /// What fetches the artifact without a credential. It is returned only once; the server keeps only a digest of its secret.
    #[schemars(extend("examples" = [schemas::LINK_URL]))]
    url: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Links")]
struct LinksBody<'l> {
    links: Vec<LinkBody<'l>>,
    /// The value of `after` for the next page, or `null` if this page is the last one.
    #[schemars(extend("examples" = [schemas::LINK]))]
    next: Option<String>,
}

pub(crate) struct CreateLink;

impl CreateLink {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createLink",
        method: Method::POST,
        path: "/v1/experiments/{E}/artifacts/{A}/links",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Make a link that fetches an artifact without a credential",
            clauses: &["M-1", "M-2", "S-1", "S-5", "J-1"],
            content: Some(RequestContent::json::<NewLinkBody>()),
            answers: &[Answer::json::<CreatedLinkBody<'static>>(
                201,
                "The link with its URL, which is returned only once.",
            )
            .with_headers(&["Location"])],
            problems: &[409, 413, 415, 507],
            ..Docs::EMPTY
        },
    };

    /// A read policy is asked whether the maker may read. No policy is asked when the link is used.
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
        let body: NewLinkBody = json_body::read(&parts.headers, body).await?;
        let new = NewLink::expiring_in(expiry::period(body.expires_in)?);
        let new = new.with_max_downloads(body.max_downloads);
        if let Some(policy) = &service.config.read_policy {
            let row = service.store.row(&experiment.id, id).await?;
            let _allowed = authorize_with(&**policy, &principal, row).await?;
        }
        let (link, secret) = sharing(service)?
            .create_link(&principal, &experiment.id, id, new)
            .await?;
        parts.is_about(AuditField::Link, &link.id);
        let body = CreatedLinkBody {
            link: LinkBody::new(&link),
            url: instance::link(parts, &service.config, &secret),
        };
        let mut response = response::json(StatusCode::CREATED, &body);
        let location = location(parts, link.id.as_str());
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }
}

pub(crate) struct ListLinks;

impl ListLinks {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listLinks",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts/{A}/links",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "List the links to an artifact, without their secrets",
            clauses: &["M-1", "M-2", "S-1", "S-4", "L-2"],
            parameters: &[&parameters::AFTER_ID, &parameters::SHARE_LIMIT],
            answers: &[Answer::json::<LinksBody<'static>>(
                200,
                "A page of the links that work now.",
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
        let (after, limit) = page::<LinkId>(parts)?;
        let permit = service.lists.acquire(&principal)?;
        let links = sharing(service)?
            .links(&principal, &experiment.id, id, after, limit)
            .await?;
        let body = LinksBody {
            links: links.iter().map(LinkBody::new).collect(),
            next: next(limit, links.len(), links.last().map(|link| link.id)),
        };
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}

pub(crate) struct RevokeLink;

impl RevokeLink {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "revokeLink",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/artifacts/{A}/links/{K}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Revoke a link",
            clauses: &["M-1", "M-2", "S-1", "S-3"],
            answers: &[Answer::empty(
                204,
                "The link works for no request any more.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
        link: LinkId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        sharing(request.service)?
            .revoke_link(&request.principal, &request.experiment.id, id, link)
            .await?;
        Ok(response::empty())
    }
}
