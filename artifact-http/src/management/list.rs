//! `GET /v1/experiments/{E}/artifacts`: one page of the artifacts that a filter selects.

use artifact_store::{ExperimentId, RowFilter, RowPage, RowPosition};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::artifact::{ArtifactBody, locations};
use super::managed;
use super::parameters::{Parameters, number};
use crate::endpoint::{Access, Endpoint};
use crate::identity::list;
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

/// The number of artifacts of a page, unless the request says another.
const DEFAULT_LIMIT: u32 = 100;
/// The greatest length of a text to compare with, in bytes: that of a recorded file name or type.
const MAX_TEXT: usize = 255;

/// The parameters of the query.
const PARAMETERS: [&str; 9] = [
    "after",
    "limit",
    "created_by",
    "created_from",
    "created_before",
    "min_size",
    "max_size",
    "content_type",
    "name",
];

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Artifacts")]
struct ListBody<'p> {
    artifacts: Vec<ArtifactBody<'p>>,
    /// How many records were left out because their stored values are invalid.
    unreadable: u64,
    /// The value of `after` for the next page, or `null` if this page is the last one. Opaque.
    #[schemars(extend("examples" = ["17"]))]
    next: Option<String>,
}

pub(crate) struct ListArtifacts;

impl ListArtifacts {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listArtifacts",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "List artifacts",
            clauses: &["M-1", "M-2", "M-3", "L-2"],
            parameters: &[
                &parameters::AFTER,
                &parameters::LIMIT,
                &parameters::CREATED_BY,
                &parameters::CREATED_FROM,
                &parameters::CREATED_BEFORE,
                &parameters::MIN_SIZE,
                &parameters::MAX_SIZE,
                &parameters::CONTENT_TYPE,
                &parameters::NAME_CONTAINS,
            ],
            answers: &[Answer::json::<ListBody<'static>>(
                200,
                "A page of the list.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            parts,
            body: _,
        } = request;
        let query = ListQuery::parse(parts.uri.query(), experiment.id)?;
        let permit = service.lists.acquire(&principal)?;
        let managed = managed(service)?;
        let page = managed
            .list(&principal, query.filter, query.after, query.limit)
            .await?;
        let RowPage {
            rows,
            unreadable,
            next,
            ..
        } = &page;
        let locations = locations(service, &principal, rows).await?;
        let prefix = &service.config.uri_prefix;
        let body = ListBody {
            artifacts: rows
                .iter()
                .map(|row| ArtifactBody::new(row, prefix).located(locations.get(&row.id)))
                .collect(),
            unreadable: *unreadable,
            next: next.map(|next| next.number().to_string()),
        };
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}

/// What the query of a list says.
#[derive(Debug)]
struct ListQuery {
    filter: RowFilter,
    after: RowPosition,
    limit: u32,
}

impl ListQuery {
    fn parse(query: Option<&str>, experiment: ExperimentId) -> Result<Self, Problem> {
        let given = Parameters::parse(query, &PARAMETERS)?;
        let mut filter = RowFilter::of_experiment(experiment);
        let rule = "be `admin`, or the id of a worker or administrator";
        filter.created_by = given.parsed("created_by", rule, |text| text.parse().ok())?;
        filter.created_from = given.time("created_from")?;
        filter.created_before = given.time("created_before")?;
        filter.min_size = given.number("min_size")?;
        filter.max_size = given.number("max_size")?;
        let rule = "be a type such as text/plain or image/*, without parameters";
        filter.content_type = given.parsed("content_type", rule, content_type)?;
        let rule = "have 1 to 255 bytes";
        filter.name_contains = given.parsed("name", rule, |text| {
            (1..=MAX_TEXT)
                .contains(&text.len())
                .then(|| text.to_owned())
        })?;
        let rule = "be the `next` of a page";
        let after = given.parsed("after", rule, number)?;
        let limit = page_limit(&given)?;
        Ok(Self {
            filter,
            after: after.map_or(RowPosition::START, RowPosition::from_number),
            limit,
        })
    }
}

/// Returns the greatest number of records of a page.
pub(crate) fn page_limit(given: &Parameters) -> Result<u32, Problem> {
    Ok(given.limit()?.unwrap_or(DEFAULT_LIMIT))
}

/// Accepts a type and a subtype of visible ASCII.
fn content_type(text: &str) -> Option<String> {
    let (class, subtype) = text.split_once('/')?;
    let is_part = |part: &str| {
        let is_token = |byte: u8| byte.is_ascii_graphic() && !b";,/\"".contains(&byte);
        !part.is_empty() && part.bytes().all(is_token)
    };
    let is_type = text.len() <= MAX_TEXT && is_part(class) && is_part(subtype);
    is_type.then(|| text.to_owned())
}
