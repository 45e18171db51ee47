//! `PUT /v1/experiments/{E}/collections/{C}/files/{F}`: stores the body under a name that was not given before.

use artifact_http_files::{REPR_DIGEST, digest_value};
use artifact_store::{CollectionFile, CollectionId, ContentType};
use axum::response::Response;
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode};

use super::bodies::FileBody;
use super::{NameInPath, collections};
use crate::deposit::{Target, store_in};
use crate::endpoint::{Access, Endpoint};
use crate::management::{check_no_form, check_no_parameters};
use crate::openapi::{Answer, Docs, RequestContent, parameters};
use crate::problem::{Problem, ProblemType};
use crate::receipts::WantedReceipt;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct PutFile;

impl PutFile {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "putFile",
        method: Method::PUT,
        path: "/v1/experiments/{E}/collections/{C}/files/{F}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Deposit the body under a name",
            clauses: &[
                "M-1", "M-2", "K-4", "K-5", "K-6", "M-9", "D-4", "D-6", "D-9", "D-11", "D-13",
                "D-14", "M-16", "R-2",
            ],
            parameters: &[
                &parameters::IF_NONE_MATCH_ANY,
                &parameters::CONTENT_DIGEST,
                &parameters::REPR_DIGEST,
                &parameters::EXPIRES_IN,
                &parameters::RECEIPT,
            ],
            content: Some(RequestContent::bytes()),
            answers: &[
                Answer::json::<FileBody<'static>>(201, "The file is stored durably.")
                    .with_headers(&["Repr-Digest"]),
            ],
            problems: &[409, 412, 413, 415, 429, 507],
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
        name: NameInPath,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let path = name.get()?;
        let (service, head) = (request.service, request.parts);
        let headers = &head.headers;
        check_no_form(head)?;
        check_conditions(headers)?;
        let wanted = WantedReceipt::of(service, headers)?;
        let is_conditional = creates_only(headers);
        let target = Target {
            collections: collections(service)?,
            id,
            guessed: guess(headers, path.as_str()),
            path,
        };
        let stored = store_in(request, &target).await;
        let row = stored.map_err(|problem| {
            if is_conditional && problem.is_of(ProblemType::AlreadyExists) {
                return problem.into_failed_precondition();
            }
            problem
        })?;
        let file = CollectionFile::of(target.path, &row);
        let body = FileBody::new(&file, &service.config.uri_prefix);
        let mut response = response::json(StatusCode::CREATED, &body);
        let digest = digest_value(&row.sha256);
        response.headers_mut().insert(REPR_DIGEST, digest);
        wanted.add(service, head, &row, &mut response);
        Ok(response)
    }
}

/// Refuses what only makes sense for a file that can be replaced.
fn check_conditions(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(IF_MATCH) {
        return Err(Problem::plain(
            StatusCode::PRECONDITION_FAILED,
            "a file cannot be replaced: leave If-Match out",
        ));
    }
    Ok(())
}

/// Returns whether the client wants 412 instead of 409 if the name is given already.
fn creates_only(headers: &HeaderMap) -> bool {
    let conditions = headers.get_all(IF_NONE_MATCH).iter();
    conditions
        .into_iter()
        .any(|value| value.as_bytes().trim_ascii() == b"*")
}

/// Guesses the type of a file by its name if the request declares none. What curl declares unless told otherwise counts as none.
fn guess(headers: &HeaderMap, name: &str) -> Option<ContentType> {
    const NONE: &[u8] = b"application/x-www-form-urlencoded";
    let declared = headers
        .get(CONTENT_TYPE)
        .map(|value| value.as_bytes().trim_ascii());
    if declared.is_some_and(|declared| !declared.is_empty() && !declared.eq_ignore_ascii_case(NONE))
    {
        return None;
    }
    let guessed = mime_guess::from_path(name).first_raw();
    guessed.map(ContentType::clean)
}
