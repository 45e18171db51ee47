//! `GET /v1/experiments/{E}/artifacts/{A}/receipt`: the receipt of an artifact, with its proof.

use artifact_store::ArtifactId;
use axum::response::Response;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, Method, StatusCode};
use schemars::SchemaGenerator;

use super::{TAG, TEXT};
use crate::endpoint::{Access, Endpoint};
use crate::fetch;
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct ReadReceipt;

impl ReadReceipt {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readReceipt",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts/{A}/receipt",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Read the signed receipt of an artifact, and the proof that the log has it",
            clauses: &["M-1", "M-2", "R-1", "R-3"],
            answers: &[Answer::empty(200, "The receipt and the proof.")
                .with_content(TEXT, SchemaGenerator::subschema_for::<String>)],
            ..Docs::EMPTY
        },
    };

    /// Applies the read rule first: the receipt says who deposited what.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            ..
        } = request;
        let row = service.store.row(&experiment.id, id).await?;
        let grant = fetch::authorize(service, &principal, row).await?;
        let log = service.config.receipts.as_ref();
        let log = log.ok_or_else(Problem::no_such_path)?;
        let receipt = log.receipt(&grant).await?.to_string();
        let mut response =
            response::with_body(StatusCode::OK, TEXT, "private, no-store", receipt.into());
        let nosniff = HeaderValue::from_static("nosniff");
        response
            .headers_mut()
            .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        Ok(response)
    }
}
