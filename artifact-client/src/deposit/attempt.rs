//! One attempt of a deposit: its request, and what its outcome says about the server.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode, Url};

use super::response::check_response;
use super::{Deposited, WantedReceipt};
use crate::body::{ByteStream, OpenStream};
use crate::client::Client;
use crate::disposition::content_disposition;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{REPR_DIGEST, header_text};
use crate::multipart::{Envelope, Form, Sent, UploadState};
use crate::progress::ProgressCallback;
use crate::repr_digest;
use crate::response::{MAX_OBJECT, no_response, read_json, stalled};

/// A failed attempt of a deposit.
pub(super) struct FailedAttempt {
    pub(super) error: Error,
    /// Whether the attempt cannot have created an artifact: connecting failed, or the server rejected
    /// the request before it could have received the whole body.
    pub(super) nothing_stored: bool,
    /// Whether the server may have no such path.
    pub(super) is_unknown_path: bool,
}

/// Converts an error that must not be retried: an artifact may exist already, or a retry cannot help.
impl From<Error> for FailedAttempt {
    fn from(error: Error) -> Self {
        Self {
            error,
            nothing_stored: false,
            is_unknown_path: false,
        }
    }
}

/// The part of a deposit that all attempts share.
pub(super) struct Deposit<'c> {
    pub(super) client: &'c Client,
    pub(super) file_name: Option<String>,
    /// The key, if the body is the artifact itself; `None` for a form.
    pub(super) key: Option<String>,
    /// The URL of the name in a collection that it is deposited under.
    pub(super) name: Option<Url>,
    pub(super) envelope: Envelope,
    pub(super) size: Option<u64>,
    pub(super) expires_in: Option<Duration>,
    pub(super) on_progress: Option<ProgressCallback>,
    pub(super) receipt: WantedReceipt,
}

impl Deposit<'_> {
    /// Makes the deposit a form. It then has no key.
    pub(super) fn use_form(&mut self) {
        self.key = None;
        self.envelope = Envelope::new(
            self.file_name.as_deref().unwrap_or("file"),
            &self.envelope.content_type,
            self.envelope.sha256,
        );
    }

    /// Sends the body until an attempt succeeds, or another one is not allowed.
    pub(super) async fn send(
        &mut self,
        open: &OpenStream,
        has_own_key: bool,
        orphans_allowed: bool,
    ) -> Result<Deposited> {
        let mut retries = self.client.retries();
        loop {
            match self.send_once(open()).await {
                Ok(deposited) => return Ok(deposited),
                Err(failed) if failed.is_unknown_path && !has_own_key && self.key.is_some() => {
                    self.client.deposit_forms();
                    self.use_form();
                }
                Err(failed) if failed.nothing_stored || self.key.is_some() || orphans_allowed => {
                    retries.wait_before_retry(failed.error).await?;
                }
                Err(failed) => return Err(failed.error),
            }
        }
    }

    /// Starts the request of an attempt.
    fn request(&self) -> RequestBuilder {
        let Self {
            client, envelope, ..
        } = self;
        if let Some(url) = &self.name {
            let mut request = client.request(Method::PUT, url.clone());
            if let Some(sha256) = &envelope.sha256 {
                request = request.header("content-digest", repr_digest::field_value(sha256));
            }
            return request;
        }
        let Some(key) = &self.key else {
            let url = client.url(&["artifacts"]);
            return client.request(Method::POST, url);
        };
        let url = client.management_url(&["artifacts"]);
        let mut request = client
            .request(Method::POST, url)
            .header("idempotency-key", key);
        if let Some(name) = &self.file_name {
            request = request.header(CONTENT_DISPOSITION, content_disposition(name));
        }
        if let Some(sha256) = &envelope.sha256 {
            request = request.header("content-digest", repr_digest::field_value(sha256));
        }
        request
    }

    /// Makes one attempt.
    pub(super) async fn send_once(&self, stream: ByteStream) -> Result<Deposited, FailedAttempt> {
        let Self {
            client,
            envelope,
            size,
            expires_in,
            on_progress,
            receipt,
            ..
        } = self;
        let state = UploadState::new(on_progress.clone());
        let mut request = self.request().header(CONTENT_TYPE, &envelope.content_type);
        if let Some(length) = size.and_then(|size| envelope.length(size)) {
            request = request.header(CONTENT_LENGTH, length);
        }
        if let Some(period) = expires_in {
            request = request.header("artifact-expires-in", period.as_secs());
        }
        request = receipt.ask(request);
        let form = Form::new(envelope, stream, *size, state.clone());
        let request = request.body(reqwest::Body::wrap_stream(form));

        let limit = client.stall_timeout();
        let exchange = pin!(request.send());
        let stall = pin!(state.stall_detector.wait_for_stall(limit));
        // `select` polls the response first: if both are ready, the response counts.
        let outcome = match select(exchange, stall).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => return Err(stalled(Operation::Deposit, limit).into()),
        };
        let (response, count, sha256) = match (outcome, state.take_sent()) {
            (Err(_), Sent::Failed(error)) => {
                let failed = Error::new(ErrorKind::Source, Operation::Deposit);
                return Err(failed.with_source(error).into());
            }
            (Err(error), _) => {
                return Err(FailedAttempt {
                    nothing_stored: error.is_connect(),
                    is_unknown_path: false,
                    error: no_response(Operation::Deposit, error),
                });
            }
            // The server may reject a request before the end of its body. The rejection then counts,
            // whatever happened to the body.
            (Ok(response), sent) if response.status() != StatusCode::CREATED => {
                let nothing_stored = match response.status() {
                    StatusCode::TOO_MANY_REQUESTS => true,
                    // After the whole body, a server or a proxy may answer 503 although the deposit
                    // succeeded.
                    StatusCode::SERVICE_UNAVAILABLE => matches!(sent, Sent::Incomplete),
                    _ => false,
                };
                return Err(FailedAttempt {
                    is_unknown_path: response.status() == StatusCode::NOT_FOUND,
                    error: client.rejection(Operation::Deposit, response).await,
                    nothing_stored,
                });
            }
            (Ok(response), Sent::Complete(count, sha256)) => (response, count, sha256),
            (Ok(_), Sent::Incomplete | Sent::Failed(_)) => {
                let error = Error::new(ErrorKind::Protocol, Operation::Deposit).with_detail(
                    "the server acknowledged the artifact before it had all its bytes",
                );
                return Err(error.into());
            }
        };
        let stored = header_text(response.headers(), &REPR_DIGEST).map(repr_digest::sha256);
        let receipt = receipt.find(response.headers());
        let response = read_json(Operation::Deposit, response, MAX_OBJECT, limit).await?;
        Ok(check_response(response, stored, receipt, (count, sha256))?)
    }
}
