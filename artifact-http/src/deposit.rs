//! `POST /v0/experiments/{E}/artifacts`: stores a file and returns an opaque URI.

use std::sync::Arc;
use std::time::Duration;

use artifact_http_files::{
    REPR_DIGEST, ReceivedFile, check_content_head, check_head, digest_value, idempotency_key,
    least_size_in_form,
};
use artifact_store::{
    CollectionId, CollectionPath, CollectionStore, ContentType, Error, ErrorKind, ExperimentId,
    NewArtifact, Principal, Row,
};
use axum::response::Response;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::endpoint::{Access, Endpoint};
use crate::management::MAX_KEEP_SECONDS;
use crate::openapi::schemas::{File, URI};
use crate::openapi::{Answer, Docs, Links, RequestContent, parameters};
use crate::outlive::Outlive;
use crate::problem::{Problem, ProblemType};
use crate::receipts::WantedReceipt;
use crate::request::AuthorizedRequest;
use crate::response;
use crate::uploads::check_is_whole;

#[derive(Serialize, JsonSchema)]
struct Deposited<'a> {
    /// The name to fetch the artifact by. Opaque.
    #[schemars(extend("examples" = [URI]))]
    artifacts_uri: String,
    #[schemars(extend("examples" = [12345]))]
    size_bytes: u64,
    /// The recorded type (D-9), which every fetch returns.
    #[schemars(extend("examples" = ["application/gzip"]))]
    content_type: &'a str,
}

pub(crate) struct Deposit;

impl Deposit {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deposit",
        method: Method::POST,
        path: "/v0/experiments/{E}/artifacts",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "artifacts",
            summary: "Deposit a file",
            clauses: &[
                "D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7", "D-8", "D-9", "D-10", "D-11",
                "D-12", "D-13", "D-14", "M-16", "R-2",
            ],
            parameters: &[
                &parameters::CONTENT_DIGEST,
                &parameters::REPR_DIGEST,
                &parameters::EXPIRES_IN,
                &parameters::RECEIPT,
            ],
            content: Some(RequestContent::multipart::<File>()),
            answers: &[
                Answer::json::<Deposited<'static>>(201, "The file is stored durably.")
                    .with_headers(&["Repr-Digest"])
                    .with_links(Links {
                        member: "artifacts_uri",
                        parameter: "uri",
                        operations: &["fetch"],
                    }),
            ],
            problems: &[413, 415, 429, 507],
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let service = request.service;
        let head = request.parts;
        let prefix = &service.config.uri_prefix;
        let wanted = WantedReceipt::of(service, &head.headers)?;
        let row = store(request, FileIn::Form).await?;
        let body = Deposited {
            artifacts_uri: prefix.uri(row.id).to_string(),
            size_bytes: row.size,
            content_type: row.content_type.as_str(),
        };
        let mut response = response::json(StatusCode::CREATED, &body);
        let digest = digest_value(&row.sha256);
        response.headers_mut().insert(REPR_DIGEST, digest);
        wanted.add(service, head, &row, &mut response);
        Ok(response)
    }
}

/// Where the file is in the body of a deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileIn {
    /// The one part of a form.
    Form,
    /// The whole body.
    Content,
}

/// Streams the file of a request into the store. If this fails or is dropped before the whole body was received, nothing
/// of the deposit remains, because a dropped [`Deposit`](artifact_store::Deposit) removes what it has written. After
/// that, the deposit is finished even if this is dropped: a blob that was made durable gets its row.
pub(crate) async fn store(
    request: AuthorizedRequest<'_>,
    place: FileIn,
) -> Result<Arc<Row>, Problem> {
    receive(request, place, None).await
}

/// The collection that a file goes to, and its name there.
pub(crate) struct Target<'s> {
    pub(crate) collections: &'s CollectionStore,
    pub(crate) id: CollectionId,
    pub(crate) path: CollectionPath,
    /// The type of the file, if the request declares none.
    pub(crate) guessed: Option<ContentType>,
}

impl Target<'_> {
    async fn begin(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        new: NewArtifact,
    ) -> Result<artifact_store::Deposit, Error> {
        let new = match &self.guessed {
            Some(guessed) => new.with_content_type(guessed.clone()),
            None => new,
        };
        let begun = self
            .collections
            .deposit(principal, experiment, self.id, &self.path, new);
        begun.await
    }
}

/// Streams the content of a request into a collection, as [`store`] does into the store.
pub(crate) async fn store_in(
    request: AuthorizedRequest<'_>,
    target: &Target<'_>,
) -> Result<Arc<Row>, Problem> {
    // In a box, so that the future of another deposit is no larger.
    Box::pin(receive(request, FileIn::Content, Some(target))).await
}

