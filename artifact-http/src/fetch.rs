//! `GET` and `HEAD /v0/experiments/{E}/artifacts?uri=`: the same file back.

use std::ops::Range;
use std::sync::Arc;

use artifact_backend::{ArtifactUri, ByteRange};
use artifact_store::{Row, authorize};
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::conditional::{self, Verdict};
use crate::gate::Admitted;
use crate::problem::{Problem, Type};
use crate::router::Service;
use crate::{disposition, query, range, verified};

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Finds, authorizes, and only then looks at conditions and ranges: a 403 stays a 403 whatever
/// headers come with it.
pub(crate) async fn fetch(service: &Service, admitted: Admitted) -> Result<Response, Problem> {
    let Admitted {
        principal,
        experiment,
        parts,
        body: _,
    } = admitted;
    let uri = uri_of(service, parts.uri.query().unwrap_or(""))?;
    let row = service.store.row(&experiment.id, uri.id()).await?;
    let grant = authorize(&principal, Arc::clone(&row))?;

    let etag = format!("\"{}\"", row.sha256);
    let fields = fields(&row, &etag);
    let use_range = match conditional::evaluate(&parts.headers, &etag) {
        Verdict::Failed => {
            let detail = "the artifact is not the one that If-Match names";
            return Err(Problem::plain(StatusCode::PRECONDITION_FAILED, detail));
        }
        Verdict::NotModified => return Ok(not_modified(&fields)),
        Verdict::Proceed { range } => range,
    };
    let head = parts.method == Method::HEAD;
    // RFC 9110, section 14.2: Range is for GET alone.
    let asked = if head || !use_range {
        None
    } else {
        range::parse(&parts.headers)
    };
    let asked = match asked {
        Some(asked) => asked
            .resolve(row.size)
            .map(Some)
            .map_err(|_| unsatisfiable(row.size))?,
        None => None,
    };
    // A suffix of an empty artifact is all of it, and no Content-Range can say so.
    let asked = asked.filter(|range| range.start < range.end);

    let (status, wanted) = match &asked {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        None => (StatusCode::OK, 0..row.size),
    };
    let body = if head {
        Body::empty()
    } else {
        verified::body(
            service
                .store
                .read(&grant, byte_range(&wanted, row.size))
                .await?,
            row.id,
        )
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let to = response.headers_mut();
    *to = fields;
    to.insert(CONTENT_LENGTH, (wanted.end - wanted.start).into());
    if asked.is_some() {
        let (first, last) = (wanted.start, wanted.end - 1);
        to.insert(
            CONTENT_RANGE,
            text(&format!("bytes {first}-{last}/{}", row.size)),
        );
    }
    Ok(response)
}

fn byte_range(wanted: &Range<u64>, size: u64) -> ByteRange {
    if *wanted == (0..size) {
        ByteRange::Full
    } else {
        ByteRange::FromTo {
            first: wanted.start,
            last: wanted.end - 1,
        }
    }
}

/// The one parameter `uri`, percent-decoded once and then compared letter for letter. What is not
/// ours is not found, and nothing further down is asked about it.
fn uri_of(service: &Service, query: &str) -> Result<ArtifactUri, Problem> {
    let value = query::parameter(query, "uri")?
        .ok_or_else(|| Problem::bad_request("the parameter `uri` is missing"))?;
    let not_found = || Problem::new(Type::NotFound, "there is no such artifact");
    let decoded = percent_decode_str(value)
        .decode_utf8()
        .map_err(|_| not_found())?;
    service
        .config
        .uri_prefix
        .parse(&decoded)
        .map_err(|error| not_found().with_source(error))
}

/// What every answer about this artifact carries.
fn fields(row: &Row, etag: &str) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(16);
    let fixed = HeaderValue::from_static;
    fields.insert(CONTENT_TYPE, text(row.content_type.as_str()));
    let file_name = row.file_name.as_ref().map(artifact_store::FileName::as_str);
    fields.insert(CONTENT_DISPOSITION, disposition::attachment(file_name));
    fields.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    fields.insert(
        CONTENT_SECURITY_POLICY,
        fixed("default-src 'none'; sandbox"),
    );
    fields.insert(RESOURCE_POLICY, fixed("same-origin"));
    fields.insert(CACHE_CONTROL, fixed("private, no-store"));
    fields.insert(VARY, fixed("Authorization"));
    fields.insert(ETAG, text(etag));
    fields.insert(ACCEPT_RANGES, fixed("bytes"));
    // RFC 9530: of the whole artifact, also where a part of it is sent.
    let digest = STANDARD.encode(row.sha256.as_bytes());
    fields.insert(REPR_DIGEST, text(&format!("sha-256=:{digest}:")));
    fields
}

/// RFC 9110, section 15.4.5: the fields that a 200 would have had, without those of a content.
fn not_modified(fields: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    for name in [CACHE_CONTROL, ETAG, VARY] {
        if let Some(value) = fields.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn unsatisfiable(size: u64) -> Problem {
    let detail = format!("the range holds no byte of an artifact of {size} bytes");
    Problem::plain(StatusCode::RANGE_NOT_SATISFIABLE, detail)
        .with_header(CONTENT_RANGE, text(&format!("bytes */{size}")))
        .with_header(ACCEPT_RANGES, HeaderValue::from_static("bytes"))
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("content types, digests and numbers are visible ASCII")
}
