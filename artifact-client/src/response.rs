//! Responses: bounded bodies, JSON, and the errors of a failed exchange.

use std::future::Future;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::problem::Problem;
use crate::{retry_after, tls};

/// The largest body, in bytes, that is read into memory for one object or one problem.
pub(crate) const MAX_OBJECT: usize = 64 * 1024;
/// The largest body, in bytes, that is read into memory for a list: lists have no pages.
pub(crate) const MAX_LIST: usize = 64 * 1024 * 1024;

/// Runs one step of a transfer, which must not take longer than `limit`.
pub(crate) async fn with_stall_timeout<T>(
    operation: Operation,
    limit: Duration,
    step: impl Future<Output = T>,
) -> Result<T> {
    tokio::time::timeout(limit, step)
        .await
        .map_err(|_| stalled(operation, limit))
}

/// Reads a JSON body of at most `max_bytes`.
pub(crate) async fn read_json<T: DeserializeOwned>(
    operation: Operation,
    response: Response,
    max_bytes: usize,
    stall_timeout: Duration,
) -> Result<T> {
    let status = response.status().as_u16();
    let body = read_body(operation, response, max_bytes, stall_timeout).await?;
    serde_json::from_slice(&body).map_err(|error| {
        // serde's own message may contain a value, which could be a secret.
        Error::new(ErrorKind::Protocol, operation)
            .with_response(status, None)
            .with_detail(format!(
                "the response is not the expected JSON, line {} column {}",
                error.line(),
                error.column()
            ))
    })
}

impl Client {
    /// Returns the error for a response without success. The status decides its kind. The problem's type
    /// refines it if it belongs to that status; the rest of the body only explains.
    pub(crate) async fn rejection(&self, operation: Operation, response: Response) -> Error {
        let status = response.status();
        if status.is_redirection() {
            return Error::new(ErrorKind::Protocol, operation)
            .with_response(status.as_u16(), None)
            .with_detail(
                "redirects are not followed, because they would send the credential to another server",
            );
        }
        let retry_after = retry_after::parse(response.headers());
        // An unreadable body does not change what the status means.
        let body = read_body(operation, response, MAX_OBJECT, self.stall_timeout()).await;
        let problem = body.ok().as_deref().and_then(Problem::parse);
        let problem_type = problem.as_ref().map(|problem| problem.kind.as_str());
        let problem_name = problem_type.and_then(|kind| kind.strip_prefix(self.error_prefix()));
        let kind = ErrorKind::of_response(status.as_u16(), problem_name);
        Error::new(kind, operation)
            .with_response(status.as_u16(), problem)
            .with_retry_after(retry_after)
    }
}

/// Reads a body of at most `max_bytes`.
pub(crate) async fn read_body(
    operation: Operation,
    mut response: Response,
    max_bytes: usize,
    stall_timeout: Duration,
) -> Result<BytesMut> {
    let mut body = BytesMut::new();
    loop {
        let chunk = with_stall_timeout(operation, stall_timeout, response.chunk()).await?;
        let Some(chunk) = chunk.map_err(|error| broken_body(operation, error))? else {
            return Ok(body);
        };
        if body.len() + chunk.len() > max_bytes {
            let detail = format!("the response is longer than {} KiB", max_bytes / 1024);
            return Err(Error::new(ErrorKind::Protocol, operation).with_detail(detail));
        }
        body.extend_from_slice(&chunk);
    }
}

/// Returns the error of a transfer without progress.
pub(crate) fn stalled(operation: Operation, limit: Duration) -> Error {
    Error::new(ErrorKind::Interrupted, operation)
        .with_detail(format!("no progress for {} s", limit.as_secs_f64()))
}

/// Returns the error of a request without a response.
pub(crate) fn no_response(operation: Operation, error: reqwest::Error) -> Error {
    let kind = if tls::is_about_certificate(&error) {
        ErrorKind::Untrusted
    } else if error.is_connect() {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Interrupted
    };
    Error::new(kind, operation).with_source(error.without_url())
}

/// Returns the error of a response body that broke off.
pub(crate) fn broken_body(operation: Operation, error: reqwest::Error) -> Error {
    // The URL in reqwest's message adds nothing to ours.
    Error::new(ErrorKind::Interrupted, operation).with_source(error.without_url())
}
