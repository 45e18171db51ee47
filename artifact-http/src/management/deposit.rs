//! `POST /v1/experiments/{E}/artifacts`: stores the body as a file.

use artifact_http_files::{REPR_DIGEST, digest_value};
use axum::extract::OriginalUri;
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::artifact::ArtifactBody;
use super::check_no_parameters;
use crate::deposit::{FileIn, store};
use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs, Links, RequestContent, parameters};
use crate::problem::Problem;
use crate::receipts::WantedReceipt;
use crate::request::AuthorizedRequest;
use crate::response;
use crate::uploads::{begins_by_draft, create_by_draft};

pub(crate) struct DepositContent;

impl DepositContent {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "depositContent",
        method: Method::POST,
        path: "/v1/experiments/{E}/artifacts",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Deposit the body as a file",
            clauses: &[
                "M-1", "M-2", "M-9", "M-10", "M-15", "D-4", "D-6", "D-8", "D-9", "D-11", "D-13",
                "D-14", "M-16", "U-10", "U-11", "R-2",
            ],
            parameters: &[
                &parameters::CONTENT_DISPOSITION,
                &parameters::CONTENT_DIGEST,
                &parameters::REPR_DIGEST,
                &parameters::EXPIRES_IN,
                &parameters::RECEIPT,
                &parameters::IDEMPOTENCY_KEY,
                &parameters::UPLOAD_COMPLETE,
                &parameters::UPLOAD_LENGTH,
                &parameters::INTEROP_VERSION,
            ],
            content: Some(RequestContent::bytes()),
            answers: &[
                Answer::json::<ArtifactBody<'static>>(201, "The file is stored durably. With Upload-Complete: ?0, an upload has begun instead (U-11), without content.")
                    .with_headers(&["Location", "Repr-Digest"])
                    .with_links(Links {
                        member: "id",
                        parameter: "A",
                        operations: &["fetchContent", "readArtifact", "deleteArtifact"],
                    }),
            ],
            problems: &[413, 415, 422, 429, 507],
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        if begins_by_draft(&request.parts.headers) {
            return Box::pin(create_by_draft(request)).await;
        }
        check_no_parameters(&request)?;
        let (service, parts) = (request.service, request.parts);
        check_no_form(parts)?;
        let wanted = WantedReceipt::of(service, &parts.headers)?;
        let row = store(request, FileIn::Content).await?;
        let body = ArtifactBody::new(&row, &service.config.uri_prefix);
        let mut response = response::json(StatusCode::CREATED, &body);
        let headers = response.headers_mut();
        headers.insert(REPR_DIGEST, digest_value(&row.sha256));
        headers.insert(LOCATION, location(parts, &row.id.to_string()));
        wanted.add(service, parts, &row, &mut response);
        Ok(response)
    }
}

/// Refuses a form: its sender probably wants the file inside it to be stored, not the form itself.
pub(crate) fn check_no_form(parts: &Parts) -> Result<(), Problem> {
    let declared = parts.headers.get_all(CONTENT_TYPE).iter();
    let is_form = |value: &HeaderValue| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        essence.is_some_and(|essence| {
            essence
                .trim_ascii()
                .eq_ignore_ascii_case(b"multipart/form-data")
        })
    };
    if !declared.into_iter().any(is_form) {
        return Ok(());
    }
    Err(Problem::plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send the file itself as the body, not a form: curl --data-binary @FILE",
    ))
}

/// Returns the path of what is recorded about the artifact, as the client sees it: with the prefix under which an outer
/// router mounts the endpoints.
fn location(parts: &Parts, id: &str) -> HeaderValue {
    let original = parts.extensions.get::<OriginalUri>();
    let path = original.map_or(parts.uri.path(), |original| original.path());
    let location = HeaderValue::from_str(&format!("{path}/{id}"));
    // The path of a request that was routed has no other characters.
    location.expect("a path and an id are visible ASCII")
}
