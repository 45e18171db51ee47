//! `GET` and `POST /v1/experiments/{E}/collections`.

use artifact_audit::AuditField;
use artifact_store::{CollectionPosition, DisplayName};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::CollectionBody;
use super::collections;
use crate::endpoint::{Access, Endpoint};
use crate::identity::{json_body, list};
use crate::management::{Parameters, check_no_parameters, page_limit};
use crate::openapi::{Answer, Docs, Links, RequestContent, parameters, schemas};
use crate::problem::{Problem, ProblemType};
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Collections")]
struct CollectionsBody<'c> {
    collections: Vec<CollectionBody<'c>>,
    /// The value of `after` for the next page, or `null` if this page is the last one. Opaque.
    #[schemars(extend("examples" = [null]))]
    next: Option<String>,
}

/// A new collection.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewCollection {
    /// A label for people.
    #[serde(default, deserialize_with = "json_body::present")]
    #[schemars(with = "schemas::DisplayName")]
    title: Option<String>,
}

pub(crate) struct CreateCollection;

impl CreateCollection {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createCollection",
        method: Method::POST,
        path: "/v1/experiments/{E}/collections",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Create a collection",
            clauses: &["M-1", "M-2", "K-1", "K-2", "J-1", "N-1"],
            content: Some(RequestContent::optional_json::<NewCollection>()),
            answers: &[
                Answer::json::<CollectionBody<'static>>(201, "The collection.").with_links(Links {
                    member: "id",
                    parameter: "C",
                    operations: &["readCollection", "listFiles", "sealCollection"],
                }),
            ],
            problems: &[413, 415, 422, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            parts,
            body,
        } = request;
        let NewCollection { title } = json_body::read(&parts.headers, body).await?;
        let title = title.map(|title| title.parse::<DisplayName>()).transpose();
        let title = title.map_err(|error| {
            Problem::new(ProblemType::InvalidName, error.to_string()).with_source(error)
        })?;
        let created = collections(service)?
            .create(&principal, &experiment.id, title)
            .await?;
        parts.is_about(AuditField::Collection, &created.id);
        let body = CollectionBody::new(&created);
        Ok(response::json(StatusCode::CREATED, &body))
    }
}

pub(crate) struct ListCollections;

impl ListCollections {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listCollections",
        method: Method::GET,
        path: "/v1/experiments/{E}/collections",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "List collections",
            clauses: &["M-1", "M-2", "K-3"],
            parameters: &[
                &parameters::AFTER_COLLECTION,
                &parameters::LIMIT,
                &parameters::CREATED_BY,
            ],
            answers: &[Answer::json::<CollectionsBody<'static>>(
                200,
                "A page of the list, the oldest first.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let given =
            Parameters::parse(request.parts.uri.query(), &["after", "limit", "created_by"])?;
        let rule = "be the `next` of a page";
        let after = given.parsed("after", rule, |text| text.parse().ok())?;
        let rule = "be `admin`, or the id of a worker";
        let owner = given.parsed("created_by", rule, |text| text.parse().ok())?;
        let limit = page_limit(&given)?;
        let (service, principal) = (request.service, &request.principal);
        let permit = service.lists.acquire(principal)?;
        let after = after.unwrap_or(CollectionPosition::START);
        let listed =
            collections(service)?.list(principal, &request.experiment.id, owner, after, limit);
        let listed = listed.await?;
        let is_full = listed.len() == limit as usize;
        let next = listed.last().filter(|_| is_full);
        let body = CollectionsBody {
            next: next.map(|last| last.position().to_string()),
            collections: listed.iter().map(CollectionBody::new).collect(),
        };
        Ok(list::hold(response::json(StatusCode::OK, &body), permit))
    }
}
