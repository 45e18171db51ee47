//! `GET` and `HEAD /v0/experiments/{E}/artifacts?uri=`: returns a deposited file.

use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactUri};
use artifact_http_files::{FileBody, Selection, keep_unencoded, unsatisfied_range};
use artifact_store::{
    Error, ErrorKind, Principal, ReadGrant, Row, authorize_shared, authorize_with,
};
use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE};
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::concurrency_limiter::Permit;
use crate::endpoint::{Access, Endpoint};
use crate::head::Head;
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::{Problem, ProblemType};
use crate::query;
use crate::request::AuthorizedRequest;
use crate::router::Service;

/// The fields of every 206; a 200 has all but the first.
const DOCUMENTED_HEADERS: &[&str] = &[
    "Content-Range",
    "Content-Disposition",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Cross-Origin-Resource-Policy",
    "Cache-Control",
    "Vary",
    "Accept-Ranges",
    "ETag",
    "Repr-Digest",
];

/// The answers to a fetch.
pub(crate) const ANSWERS: &[Answer] =
    &answers(DOCUMENTED_HEADERS, &["ETag", "Cache-Control", "Vary"]);

/// Those of [`DOCUMENTED_HEADERS`], and the one of a fetch through a link.
const LINK_HEADERS: &[&str] = &[
    "Content-Range",
    "Content-Disposition",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Cross-Origin-Resource-Policy",
    "Cache-Control",
    "Vary",
    "Accept-Ranges",
    "ETag",
    "Repr-Digest",
    "Referrer-Policy",
];

/// The answers to a fetch through a link.
pub(crate) const LINK_ANSWERS: &[Answer] = &answers(
    LINK_HEADERS,
    &["ETag", "Cache-Control", "Vary", "Referrer-Policy"],
);

const fn answers(
    headers: &'static [&'static str],
    not_modified: &'static [&'static str],
) -> [Answer; 3] {
    [
        Answer::empty(200, "The bytes, with the recorded Content-Type.")
            .with_headers(headers.split_at(1).1)
            .with_content("*/*", any_bytes),
        Answer::empty(206, "The bytes of the range.")
            .with_headers(headers)
            .with_content("*/*", any_bytes),
        Answer::empty(304, "The client already has the artifact.").with_headers(not_modified),
    ]
}

pub(crate) struct Fetch;

impl Fetch {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "fetch",
        method: Method::GET,
        path: "/v0/experiments/{E}/artifacts",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "artifacts",
            summary: "Fetch a file",
            clauses: &[
                "F-1", "F-2", "F-3", "F-4", "F-5", "F-6", "F-7", "F-8", "F-9", "F-10", "F-11",
                "F-12", "F-13", "F-14", "F-15", "F-16",
            ],
            parameters: &[
                &parameters::URI,
                &parameters::RANGE,
                &parameters::IF_MATCH,
                &parameters::IF_NONE_MATCH,
                &parameters::IF_RANGE,
            ],
            answers: ANSWERS,
            problems: &[412, 416, 429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let query = request.parts.uri.query().unwrap_or("");
        let uri = parse_uri(request.service, query)?;
        respond(request, uri.id()).await
    }
}

/// Applies the read rule of this router: its policy, or the built-in rule and the grants.
pub(crate) async fn authorize(
    service: &Service,
    principal: &Principal,
    row: Arc<Row>,
) -> Result<ReadGrant, Problem> {
    let grant = match (&service.config.read_policy, &service.config.sharing) {
        (Some(policy), _) => authorize_with(&**policy, principal, row).await?,
        (None, Some(sharing)) => authorize_shared(sharing, principal, row).await?,
        (None, None) => artifact_store::authorize(principal, row)?,
    };
    Ok(grant)
}

/// Finds an artifact, authorizes the principal, and only then evaluates conditions and ranges: no header field turns a
/// 403 into another status.
pub(crate) async fn respond(
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
    parts.is_about_artifact(id);
    let row = service.store.row(&experiment.id, id).await?;
    let grant = authorize(service, &principal, row).await?;
    let permit = || service.fetches.acquire(&principal);
    deliver(service, parts, &grant, permit, Problem::from).await
}

/// Evaluates the conditions and the range of an authorized request, and returns the bytes. `acquire` takes the permit of a
/// response with content; `fail` turns an error of the store into the answer.
pub(crate) async fn deliver(
    service: &Service,
    parts: &Head,
    grant: &ReadGrant,
    acquire: impl FnOnce() -> Result<Permit, Problem>,
    fail: impl Fn(Error) -> Problem,
) -> Result<Response, Problem> {
    let row = grant.row();
    parts.is_about_artifact(row.id);
    // Before the conditions: a 304 or a HEAD would confirm bytes that no longer exist.
    service.store.check(grant).await.map_err(&fail)?;

    let fields = service.fields.get(row);
    let mut response = match Selection::of(&parts.method, &parts.headers, fields.etag()) {
        Selection::Failed => {
            let detail = "the artifact is not one that If-Match names";
            return Err(Problem::plain(StatusCode::PRECONDITION_FAILED, detail));
        }
        Selection::NotModified => return Ok(fields.not_modified(Body::empty())),
        Selection::Header => fields.whole(Body::empty()),
        Selection::Content(range) => {
            // HEAD, 304 and errors have no content that a slow client could hold.
            let permit = acquire()?;
            let download = service.store.read(grant, range).await;
            let download = download.map_err(|error| match error.kind() {
                ErrorKind::InvalidRange => unsatisfiable(row.size).with_source(error),
                _ => fail(error),
            })?;
            let sent = download.range();
            let body = Body::new(FileBody::new(download, row.id, permit));
            fields.content(range, sent, row.size, body)
        }
    };
    if service.config.below_layers {
        keep_unencoded(&parts.headers, &mut response);
    }
    Ok(response)
}

fn any_bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({})
}

/// Parses the parameter `uri`, which must occur once.
///
/// The value is percent-decoded once and compared exactly. A URI without this deployment's prefix or with a
/// malformed id gets 404 before the catalog or the backend is called.
fn parse_uri(service: &Service, query: &str) -> Result<ArtifactUri, Problem> {
    let value = query::parameter(query, "uri")?
        .ok_or_else(|| Problem::bad_request("the parameter `uri` is missing"))?;
    let not_found = || Problem::new(ProblemType::NotFound, "there is no such artifact");
    // `decode_utf8` lets the text grow byte by byte.
    let mut decoded = Vec::with_capacity(value.len());
    decoded.extend(percent_decode_str(value));
    let decoded = str::from_utf8(&decoded).map_err(|_| not_found())?;
    let uri = service.config.uri_prefix.parse(decoded);
    uri.map_err(|error| not_found().with_source(error))
}

fn unsatisfiable(size: u64) -> Problem {
    let detail = format!("the range contains no byte of an artifact of {size} bytes");
    Problem::plain(StatusCode::RANGE_NOT_SATISFIABLE, detail)
        .with_header(CONTENT_RANGE, unsatisfied_range(size))
        .with_header(ACCEPT_RANGES, HeaderValue::from_static("bytes"))
}
