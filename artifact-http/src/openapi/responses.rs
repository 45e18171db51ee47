//! Problems by status, and the header fields of responses.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::document::{Generators, reference};
use crate::binding::ErrorPrefix;
use crate::problem::{self, ProblemBody, ProblemType};

/// The problems of every endpoint under an experiment.
pub(super) const COMMON: [u16; 10] = [400, 401, 403, 404, 405, 408, 414, 431, 500, 503];
/// The problems of an endpoint that needs no credential.
pub(super) const WITHOUT_CREDENTIAL: [u16; 6] = [400, 405, 408, 414, 431, 503];

/// A status, what it means, the header field that it always has, and an example: type and detail.
type Row = (
    u16,
    &'static str,
    Option<&'static str>,
    Option<(ProblemType, &'static str)>,
);

#[rustfmt::skip]
const PROBLEMS: [Row; 19] = [
    (400, "The experiment header differs from the path's experiment (E-1), there are two credentials (A-3), the lengths of an upload contradict each other (U-12), or the body, a parameter or the form is malformed or missing.", None, Some((ProblemType::BadRequest, "the body must be multipart/form-data with a boundary"))),
    (401, "The request has no valid credential (A-2).", Some("WWW-Authenticate"), Some((ProblemType::Unauthorized, "a valid credential is needed: Authorization: Bearer <principal>:<secret>"))),
    (403, "The credential is valid, but does not allow this.", None, Some((ProblemType::Forbidden, "this credential does not allow the operation"))),
    (404, "The path, artifact, worker, group, grant, link or administrator does not exist.", None, Some((ProblemType::NotFound, "there is no such path"))),
    (405, "The path does not support the method (C-5).", Some("Allow"), None),
    (408, "The request did not arrive in time.", None, None),
    (409, "The name is reserved (N-3), the change would make a cycle (G-5), the id is in use, a hold is on the artifact (M-6), it has as many grants or links as it can have (S-2, S-5), or the upload has another offset (U-5, U-12).", None, Some((ProblemType::ReservedIdentifier, "the name is reserved"))),
    (412, "The artifact is not one that If-Match names (F-10), or the client speaks another version of tus (U-1).", None, None),
    (413, "The content is larger than the server accepts (D-5).", None, Some((ProblemType::PayloadTooLarge, "an artifact has at most 104857600 bytes here"))),
    (414, "The path and query are too long.", None, None),
    (415, "The media type or content coding is not supported (D-4).", None, None),
    (416, "The range contains no byte of the artifact (F-12).", Some("Content-Range"), None),
    (422, "The display name does not follow its grammar (N-1), or the idempotency key belongs to another deposit (M-15).", None, Some((ProblemType::InvalidName, "the name is not in normalization form C"))),
    (429, "The principal has too many concurrent deposits, fetches or lists (D-13, F-16, L-2, M-16), or too many open uploads (U-3).", Some("Retry-After"), None),
    (431, "The header is too long.", None, None),
    (460, "The content is not what Upload-Checksum says (U-9).", None, Some((ProblemType::ChecksumMismatch, "the content is not what Upload-Checksum says"))),
    (500, "The server has a fault.", None, None),
    (503, "The server cannot do this now; try again (P-4).", Some("Retry-After"), None),
    (507, "The server is out of space or below its minimum of free space, or the deposit does not fit into a quota (M-16).", None, None),
];

/// Returns a reference to the problem of a status.
pub(super) fn problem(status: u16) -> Value {
    reference("responses", &format!("Problem{status}"))
}

/// Returns the problems for the document's components.
pub(super) fn components(generators: &mut Generators) -> Value {
    let schema = generators.answers.subschema_for::<ProblemBody<'static>>();
    let prefix = ErrorPrefix::default();
    let all = PROBLEMS
        .iter()
        .map(|(status, description, header, example)| {
            let title = StatusCode::from_u16(*status).ok();
            let title = title.and_then(|status| status.canonical_reason());
            let title = title.or(example.map(|(kind, _)| kind.title()));
            let (kind, detail) = example.map_or(
                ("about:blank".to_owned(), "what is wrong with the request"),
                |(kind, detail)| (kind.uri(&prefix), detail),
            );
            let example = json!({
                "type": kind,
                "title": title,
                "status": status,
                "detail": detail,
                "instance": "http://127.0.0.1:8080/v0/experiments/default/artifacts",
            });
            let component = json!({
                "description": description,
                "headers": header_references(header.as_slice()),
                "content": { problem::MEDIA_TYPE: { "schema": schema, "example": example } },
            });
            (format!("Problem{status}"), component)
        });
    Value::Object(all.collect::<Map<_, _>>())
}

/// References these header fields, and the one that every response may have.
pub(super) fn header_references(names: &[&str]) -> Value {
    let all = names.iter().chain(&["X-Request-Id"]);
    let all = all.map(|name| ((*name).to_owned(), reference("headers", name)));
    Value::Object(all.collect::<Map<_, _>>())
}

/// Returns the header fields for the document's components.
pub(super) fn headers() -> Value {
    let always = |description: &str, schema: Value| json!({ "description": description, "required": true, "schema": schema });
    let constant = |description, value: &str| always(description, json!({ "const": value }));
    let pattern = |description, pattern: &str| {
        always(description, json!({ "type": "string", "pattern": pattern }))
    };
    json!({
        "X-Request-Id": {
            "description": "The request's own id, or a fresh one; from `artifact serve` (C-8).",
            "required": false,
            "schema": { "type": "string" },
        },
        "WWW-Authenticate": pattern("How to authenticate: `Bearer`, and in a second field `Basic` where that is accepted (A-2, A-9).", "^Bearer"),
        "Allow": always("The methods of the path.", json!({ "type": "string" })),
        "Retry-After": pattern("The number of seconds after which to try again.", "^[0-9]+$"),
        "Location": pattern("The path of what is recorded about the artifact (M-9), the path of the upload (U-2), or the path that revokes the grant or link (S-2, S-5).", "^/"),
        "Referrer-Policy": constant("Keeps the URL from other sites (S-6).", "no-referrer"),
        "Content-Range": pattern("The positions of the range, and the size of the artifact.", r"^bytes ([0-9]+-[0-9]+|\*)/[0-9]+$"),
        "Content-Disposition": pattern("`attachment`, with the recorded file name (F-7).", "^attachment"),
        "X-Content-Type-Options": constant("Disables content sniffing (F-8).", "nosniff"),
        "Content-Security-Policy": constant("Disables scripts and embedding (F-8).", "default-src 'none'; sandbox"),
        "Cross-Origin-Resource-Policy": constant("Keeps the response from other sites (F-8).", "same-origin"),
        "Cache-Control": constant("Keeps the response out of caches (F-8).", "private, no-store"),
        "Vary": constant("The response depends on the principal (F-8).", "Authorization"),
        "Accept-Ranges": constant("Ranges are supported (F-12).", "bytes"),
        "Upload-Offset": pattern("The number of bytes that the server has (U-5).", "^[0-9]+$"),
        "Upload-Complete": pattern("Whether the upload is complete (U-10).", r"^\?[01]$"),
        "Upload-Limit": pattern("The greatest length of a file in bytes, and the seconds until the upload expires (U-10).", "^max-size=[0-9]+(, max-age=[0-9]+)?$"),
        "Tus-Checksum-Algorithm": constant("The algorithms of Upload-Checksum (U-9).", "sha1,sha256"),
        "Upload-Expires": pattern("When the upload expires if nothing is appended (U-7).", " GMT$"),
        "Tus-Resumable": constant("The version of tus (U-1).", "1.0.0"),
        "Tus-Version": constant("The versions of tus (U-1).", "1.0.0"),
        "Tus-Extension": pattern("The extensions of tus (U-1).", "^[a-z,-]+$"),
        "Tus-Max-Size": pattern("The greatest length of a file in bytes (U-1).", "^[0-9]+$"),
        "ETag": pattern("The SHA-256 of the artifact (F-9).", "^\"[0-9a-f]{64}\"$"),
        "Repr-Digest": pattern("RFC 9530, of the whole artifact (D-7, F-9).", "^sha-256=:[A-Za-z0-9+/]{43}=:$"),
    })
}
