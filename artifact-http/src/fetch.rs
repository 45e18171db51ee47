//! `GET` and `HEAD /v0/experiments/{E}/artifacts?uri=`: returns a deposited file.

use std::sync::Arc;

use artifact_backend::{ArtifactUri, ByteRange};
use artifact_store::{ErrorKind, FileName, Row, authorize};
use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::conditional::{self, Verdict};
use crate::digest_fields::REPR_DIGEST;
use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::{Problem, ProblemType};
use crate::request::AuthorizedRequest;
use crate::router::Service;
use crate::{body, digest_fields, disposition, query, range};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

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
        let grant = authorize(&principal, Arc::clone(&row))?;
        // Before the conditions: a 304 or a HEAD would confirm bytes that no longer exist.
        service.store.check(&grant).await?;

        let etag = format!("\"{}\"", row.sha256);
        let mut headers = artifact_headers(&row, &etag);
        let use_range = match conditional::evaluate(&parts.headers, &etag) {
            Verdict::Failed => {
                let detail = "the artifact is not one that If-Match names";
                return Err(Problem::plain(StatusCode::PRECONDITION_FAILED, detail));
            }
            Verdict::NotModified => return Ok(not_modified(&headers)),
            Verdict::Proceed { use_range } => use_range,
        };
        if parts.method == Method::HEAD {
            // RFC 9110, section 14.2: Range applies only to GET.
            headers.insert(CONTENT_LENGTH, row.size.into());
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
        headers.insert(CONTENT_LENGTH, (sent.end - sent.start).into());
        // A suffix of an empty artifact is all of it, which no Content-Range can express.
        let status = if range == ByteRange::Full || sent.is_empty() {
            StatusCode::OK
        } else {
            let (first, last) = (sent.start, sent.end - 1);
            let content_range = format!("bytes {first}-{last}/{}", row.size);
            headers.insert(CONTENT_RANGE, header_value(&content_range));
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
    let decoded = percent_decode_str(value)
        .decode_utf8()
        .map_err(|_| not_found())?;
    let uri = service.config.uri_prefix.parse(&decoded);
    uri.map_err(|error| not_found().with_source(error))
}

/// Returns the header fields of every successful answer about this artifact.
fn artifact_headers(row: &Row, etag: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, header_value(row.content_type.as_str()));
    let file_name = row.file_name.as_ref().map(FileName::as_str);
    headers.insert(CONTENT_DISPOSITION, disposition::attachment(file_name));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        fixed("default-src 'none'; sandbox"),
    );
    headers.insert(RESOURCE_POLICY, fixed("same-origin"));
    headers.insert(CACHE_CONTROL, fixed("private, no-store"));
    headers.insert(VARY, fixed("Authorization"));
    headers.insert(ETAG, header_value(etag));
    headers.insert(ACCEPT_RANGES, fixed("bytes"));
    // The digest of the whole artifact, also for a range of it.
    headers.insert(REPR_DIGEST, digest_fields::repr_digest(&row.sha256));
    headers
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

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("content types, digests and numbers are visible ASCII")
}
