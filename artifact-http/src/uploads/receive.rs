//! Receives the content of an append, and completes an upload that is whole.

use std::sync::Arc;

use artifact_store::{
    Append, ErrorKind, ExperimentId, Principal, Row, UploadId, UploadSession, Uploads,
};
use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode};

use super::draft;
use super::fields::{UPLOAD_COMPLETE, UPLOAD_OFFSET};
use super::protocol::Protocol;
use super::verify::Verification;
use crate::concurrency_limiter::Permit;
use crate::head::Head;
use crate::outlive::Outlive;
use crate::problem::{Problem, ProblemType};
use crate::receipts::WantedReceipt;
use crate::router::Service;

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

    /// Adds the receipt of the artifact of a complete upload to the response, if the client wants it.
    pub(super) fn add_receipt(
        &self,
        wanted: WantedReceipt,
        service: &Service,
        head: &Head,
        response: &mut Response,
    ) {
        if let Some(row) = &self.row {
            wanted.add(service, head, row, response);
        }
    }
}

/// The content of a request.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) body: Body,
    /// What the content is compared with before any of it counts.
    pub(super) verification: Option<Verification>,
    /// Whether the request says that its content is the end of the file.
    pub(super) is_last: bool,
    pub(super) permit: Permit,
}

/// Names a session, and who asks for it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) uploads: Uploads,
    pub(super) principal: Principal,
    pub(super) experiment: ExperimentId,
    pub(super) id: UploadId,
    pub(super) protocol: Protocol,
}

/// Why the content was not received to its end, and what becomes of the upload.
#[derive(Debug)]
struct Stopped {
    problem: Problem,
    rest: Rest,
}

/// What becomes of bytes that have arrived before an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Kept,
    Lost,
    /// The upload itself ends.
    Ended,
}

impl Target {
    pub(super) async fn find(&self) -> Result<UploadSession, Problem> {
        let found = self
            .uploads
            .find(&self.principal, &self.experiment, self.id);
        found.await.map_err(|error| self.problem(error, None))
    }

    pub(super) async fn declare_length(&self, length: u64) -> Result<UploadSession, Problem> {
        let declared =
            self.uploads
                .declare_length(&self.principal, &self.experiment, self.id, length);
        declared.await.map_err(|error| self.problem(error, None))
    }

    pub(super) async fn begin(&self, offset: u64) -> Result<Append, Problem> {
        let append = self
            .uploads
            .append(&self.principal, &self.experiment, self.id, offset);
        append
            .await
            .map_err(|error| self.problem(error, Some(offset)))
    }

    pub(super) async fn end(&self) -> Result<(), Problem> {
        let ended = self.uploads.end(&self.principal, &self.experiment, self.id);
        ended.await.map_err(|error| self.problem(error, None))
    }

    /// Appends the content of a request, and completes the upload if it is whole then. Goes on if this is dropped, because its
    /// client is gone: what has arrived is kept.
    pub(super) async fn receive(
        self,
        append: Append,
        incoming: Incoming,
    ) -> Result<Progress, Problem> {
        Outlive::new(async move { self.receive_now(append, incoming).await }).await
    }

    /// Does the same for the request that has begun the upload. After an error, the upload is ended, because its client never
    /// learns its path.
    pub(super) async fn receive_first(
        self,
        append: Append,
        incoming: Incoming,
    ) -> Result<Progress, Problem> {
        let receive = async move {
            let received = self.receive_now(append, incoming).await;
            if received.is_err() {
                // The upload may be gone already. Otherwise it expires.
                let _ = self.end().await;
            }
            received
        };
        Outlive::new(receive).await
    }

    async fn receive_now(&self, append: Append, incoming: Incoming) -> Result<Progress, Problem> {
        let Incoming {
            body,
            verification,
            is_last,
            permit,
        } = incoming;
        let session = self.receive_all(append, body, verification).await?;
        let session = if is_last {
            self.finish_file(session).await?
        } else {
            session
        };
        let progress = self.complete_if_whole(session).await;
        drop(permit);
        progress
    }

    /// Declares that the file ends where the upload does.
    async fn finish_file(&self, session: UploadSession) -> Result<UploadSession, Problem> {
        match session.length {
            None => self.declare_length(session.offset).await,
            Some(length) if session.offset != length => {
                let offset = session.offset;
                let problem = draft::inconsistent(format!(
                    "the content that completes the upload ends at {offset}, but the length of the upload is {length}; send the rest"
                ));
                Err(problem.with_header(UPLOAD_OFFSET, offset.into()))
            }
            Some(_) => Ok(session),
        }
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
        let row = completed.await.map_err(|error| self.problem(error, None))?;
        let session = self.find().await?;
        let row = Some(row);
        Ok(Progress { session, row })
    }

