//! Deposits an artifact.

use std::pin::pin;
use std::time::Duration;

use artifact_backend::Sha256Digest;
use futures_util::future::{Either, select};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::body::{Body, ByteStream, Source};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{REPR_DIGEST, header_text};
use crate::multipart::{Envelope, Form, Sent, UploadState};
use crate::progress::{Progress, ProgressCallback};
use crate::repr_digest;
use crate::response::{MAX_OBJECT, no_response, read_json, stalled};

/// The options of a deposit.
#[derive(Debug, Clone, Default)]
pub struct DepositOptions {
    file_name: Option<String>,
    content_type: Option<String>,
    size: Option<u64>,
    expires_in: Option<Duration>,
    orphans_allowed: bool,
    on_progress: Option<ProgressCallback>,
}

/// The longest time that an artifact can be kept, unless it is kept for ever: 100 years of 365 days.
const MAX_EXPIRES_IN: Duration = Duration::from_hours(100 * 365 * 24);

impl DepositOptions {
    /// Sets the file name. The server keeps its last path component.
    #[must_use = "this returns the changed options"]
    pub fn with_file_name(mut self, file_name: impl Into<String>) -> Self {
        self.file_name = Some(file_name.into());
        self
    }

    /// Sets the content type: visible ASCII and spaces, at most 255 bytes. The default is
    /// `application/octet-stream`.
    #[must_use = "this returns the changed options"]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Sets the size in bytes. The server can then reject a deposit that is too large before it reads
    /// any byte. A body of another size is an error.
    #[must_use = "this returns the changed options"]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Sets how long the server keeps the artifact: 1 second to 100 years, in whole seconds. Without it, the
    /// [retention](Client::retention) of the experiment decides.
    #[must_use = "this returns the changed options"]
    pub fn with_expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period);
        self
    }

    /// Allows to retry a deposit whose response was lost, if its body can be sent again. The lost
    /// attempt may have created an artifact too, whose URI no client received.
    #[must_use = "this returns the changed options"]
    pub fn with_orphans_allowed(mut self) -> Self {
        self.orphans_allowed = true;
        self
    }

    /// Sets a function that is called for each chunk that goes to the connection. It must not block.
    #[must_use = "this returns the changed options"]
    pub fn with_progress(mut self, call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(ProgressCallback::new(call));
        self
    }
}

/// A successful deposit. The server has made the bytes and their record durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deposited {
    /// The opaque URI: visible ASCII, at most 512 bytes. Pass it to
    /// [`fetch`](Client::fetch) unchanged.
    pub uri: String,
    /// The size in bytes. The client and the server counted the same.
    pub size_bytes: u64,
    /// The content type that the server recorded.
    pub content_type: String,
    /// The SHA-256 of the bytes that were sent, computed by the client.
    pub sha256: Sha256Digest,
    /// Whether the server confirmed this SHA-256 (`Repr-Digest` of the response). A server that does
    /// not send the field confirms only the size.
    pub verified: bool,
}

/// The body of a 201 response.
#[derive(Deserialize)]
struct DepositResponse {
    artifacts_uri: String,
    size_bytes: u64,
    content_type: String,
}

/// A failed attempt of a deposit.
struct FailedAttempt {
    error: Error,
    /// Whether the attempt cannot have created an artifact: connecting failed, or the server rejected
    /// the request before it could have received the whole body.
    nothing_stored: bool,
}

/// Converts an error that must not be retried: an artifact may exist already, or a retry cannot help.
impl From<Error> for FailedAttempt {
    fn from(error: Error) -> Self {
        Self {
            error,
            nothing_stored: false,
        }
    }
}

/// The part of a deposit that all attempts share.
struct Deposit<'c> {
    client: &'c Client,
    envelope: Envelope,
    size: Option<u64>,
    expires_in: Option<Duration>,
    on_progress: Option<ProgressCallback>,
}

