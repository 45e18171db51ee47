//! Receives the content of an append, and completes an upload that is whole.

use std::sync::Arc;

use artifact_store::{
    Append, ErrorKind, ExperimentId, Principal, Row, UploadId, UploadSession, Uploads,
};
use axum::body::Body;
use futures_util::StreamExt as _;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::concurrency_limiter::Permit;
use crate::head::Head;
use crate::outlive::Outlive;
use crate::problem::{Problem, ProblemType};

/// What an upload is after a request: the session, and the artifact if it is complete.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) session: UploadSession,
    pub(super) row: Option<Arc<Row>>,
}

impl Progress {
    /// Records the artifact of a complete upload.
    pub(super) fn name_artifact(&self, head: &Head) {
        if let Some(row) = &self.row {
            head.is_about_artifact(row.id);
        }
    }
}

/// Names a session, and who asks for it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) uploads: Uploads,
    pub(super) principal: Principal,
    pub(super) experiment: ExperimentId,
    pub(super) id: UploadId,
}

impl Target {
    pub(super) async fn find(&self) -> Result<UploadSession, Problem> {
        let found = self
            .uploads
            .find(&self.principal, &self.experiment, self.id);
        found.await.map_err(problem)
    }

    pub(super) async fn declare_length(&self, length: u64) -> Result<UploadSession, Problem> {
        let declared =
            self.uploads
                .declare_length(&self.principal, &self.experiment, self.id, length);
        declared.await.map_err(problem)
    }

    pub(super) async fn begin(&self, offset: u64) -> Result<Append, Problem> {
        let append = self
            .uploads
            .append(&self.principal, &self.experiment, self.id, offset);
        append.await.map_err(problem)
    }

    /// Appends the content of a request, and completes the upload if it is whole then. Goes on if this is dropped, because its
    /// client is gone: what has arrived is kept.
    pub(super) async fn receive(
        self,
        append: Append,
        body: Body,
        permit: Permit,
    ) -> Result<Progress, Problem> {
        let receive = async move {
            let session = receive_all(append, body).await?;
            let progress = self.complete_if_whole(session).await;
            drop(permit);
            progress
        };
        Outlive::new(receive).await
    }

    /// Completes an upload that has all its bytes, also one whose completion failed before.
    pub(super) async fn complete(self, session: UploadSession) -> Result<Progress, Problem> {
        if !session.is_whole() {
            return Ok(Progress { session, row: None });
        }
        Outlive::new(async move { self.complete_if_whole(session).await }).await
    }

    async fn complete_if_whole(&self, session: UploadSession) -> Result<Progress, Problem> {
        if !session.is_whole() {
            return Ok(Progress { session, row: None });
        }
        let completed = self
            .uploads
            .complete(&self.principal, &self.experiment, self.id);
        let row = completed.await.map_err(problem)?;
        let session = self.find().await?;
        let row = Some(row);
        Ok(Progress { session, row })
    }
}

/// Fails for content that is longer than what the upload still takes, before the first byte of it is read.
pub(super) fn check_content_length(
    headers: &HeaderMap,
    offset: u64,
    declared: Option<u64>,
    max_bytes: u64,
) -> Result<(), Problem> {
    let length = headers.get(CONTENT_LENGTH).map(HeaderValue::to_str);
    let length = length.and_then(|text| text.ok()?.parse::<u64>().ok());
    let Some(end) = length.map(|length| offset.saturating_add(length)) else {
        return Ok(());
    };
    if declared.is_some_and(|declared| end > declared) {
        return Err(Problem::bad_request(
            "the content is longer than the declared length of the upload",
        ));
    }
    if end > max_bytes {
        let detail = format!("an artifact has at most {max_bytes} bytes here");
        return Err(Problem::new(ProblemType::PayloadTooLarge, detail));
    }
    Ok(())
}

async fn receive_all(mut append: Append, body: Body) -> Result<UploadSession, Problem> {
    // Frame by frame: of frames that are joined, an error after them would lose some.
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        match frame {
            Ok(frame) => {
                if let Err(error) = append.write(frame).await {
                    if is_about_size(error.kind()) {
                        keep(append).await;
                    }
                    return Err(problem(error));
                }
            }
            Err(error) => {
                keep(append).await;
                return Err(Problem::broken_body(error));
            }
        }
    }
    append.finish().await.map_err(problem)
}

/// Returns whether an append can be finished after such an error.
fn is_about_size(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TooLarge | ErrorKind::LengthMismatch | ErrorKind::LimitReached
    )
}

/// Keeps what has arrived. If that fails, the client sends it again.
async fn keep(append: Append) {
    if let Err(error) = append.finish().await {
        tracing::info!(
            error = &error as &dyn std::error::Error,
            "the last bytes of an interrupted append were not kept"
        );
    }
}

/// Returns the problem of an error of an upload.
pub(super) fn problem(error: artifact_store::Error) -> Problem {
    let detail = error.detail().to_owned();
    let problem = match error.kind() {
        ErrorKind::NotFound => Problem::new(ProblemType::NotFound, detail),
        ErrorKind::OffsetMismatch => {
            let offset = error.blob_size().unwrap_or(0);
            Problem::new(ProblemType::OffsetMismatch, detail)
                .with_header(super::fields::UPLOAD_OFFSET, HeaderValue::from(offset))
        }
        ErrorKind::LengthMismatch => Problem::bad_request(detail),
        ErrorKind::LimitReached => Problem::plain(StatusCode::TOO_MANY_REQUESTS, detail)
            .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("60")),
        ErrorKind::DigestMismatch => Problem::bad_request(
            "the file is not what its Repr-Digest says, so the upload has ended; begin a new one",
        ),
        _ => return error.into(),
    };
    problem.with_source(error)
}