    /// Fails for content that is longer than what the upload still takes, before the first byte of it is read.
    pub(super) fn check_content_length(
        &self,
        content: Option<u64>,
        offset: u64,
        declared: Option<u64>,
    ) -> Result<(), Problem> {
        let Some(end) = content.map(|length| offset.saturating_add(length)) else {
            return Ok(());
        };
        if declared.is_some_and(|declared| end > declared) {
            let detail = "the content is longer than the declared length of the upload";
            return Err(match self.protocol {
                Protocol::Tus => Problem::bad_request(detail),
                Protocol::Draft => draft::inconsistent(detail),
            });
        }
        let store = self.uploads.managed().store();
        let max_bytes = store.config().max_artifact_bytes();
        if end > max_bytes {
            let detail = format!("an artifact has at most {max_bytes} bytes here");
            return Err(Problem::new(ProblemType::PayloadTooLarge, detail));
        }
        Ok(())
    }

    async fn receive_all(
        &self,
        append: Append,
        body: Body,
        mut verification: Option<Verification>,
    ) -> Result<UploadSession, Problem> {
        let is_held = verification.is_some();
        let mut append = if is_held { append.hold() } else { append };
        let offset = append.session().offset;
        let written = self.write_all(&mut append, body, verification.as_mut());
        let verified = written.await.and_then(|()| match verification {
            None => Ok(()),
            Some(verification) => verification.check().map_err(|problem| Stopped {
                problem,
                rest: Rest::Lost,
            }),
        });
        let Err(Stopped { problem, rest }) = verified else {
            let finished = append.finish().await;
            return finished.map_err(|error| self.problem(error, Some(offset)));
        };
        match rest {
            // Bytes that cannot be verified do not count.
            Rest::Kept if !is_held => keep(append).await,
            Rest::Kept | Rest::Lost => append.discard().await,
            Rest::Ended => {
                append.discard().await;
                self.end().await?;
            }
        }
        Err(problem)
    }

    async fn write_all(
        &self,
        append: &mut Append,
        body: Body,
        mut verification: Option<&mut Verification>,
    ) -> Result<(), Stopped> {
        let offset = append.session().offset;
        let was_whole = append.session().is_whole();
        // Frame by frame: of frames that are joined, an error after them would lose some.
        let mut frames = body.into_data_stream();
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|error| Stopped {
                problem: Problem::broken_body(error),
                rest: Rest::Kept,
            })?;
            if let Some(verification) = &mut verification {
                verification.update(&frame);
            }
            let end = append.offset().saturating_add(frame.len() as u64);
            let written = append.write(frame).await;
            written.map_err(|error| {
                let is_beyond = append.session().length.is_some_and(|length| end > length);
                if self.protocol == Protocol::Draft && is_beyond {
                    return beyond(was_whole);
                }
                let rest = if is_about_size(error.kind()) {
                    Rest::Kept
                } else {
                    Rest::Lost
                };
                let problem = self.problem(error, Some(offset));
                Stopped { problem, rest }
            })?;
        }
        Ok(())
    }

    /// Returns the problem of an error of an upload. `provided` is the offset of the request.
    fn problem(&self, error: artifact_store::Error, provided: Option<u64>) -> Problem {
        problem(error, self.protocol, provided)
    }
}

/// What becomes of an upload of the draft that gets more bytes than its declared length. One that was complete stays.
fn beyond(was_whole: bool) -> Stopped {
    if was_whole {
        return Stopped {
            problem: draft::completed(),
            rest: Rest::Lost,
        };
    }
    let detail = "the content is longer than the declared length of the upload, which has ended; begin a new one";
    Stopped {
        problem: draft::inconsistent(detail),
        rest: Rest::Ended,
    }
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

/// Returns the problem of an error of an upload. `provided` is the offset of the request.
pub(super) fn problem(
    error: artifact_store::Error,
    protocol: Protocol,
    provided: Option<u64>,
) -> Problem {
    let is_draft = protocol == Protocol::Draft;
    let detail = error.detail().to_owned();
    let problem = match error.kind() {
        ErrorKind::NotFound => Problem::new(ProblemType::NotFound, detail),
        ErrorKind::OffsetMismatch => {
            let offset = error.blob_size().unwrap_or(0);
            let problem = match provided {
                Some(provided) if is_draft => {
                    Problem::new(ProblemType::DraftOffsetMismatch, detail)
                        .with_offsets(offset, provided)
                }
                _ => Problem::new(ProblemType::OffsetMismatch, detail),
            };
            problem.with_header(UPLOAD_OFFSET, HeaderValue::from(offset))
        }
        ErrorKind::LengthMismatch if is_draft => draft::inconsistent(detail),
        ErrorKind::LengthMismatch => Problem::bad_request(detail),
        ErrorKind::LimitReached => Problem::plain(StatusCode::TOO_MANY_REQUESTS, detail)
            .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("60")),
        ErrorKind::DigestMismatch => {
            let problem = Problem::bad_request(
                "the file is not what its Repr-Digest says, so the upload has ended; begin a new one",
            );
            if is_draft {
                // All bytes have arrived: to send some again would not help.
                problem.with_header(UPLOAD_COMPLETE, HeaderValue::from_static("?1"))
            } else {
                problem
            }
        }
        _ => return error.into(),
    };
    problem.with_source(error)
}