impl Client {
    /// Deposits an artifact. It is streamed; memory does not grow with it.
    ///
    /// The client computes the SHA-256 of the bytes that it sends, and compares it with the SHA-256 that
    /// the server computed of the bytes that it stored. Of bytes in memory it sends the digest ahead,
    /// so that the server refuses other bytes (`BadRequest`) and keeps nothing of them.
    ///
    /// Each deposit creates a new artifact. It is therefore retried only if the failed attempt cannot
    /// have created one: connecting failed, the status was 429, or the status was 503 before the
    /// server had the whole body. The [`Body`] must also be one that can be sent again. A deposit
    /// whose response was lost is retried only
    /// [`with_orphans_allowed`](DepositOptions::with_orphans_allowed).
    ///
    /// If the future is dropped, the connection is closed. The server then keeps nothing, or, if its
    /// response was already on the way, an artifact whose URI no client received.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`]. [`DigestMismatch`](ErrorKind::DigestMismatch) means that the server stored
    /// other bytes than were sent: discard the artifact whose URI the error names, and deposit again.
    /// `NotFound` means that no artifact server answers at this address. After
    /// [`Interrupted`](ErrorKind::Interrupted) the artifact may exist.
    pub async fn deposit(
        &self,
        body: impl Into<Body>,
        options: DepositOptions,
    ) -> Result<Deposited> {
        let (source, body_size, bytes) = body.into().into_parts();
        let DepositOptions {
            file_name,
            content_type,
            size,
            expires_in,
            orphans_allowed,
            on_progress,
        } = options;
        let content_type = content_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        check_content_type(content_type)?;
        check_expires_in(expires_in)?;
        let deposit = Deposit {
            client: self,
            envelope: Envelope::new(
                file_name.as_deref().unwrap_or("file"),
                content_type,
                bytes.as_deref().map(sha256_of),
            ),
            size: size.or(body_size),
            expires_in,
            on_progress,
        };
        let open = match source {
            Source::Once(stream) => {
                let sent = deposit.send_once(stream).await;
                return sent.map_err(|failed| failed.error);
            }
            Source::Repeatable(open) => open,
        };
        let mut retries = self.retries();
        loop {
            match deposit.send_once(open()).await {
                Ok(deposited) => return Ok(deposited),
                Err(failed) if failed.nothing_stored || orphans_allowed => {
                    retries.wait_before_retry(failed.error).await?;
                }
                Err(failed) => return Err(failed.error),
            }
        }
    }
}

impl Deposit<'_> {
    /// Makes one attempt.
    async fn send_once(&self, stream: ByteStream) -> Result<Deposited, FailedAttempt> {
        let Self {
            client,
            envelope,
            size,
            expires_in,
            on_progress,
        } = self;
        let state = UploadState::new(on_progress.clone());
        let mut request = client
            .request(Method::POST, client.url(&["artifacts"]))
            .header(CONTENT_TYPE, &envelope.content_type);
        if let Some(length) = size.and_then(|size| envelope.length(size)) {
            request = request.header(CONTENT_LENGTH, length);
        }
        if let Some(period) = expires_in {
            request = request.header("artifact-expires-in", period.as_secs());
        }
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
        let response = read_json(Operation::Deposit, response, MAX_OBJECT, limit).await?;
        Ok(check_response(response, stored, count, sha256)?)
    }
}

/// Compares a 201 response, and the digest in its `Repr-Digest`, with what was sent.
fn check_response(
    response: DepositResponse,
    stored: Option<Result<Option<Sha256Digest>, ()>>,
    count: u64,
    sha256: Sha256Digest,
) -> Result<Deposited> {
    let DepositResponse {
        artifacts_uri: uri,
        size_bytes,
        content_type,
    } = response;
    // The URI goes on to scripts and terminals, so it must not contain invisible characters.
    if !uri.bytes().all(|b| b.is_ascii_graphic()) || !(1..=512).contains(&uri.len()) {
        return Err(Error::new(ErrorKind::Protocol, Operation::Deposit)
            .with_response(201, None)
            .with_detail("the URI in the response is not 1 to 512 bytes of visible ASCII"));
    }
    if size_bytes != count {
        let detail = format!(
            "{count} bytes were sent, the server counted {size_bytes}; do not use {uri}, and deposit \
             again"
        );
        return Err(Error::new(ErrorKind::DigestMismatch, Operation::Deposit).with_detail(detail));
    }
    let stored = stored.transpose().map_err(|()| {
        Error::new(ErrorKind::Protocol, Operation::Deposit)
            .with_response(201, None)
            .with_detail(format!(
                "the response's Repr-Digest is not a SHA-256, so {uri} is not verified"
            ))
    })?;
    let stored = stored.flatten();
    if let Some(stored) = stored.filter(|stored| *stored != sha256) {
        let detail = format!(
            "the artifact {uri} differs from the bytes that were sent: sent SHA-256 {sha256}, stored \
             SHA-256 {stored}; something between client and server changed the bytes: do not use \
             this artifact, and deposit again"
        );
        return Err(Error::new(ErrorKind::DigestMismatch, Operation::Deposit).with_detail(detail));
    }
    Ok(Deposited {
        uri,
        size_bytes,
        content_type,
        sha256,
        verified: stored.is_some(),
    })
}

fn sha256_of(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

fn check_expires_in(period: Option<Duration>) -> Result<()> {
    if period.is_none_or(|period| (Duration::from_secs(1)..=MAX_EXPIRES_IN).contains(&period)) {
        return Ok(());
    }
    Err(
        Error::invalid_input("an artifact is kept for 1 second to 100 years")
            .with_operation(Operation::Deposit),
    )
}

fn check_content_type(text: &str) -> Result<()> {
    let valid = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if valid && (1..=255).contains(&text.len()) {
        Ok(())
    } else {
        Err(Error::invalid_input(
            "a content type has 1 to 255 bytes, which are visible ASCII and spaces",
        )
        .with_operation(Operation::Deposit))
    }
}
