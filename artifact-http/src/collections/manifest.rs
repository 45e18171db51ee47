//! `GET /v1/experiments/{E}/collections/{C}/manifest`: what is in a sealed collection, sent page by page.

use artifact_backend::UriPrefix;
use artifact_store::{
    CollectionFile, CollectionId, ExperimentId, ManifestReader, Principal, Result as StoreResult,
};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::bodies::{CollectionBody, FileBody};
use super::collections;
use crate::endpoint::{Access, Endpoint};
use crate::identity::list;
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, schemas};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;
use crate::router::Service;

/// What is in a sealed collection. It is the same at every time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Manifest")]
pub(super) struct ManifestBody<'m> {
    collection: CollectionBody<'m>,
    /// The files in the order of the bytes of their names.
    files: Vec<FileBody<'m>>,
    /// What is known after the last file.
    total: TotalBody,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ManifestTotal")]
struct TotalBody {
    /// The number of files.
    #[schemars(extend("examples" = [2]))]
    files: u64,
    /// The sum of their sizes.
    #[schemars(extend("examples" = [12345]))]
    size_bytes: u64,
    /// The SHA-256 of the lines that `sha256sum` prints for the files in this order (K-11).
    #[schemars(extend("examples" = [schemas::SHA256]))]
    sha256: String,
}

pub(crate) struct ReadManifest;

impl ReadManifest {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readManifest",
        method: Method::GET,
        path: "/v1/experiments/{E}/collections/{C}/manifest",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Read the manifest of a sealed collection",
            clauses: &["M-1", "M-2", "K-2", "K-11"],
            answers: &[Answer::json::<ManifestBody<'static>>(200, "The manifest.")],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            ..
        } = request;
        respond(service, &principal, &experiment.id, id).await
    }
}

/// The reason why a manifest ended early. The server closes the connection without completing the body.
#[derive(Debug, thiserror::Error)]
#[error("the manifest could not be read to its end")]
struct Aborted;

/// Answers with the manifest of a collection. The first page is read before the answer begins, so most errors are problems. The
/// further pages are read as the client takes them.
pub(super) async fn respond(
    service: &Service,
    principal: &Principal,
    experiment: &ExperimentId,
    id: CollectionId,
) -> Result<Response, Problem> {
    let permit = service.lists.acquire(principal)?;
    let reader = collections(service)?.manifest(principal, experiment, id);
    let mut pages = Pages {
        reader: reader.await?,
        prefix: service.config.uri_prefix.clone(),
        separator: None,
    };
    let mut json = b"{\"collection\":".to_vec();
    append(&mut json, &CollectionBody::new(pages.reader.collection()));
    json.extend_from_slice(b",\"files\":[");
    let is_complete = pages.read(&mut json).await?;
    let whole = |json: Vec<u8>| {
        response::with_body(StatusCode::OK, response::JSON, "no-store", json.into())
    };
    if is_complete {
        return Ok(list::hold(whole(json), permit));
    }
    let mut response = whole(Vec::new());
    response.headers_mut().remove(CONTENT_LENGTH);
    let first = stream::iter([Ok(Bytes::from(json))]);
    *response.body_mut() = Body::from_stream(first.chain(pages.rest()));
    Ok(list::hold(response, permit))
}

/// The pages of a manifest that is being sent.
#[derive(Debug)]
struct Pages {
    reader: ManifestReader,
    prefix: UriPrefix,
    /// What precedes the next file.
    separator: Option<u8>,
}

impl Pages {
    /// Appends the files of a page, or the end of the answer after the last one. Returns whether that was the end.
    async fn read(&mut self, json: &mut Vec<u8>) -> StoreResult<bool> {
        let files: Option<Vec<CollectionFile>> = self.reader.next().await?;
        for file in files.iter().flatten() {
            json.extend(self.separator.replace(b','));
            append(json, &FileBody::new(file, &self.prefix));
        }
        if files.is_some_and(|files| files.len() >= 1_000) {
            return Ok(false);
        }
        let digest = self.reader.digest();
        json.extend_from_slice(b"],\"total\":");
        let total = TotalBody {
            files: digest.files(),
            size_bytes: digest.bytes(),
            sha256: digest.sha256().to_string(),
        };
        append(json, &total);
        json.push(b'}');
        Ok(true)
    }

    /// Returns the pages after the first one.
    fn rest(self) -> impl Stream<Item = Result<Bytes, Aborted>> + Send {
        stream::try_unfold(Some(self), |rest| async move {
            let Some(mut pages) = rest else {
                return Ok(None);
            };
            let mut json = Vec::new();
            let is_complete = pages.read(&mut json).await.map_err(|error| {
                tracing::error!(
                    collection = %pages.reader.collection().id,
                    error = &error as &dyn std::error::Error,
                    "reading a manifest failed while it was sent; the connection is closed"
                );
                Aborted
            })?;
            Ok(Some((json.into(), (!is_complete).then_some(pages))))
        })
    }
}

fn append(json: &mut Vec<u8>, body: &impl Serialize) {
    serde_json::to_writer(json, body)
        .expect("these bodies have only texts as keys, and a Vec takes all bytes");
}