async fn receive(
    request: AuthorizedRequest<'_>,
    place: FileIn,
    target: Option<&Target<'_>>,
) -> Result<Arc<Row>, Problem> {
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body,
    } = request;
    // Checked before the body is polled for the first time, which sends `100 Continue`.
    let headers = &parts.headers;
    let max_bytes = service.store.config().max_artifact_bytes();
    // The form has its own length.
    let (expected, length) = match place {
        FileIn::Form => (None, check_head(headers, max_bytes)?),
        FileIn::Content => {
            let expected = check_is_whole(headers, &body)?;
            (expected, check_content_head(headers, max_bytes)?)
        }
    };
    let expires_in = expires_in(headers)?;
    // The binding under `/v0` has no key.
    let key = match place {
        FileIn::Form => None,
        // The name does what a key would do.
        FileIn::Content if target.is_some() => None,
        FileIn::Content => idempotency_key(headers)?,
    };
    let permit = service.uploads.acquire(&principal)?;
    let least_size = match place {
        FileIn::Form => length.map(least_size_in_form),
        FileIn::Content => length,
    };
    let new = NewArtifact::new(experiment.id.clone(), &principal)
        .with_size_hint(length)
        .with_least_size(least_size)
        .with_expires_in(expires_in)
        .with_idempotency_key(key);
    let failed = |error| failed(place, error);
    // A file of a collection counts for the owner of the collection, who is known later.
    let allowance = match target {
        None => Some(service.store.reserve(&new).await.map_err(failed)?),
        Some(_) => None,
    };
    let body = body.into_data_stream();
    let mut file = match place {
        FileIn::Form => ReceivedFile::open_form(headers, body).await?,
        FileIn::Content => ReceivedFile::open_content(headers, body)?,
    };
    let new = file.describe(new);
    let mut deposit = match target {
        None => service.store.deposit(new),
        Some(target) => Box::pin(target.begin(&principal, &experiment.id, new)).await?,
    };
    if let Some(allowance) = allowance {
        deposit = deposit.with_allowance(allowance);
    }
    // What is not reserved yet. The content is not asked for before.
    deposit.reserve().await.map_err(failed)?;
    let mut received: u64 = 0;
    while let Some(chunk) = file.next().await? {
        received = received.saturating_add(chunk.len() as u64);
        let written = deposit.write(chunk).await;
        written.map_err(|error| match error.kind() {
            // The backend may have a lower limit, which it does not name.
            ErrorKind::TooLarge if received > max_bytes => {
                let detail = format!("an artifact has at most {max_bytes} bytes here");
                Problem::new(ProblemType::PayloadTooLarge, detail).with_source(error)
            }
            _ => failed(error),
        })?;
    }
    check_length(deposit.size(), expected)?;
    let finish = async move {
        let row = deposit.finish().await;
        drop(permit);
        row
    };
    let row = Outlive::new(finish).await.map_err(failed)?;
    parts.is_about_artifact(row.id);
    Ok(row)
}

/// Returns the answer to a deposit that has failed.
fn failed(place: FileIn, error: Error) -> Problem {
    match (place, error.kind()) {
        (FileIn::Content, ErrorKind::DigestMismatch) => {
            let detail = "the body is not what Content-Digest or Repr-Digest says";
            Problem::bad_request(detail).with_source(error)
        }
        // The vocabulary of `/v0` has no name for it.
        (FileIn::Form, ErrorKind::QuotaExceeded) => {
            Problem::plain(StatusCode::INSUFFICIENT_STORAGE, error.detail())
                .retried_if_it_may_fit(&error)
        }
        _ => error.into(),
    }
}

/// Fails if the content has another length than its request says.
fn check_length(size: u64, expected: Option<u64>) -> Result<(), Problem> {
    match expected {
        Some(expected) if expected != size => Err(Problem::new(
            ProblemType::DraftInconsistentLength,
            format!("Upload-Length is {expected}, but the content has {size} bytes"),
        )),
        _ => Ok(()),
    }
}

/// Parses the field that says how long the artifact is kept.
pub(crate) fn expires_in(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    const EXPIRES_IN: HeaderName = HeaderName::from_static("artifact-expires-in");
    let mut values = headers.get_all(EXPIRES_IN).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let digits = value.as_bytes();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let seconds = value.to_str().ok().filter(|_| is_number);
    let seconds = seconds
        .and_then(|text| text.parse().ok())
        .filter(|seconds| (1..=MAX_KEEP_SECONDS).contains(seconds))
        .filter(|_| values.next().is_none());
    match seconds {
        Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
        None => Err(Problem::bad_request(format!(
            "Artifact-Expires-In must be one number of seconds from 1 to {MAX_KEEP_SECONDS}"
        ))),
    }
}
