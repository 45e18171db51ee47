//! `OPTIONS` of `/v1/experiments/{E}/uploads` and `/v1/experiments/{E}/artifacts`: what the server can do.

use axum::response::Response;
use http::header::ALLOW;
use http::{HeaderValue, Method};

use super::fields::{
    TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION, UPLOAD_LIMIT,
    VERSION,
};
use super::{draft, verify};
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

/// The extensions of tus that this server has.
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration";

pub(crate) struct DescribeUploads;

impl DescribeUploads {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "describeUploads",
        method: Method::OPTIONS,
        path: "/v1/experiments/{E}/uploads",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "uploads",
            summary: "Ask what the server can do with uploads",
            clauses: &["M-1", "M-2", "U-1", "U-9", "U-10"],
            answers: &[Answer::empty(
                204,
                "The versions, extensions and limits of tus, and the limits of the draft.",
            )
            .with_headers(&[
                "Allow",
                "Tus-Resumable",
                "Tus-Version",
                "Tus-Extension",
                "Tus-Max-Size",
                "Tus-Checksum-Algorithm",
                "Upload-Limit",
            ])],
            ..Docs::EMPTY
        },
    };

    #[expect(clippy::unused_async, reason = "all handlers have one signature")]
    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let max_bytes = request.service.store.config().max_artifact_bytes();
        let mut response = response::empty();
        let headers = response.headers_mut();
        headers.insert(TUS_RESUMABLE, VERSION);
        headers.insert(TUS_VERSION, VERSION);
        headers.insert(TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS));
        headers.insert(TUS_MAX_SIZE, max_bytes.into());
        headers.insert(TUS_CHECKSUM_ALGORITHM, verify::ALGORITHMS);
        headers.insert(UPLOAD_LIMIT, draft::limits(max_bytes, None));
        headers.insert(ALLOW, HeaderValue::from_static("OPTIONS, POST"));
        Ok(response)
    }
}

pub(crate) struct DescribeDeposits;

impl DescribeDeposits {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "describeDeposits",
        method: Method::OPTIONS,
        path: "/v1/experiments/{E}/artifacts",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "uploads",
            summary: "Ask whether a deposit can be resumed",
            clauses: &["M-1", "M-2", "U-10"],
            answers: &[
                Answer::empty(204, "The limits of the draft for resumable uploads.")
                    .with_headers(&["Allow", "Upload-Limit"]),
            ],
            ..Docs::EMPTY
        },
    };

    #[expect(clippy::unused_async, reason = "all handlers have one signature")]
    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let max_bytes = request.service.store.config().max_artifact_bytes();
        let mut response = response::empty();
        let headers = response.headers_mut();
        headers.insert(UPLOAD_LIMIT, draft::limits(max_bytes, None));
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
        Ok(response)
    }
}
