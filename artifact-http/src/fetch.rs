//! `GET` and `HEAD /v0/experiments/{E}/artifacts?uri=`: returns a deposited file.

use std::sync::Arc;

use artifact_backend::{ArtifactUri, ByteRange};
use artifact_store::{ErrorKind, authorize, authorize_with};
use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::artifact_fields::header_value;
use crate::conditional::{self, Verdict};
use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::{Problem, ProblemType};
use crate::request::AuthorizedRequest;
use crate::router::Service;
use crate::{body, query, range};

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
            answers: &[
                Answer::empty(200, "The bytes, with the recorded Content-Type.")
                    .with_headers(DOCUMENTED_HEADERS.split_at(1).1)
                    .with_content("*/*", any_bytes),
                Answer::empty(206, "The bytes of the range.")
                    .with_headers(DOCUMENTED_HEADERS)
                    .with_content("*/*", any_bytes),
                Answer::empty(304, "The client already has the artifact.").with_headers(&[
                    "ETag",
                    "Cache-Control",
                    "Vary",
                ]),
            ],
            problems: &[412, 416, 429],
            ..Docs::EMPTY
        },
    };

    /// Finds the artifact, authorizes the principal, and only then evaluates conditions and ranges:
    /// no header field turns a 403 into another status.
    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            parts,
            body: _,
        } = request;
        let uri = parse_uri(service, parts.uri.query().unwrap_or(""))?;
        let row = service.store.row(&experiment.id, uri.id()).await?;
        let grant = match &service.config.read_policy {
            None => authorize(&principal, Arc::clone(&row))?,
            Some(policy) => authorize_with(&**policy, &principal, Arc::clone(&row)).await?,
        };
        // Before the conditions: a 304 or a HEAD would confirm bytes that no longer exist.
        service.store.check(&grant).await?;

        let fields = service.fields.get(&row);
        let mut headers = fields.headers();
        let use_range = match conditional::evaluate(&parts.headers, fields.etag()) {
            Verdict::Failed => {
                let detail = "the artifact is not one that If-Match names";
                return Err(Problem::plain(StatusCode::PRECONDITION_FAILED, detail));
            }
            Verdict::NotModified => return Ok(not_modified(&headers)),
            Verdict::Proceed { use_range } => use_range,
        };
        if parts.method == Method::HEAD {
            // RFC 9110, section 14.2: Range applies only to GET.
            return Ok(respond(StatusCode::OK, headers, Body::empty()));
        }

        let range = if use_range {
            range::parse(&parts.headers).unwrap_or_default()
        } else {
            ByteRange::Full
        };
        // HEAD, 304 and errors have no content that a slow client could hold.
        let permit = service.fetches.acquire(&principal)?;
        let download = service.store.read(&grant, range).await;
        let download = download.map_err(|error| match error.kind() {
            ErrorKind::InvalidRange => unsatisfiable(row.size).with_source(error),
            _ => error.into(),
        })?;
        let sent = download.range();
        // A suffix of an empty artifact is all of it, which no Content-Range can express.
        let status = if range == ByteRange::Full || sent.is_empty() {
            StatusCode::OK
        } else {
            let (first, last) = (sent.start, sent.end - 1);
            let content_range = format!("bytes {first}-{last}/{}", row.size);
            headers.insert(CONTENT_RANGE, header_value(&content_range));
            headers.insert(CONTENT_LENGTH, (sent.end - sent.start).into());
            StatusCode::PARTIAL_CONTENT
        };
        Ok(respond(
            status,
            headers,
            body::stream(download, row.id, permit),
        ))
    }
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

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// 304 with the fields that RFC 9110, section 15.4.5 wants from the 200.
fn not_modified(headers: &HeaderMap) -> Response {
    let wanted = [CACHE_CONTROL, ETAG, VARY].into_iter();
    let kept = wanted.filter_map(|name| {
        let value = headers.get(&name)?.clone();
        Some((name, value))
    });
    respond(StatusCode::NOT_MODIFIED, kept.collect(), Body::empty())
}

fn unsatisfiable(size: u64) -> Problem {
    let detail = format!("the range contains no byte of an artifact of {size} bytes");
    Problem::plain(StatusCode::RANGE_NOT_SATISFIABLE, detail)
        .with_header(CONTENT_RANGE, header_value(&format!("bytes */{size}")))
        .with_header(ACCEPT_RANGES, HeaderValue::from_static("bytes"))
}
