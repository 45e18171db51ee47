//! Creating an object exactly once, even if responses are lost.

use std::future::Future;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use object_store::path::Path;
use object_store::{Attributes, PutMode, PutOptions, PutPayload};
use tokio::time::{Instant, timeout_at};

use crate::config::UploadTimes as _;
use crate::error::{Outcome, RequestError};
use crate::progress::Body;
use crate::readback::ReadBack;
use crate::retry::Retry;
use crate::shared::Bucket;
use crate::write_id::WriteId;

/// An object that one operation creates.
#[derive(Debug, Clone)]
pub(crate) struct Creation {
    pub(crate) operation: Operation,
    /// The id of the blob; `None` for the store id and for the objects of the probe.
    pub(crate) id: Option<ArtifactId>,
    pub(crate) key: Path,
    pub(crate) write_id: WriteId,
    /// Whether the storage keeps the write id with the object.
    pub(crate) keeps_metadata: bool,
}

impl Creation {
    /// Returns the write id that the object will carry, or `None` if the storage keeps no metadata.
    pub(crate) fn kept_write_id(&self) -> Option<WriteId> {
        self.keeps_metadata.then_some(self.write_id)
    }

    /// Returns the metadata to create the object with.
    pub(crate) fn attributes(&self) -> Attributes {
        self.kept_write_id()
            .map(WriteId::attributes)
            .unwrap_or_default()
    }

    /// Returns the options of a request that creates the object only if it does not exist.
    pub(crate) fn put_options(&self) -> PutOptions {
        PutOptions {
            mode: PutMode::Create,
            attributes: self.attributes(),
            ..PutOptions::default()
        }
    }

    fn already_exists(&self) -> Error {
        let error = Error::new(ErrorKind::AlreadyExists, self.operation);
        match self.id {
            Some(id) => error.with_id(id),
            None => error,
        }
    }

    fn ambiguous(&self, error: RequestError) -> Error {
        error.into_error_of_kind(ErrorKind::Ambiguous, self.operation, self.id)
    }

    /// Returns the error of a create whose object was not found, and that is not retried.
    ///
    /// `unknown`: whether an attempt may have been carried out.
    fn final_error(&self, unknown: bool, error: RequestError) -> Error {
        match error.outcome {
            _ if unknown => self.ambiguous(error),
            Outcome::Exists => {
                // The storage contradicted itself until the deadline, so nothing is known.
                let detail = "the storage reports that the blob exists, but does not find it";
                self.ambiguous(RequestError::new(
                    Outcome::Unknown,
                    ErrorKind::Ambiguous,
                    detail,
                ))
            }
            Outcome::NoObject | Outcome::NoUpload => {
                error.into_error_of_kind(ErrorKind::Unavailable, self.operation, self.id)
            }
            _ => error.into_error(self.operation, self.id),
        }
    }
}

impl Bucket {
    /// Creates a blob whose bytes are in memory, in one request.
    pub(crate) async fn create_in_one_request(
        &self,
        operation: Operation,
        id: ArtifactId,
        payload: PutPayload,
    ) -> Result<()> {
        self.create_object(operation, Some(id), self.layout.blob(id), payload)
            .await
    }

    /// Creates any object whose bytes are in memory, in one request. A blob has an id.
    pub(crate) async fn create_object(
        &self,
        operation: Operation,
        id: Option<ArtifactId>,
        key: Path,
        payload: PutPayload,
    ) -> Result<()> {
        let creation = Creation {
            operation,
            id,
            key,
            write_id: WriteId::new(),
            keeps_metadata: self.keeps_metadata(operation).await?,
        };
        self.create(&creation, &Body::from(&payload), || {
            let options = creation.put_options();
            let put = self.store.put_opts(&creation.key, payload.clone(), options);
            async move { put.await.map(drop) }
        })
        .await
    }

