//! `GET` and `DELETE /v1/experiments/{E}/artifacts/{A}`.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use artifact_backend::{ArtifactUri, UriPrefix};
use artifact_store::{
    ArtifactId, CollectionId, FileLocation, FileName, Hold, Principal, Row, Sha256Digest, Timestamp,
};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Parameters, check_no_parameters, managed};
use crate::endpoint::{Access, Endpoint};
use crate::fetch;
use crate::openapi::schemas::{self, ARTIFACT, URI};
use crate::openapi::{Answer, Docs, parameters};
use crate::outlive::Outlive;
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;
use crate::router::Service;
use crate::text::Text;

/// An artifact, without its bytes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Artifact")]
pub(crate) struct ArtifactBody<'r> {
    /// The name to fetch the artifact by. Opaque.
    #[schemars(extend("examples" = [URI]))]
    artifacts_uri: Text<ArtifactUri>,
    /// The name of the artifact in the paths of management.
    #[schemars(extend("examples" = [ARTIFACT]))]
    id: Text<ArtifactId>,
    #[schemars(with = "schemas::ExperimentField")]
    experiment: &'r str,
    #[schemars(extend("examples" = [12345]))]
    size_bytes: u64,
    #[schemars(extend("examples" = ["application/gzip"]))]
    content_type: &'r str,
    /// The recorded file name, if there is one.
    #[schemars(extend("examples" = ["results.tar.gz"]))]
    file_name: Option<&'r str>,
    /// The SHA-256 of the bytes in hexadecimal.
    #[schemars(extend("examples" = [schemas::SHA256]))]
    sha256: Text<Sha256Digest>,
    #[schemars(with = "schemas::Principal")]
    created_by: &'r str,
    #[schemars(with = "schemas::Time")]
    created_at: Text<Timestamp>,
    /// When the artifact may be removed, if its depositor said so. Otherwise the retention of the experiment counts.
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<Text<Timestamp>>,
    /// The collection of which the artifact is a file, for its depositor and administrators.
    #[schemars(extend("examples" = [null]))]
    collection: Option<Text<CollectionId>>,
    /// Its name there.
    #[schemars(extend("examples" = [null]))]
    path: Option<String>,
}

/// A hold on an artifact.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Hold")]
struct HoldBody<'h> {
    #[schemars(with = "schemas::Principal")]
    placed_by: &'h str,
    #[schemars(with = "schemas::Time")]
    placed_at: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ArtifactInfo")]
struct InfoBody<'r> {
    #[serde(flatten)]
    artifact: ArtifactBody<'r>,
    /// The hold that prevents the removal of the artifact, if there is one.
    hold: Option<HoldBody<'r>>,
}

impl<'r> ArtifactBody<'r> {
    pub(crate) fn new(row: &'r Row, prefix: &UriPrefix) -> Self {
        Self {
            artifacts_uri: Text(prefix.uri(row.id)),
            id: Text(row.id),
            experiment: row.experiment.as_str(),
            size_bytes: row.size,
            content_type: row.content_type.as_str(),
            file_name: row.file_name.as_ref().map(FileName::as_str),
            sha256: Text(row.sha256),
            created_by: row.created_by.as_str(),
            created_at: Text(row.created_at),
            expires_at: row.expires_at.map(Text),
            collection: None,
            path: None,
        }
    }

    /// Adds where the artifact is, if it is a file of a collection.
    pub(crate) fn located(mut self, location: Option<&FileLocation>) -> Self {
        self.collection = location.map(|found| Text(found.collection));
        self.path = location.map(|found| found.path.to_string());
        self
    }
}

/// Finds out which artifacts are files of collections. Without collections, none is.
pub(super) async fn locations(
    service: &Service,
    principal: &Principal,
    rows: &[Arc<Row>],
) -> Result<HashMap<ArtifactId, FileLocation>, Problem> {
    match service.config.collections() {
        Some(collections) => Ok(collections.locations(principal, rows).await?),
        None => Ok(HashMap::new()),
    }
}

impl<'h> From<&'h Hold> for HoldBody<'h> {
    fn from(hold: &'h Hold) -> Self {
        Self {
            placed_by: hold.placed_by.as_str(),
            placed_at: hold.placed_at.to_string(),
        }
    }
}

pub(crate) struct ReadArtifact;

impl ReadArtifact {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readArtifact",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts/{A}",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Read what is recorded about an artifact",
            clauses: &["M-1", "M-2", "M-4"],
            answers: &[Answer::json::<InfoBody<'static>>(200, "The artifact.")],
            ..Docs::EMPTY
        },
    };

    /// Applies the read rule first: every principal that may fetch an artifact may see what is recorded about it.
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
        let info = managed(service)?.info(&grant).await?;
        let location = locations(service, &principal, slice::from_ref(&info.row)).await?;
        let artifact = ArtifactBody::new(&info.row, &service.config.uri_prefix);
        let body = InfoBody {
            artifact: artifact.located(location.get(&id)),
            hold: info.hold.as_ref().map(HoldBody::from),
        };
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct DeleteArtifact;

impl DeleteArtifact {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deleteArtifact",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/artifacts/{A}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Delete an artifact",
            clauses: &["M-1", "M-2", "M-5", "M-6"],
            parameters: &[&parameters::DRY_RUN],
            answers: &[
                Answer::empty(204, "The artifact does not exist any more."),
                Answer::json::<ArtifactBody<'static>>(
                    200,
                    "The artifact would be deleted without `dry_run`.",
                ),
            ],
            problems: &[409, 507],
            ..Docs::EMPTY
        },
    };

    /// Once the removal has begun, it is finished even if this is dropped.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        let given = Parameters::parse(request.parts.uri.query(), &["dry_run"])?;
        let dry_run = given.parsed("dry_run", "be `true` or `false`", |text| text.parse().ok())?;
        let service = request.service;
        let managed = managed(service)?.clone();
        let (principal, experiment) = (request.principal, request.experiment.id);
        if dry_run == Some(true) {
            let row = managed.check_removal(&principal, &experiment, id).await?;
            let row = Arc::new(row);
            let location = locations(service, &principal, slice::from_ref(&row)).await?;
            let body = ArtifactBody::new(&row, &service.config.uri_prefix);
            let body = body.located(location.get(&id));
            return Ok(response::json(StatusCode::OK, &body));
        }
        Outlive::new(async move { managed.remove(&principal, &experiment, id).await }).await?;
        Ok(response::empty())
    }
}
