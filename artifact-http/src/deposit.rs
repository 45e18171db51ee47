//! `POST /v0/experiments/{E}/artifacts`: a file in, an opaque URI out.

use artifact_store::NewArtifact;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use serde::Serialize;

use crate::gate::Admitted;
use crate::json;
use crate::multipart::FilePart;
use crate::problem::{Problem, Type};
use crate::router::Service;
use crate::source::BUDGET;

#[derive(Serialize)]
struct Answer<'a> {
    artifacts_uri: String,
    size_bytes: u64,
    content_type: &'a str,
}

/// Streams the part into the store. Dropped at any moment, or failing, it leaves nothing, since a
/// [`Deposit`](artifact_store::Deposit) that is dropped does.
pub(crate) async fn deposit(service: &Service, admitted: Admitted) -> Result<Response, Problem> {
    let Admitted {
        principal,
        experiment,
        parts,
        body,
    } = admitted;
    let headers = &parts.headers;
    // Nothing is ever decompressed: a cap on what a bomb unfolds to is no cap on the work.
    let encoded = headers.get_all(CONTENT_ENCODING).iter();
    if encoded
        .into_iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a deposit has no Content-Encoding; send the file as it is",
        ));
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let cap = service.store.config().max_artifact_bytes();
    if length.is_some_and(|length| length > cap.saturating_add(BUDGET)) {
        // No byte of the body was asked for yet, so no `100 Continue` was sent either.
        return Err(Problem::new(
            Type::PayloadTooLarge,
            format!("an artifact has at most {cap} bytes here"),
        ));
    }

    let _place = service.uploads.begin(&principal)?;
    let mut part = FilePart::open(headers, body).await?;
    let new = NewArtifact::new(experiment.id, &principal)
        .with_content_type(part.content_type.clone())
        .with_file_name(part.file_name.clone())
        .with_size_hint(length);
    let mut deposit = service.store.deposit(new);
    while let Some(piece) = part.next().await? {
        deposit.write(piece).await?;
    }
    let row = deposit.finish().await?;
    let answer = Answer {
        artifacts_uri: service.config.uri_prefix.uri(row.id).to_string(),
        size_bytes: row.size,
        content_type: row.content_type.as_str(),
    };
    Ok(json::respond(StatusCode::CREATED, &answer))
}