    /// Repeats a request that creates an object only if it does not exist, until the outcome is
    /// known. After each failure it reads the object back.
    ///
    /// - `Ok`: the object exists and comes from this write.
    /// - `AlreadyExists`: an object from another write exists.
    /// - `Ambiguous`: an attempt may have been carried out, or may still be, and its outcome could
    ///   not be found out in time.
    /// - Any other error: this write created nothing, and no attempt is in progress.
    ///
    /// Ends after `deadline` and `readback_time`, plus the time that the body takes at the minimum
    /// rate. Only a first attempt whose bytes keep moving may take longer.
    pub(crate) async fn create<F, Fut>(
        &self,
        creation: &Creation,
        body: &Body,
        request: F,
    ) -> Result<()>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), object_store::Error>> + Send,
    {
        let began = Instant::now();
        let Err(error) = self.send(body, request()).await else {
            return Ok(());
        };
        let (deadline, readback_time) = (self.config.deadline, self.config.readback_time);
        let quick = deadline.min(self.config.answer_timeout);
        // Leaves time for a second attempt, also if the first one took long.
        let now = Instant::now();
        let end = (began + deadline).max(now + quick)
            + readback_time
            + self.config.time_to_send(body.bytes);
        let retry = Retry::until((now + deadline).min(end - readback_time));
        let rest = self.create_after(error, end, retry, creation, body, request);
        let outcome = timeout_at(end, rest).await.unwrap_or_else(|_| {
            let detail = "the storage did not respond in time, so the outcome is unknown";
            let error = RequestError::new(Outcome::Unknown, ErrorKind::Ambiguous, detail);
            Err(creation.ambiguous(error))
        });
        outcome.map_err(|error| mark(began.elapsed() >= quick, error))
    }

    /// Goes on after the first attempt of a create failed.
    async fn create_after<F, Fut>(
        &self,
        mut error: RequestError,
        end: Instant,
        mut retry: Retry,
        creation: &Creation,
        body: &Body,
        request: F,
    ) -> Result<()>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<(), object_store::Error>> + Send,
    {
        // Whether any attempt so far may have been carried out, or may still be.
        let mut unknown = false;
        loop {
            // A create that reports "not found" misses the bucket, or the source of a copy.
            error = self.resolve_not_found(error).await;
            let outcome = error.outcome;
            unknown |= outcome == Outcome::Unknown;
            let may_exist = unknown
                || matches!(
                    outcome,
                    Outcome::Exists | Outcome::Conflict | Outcome::NoUpload | Outcome::NoObject
                );
            if may_exist {
                let found = self
                    .read_back(&creation.key, creation.kept_write_id(), Retry::until(end))
                    .await;
                match found {
                    Ok(ReadBack::Ours) => return Ok(()),
                    Ok(ReadBack::Unattributed) if unknown => {
                        let detail = "a blob exists, but this storage keeps no metadata that would \
                                      tell which write created it";
                        let error = RequestError::new(outcome, ErrorKind::Ambiguous, detail);
                        return Err(creation.ambiguous(error));
                    }
                    Ok(ReadBack::Foreign | ReadBack::Unattributed) => {
                        return Err(creation.already_exists());
                    }
                    Ok(ReadBack::Absent) => {}
                    Err(error) => {
                        let timed_out = error.is_retryable();
                        return Err(mark(timed_out, creation.ambiguous(error)));
                    }
                }
            }
            let may_retry = error.is_retryable() || outcome == Outcome::Exists;
            if !may_retry || !retry.pause().await {
                return Err(mark(may_retry, creation.final_error(unknown, error)));
            }
            match self.send(body, request()).await {
                Ok(()) => return Ok(()),
                Err(next) => error = next,
            }
        }
    }
}

/// Marks an error, if the create has used up its time, so that its caller tries no other id.
fn mark(timed_out: bool, error: Error) -> Error {
    if timed_out {
        error.with_timed_out()
    } else {
        error
    }
}
