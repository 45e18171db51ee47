//! Deposits an artifact.

use std::pin::pin;
use std::time::Duration;

use artifact_backend::{Sha256Digest, random};
use futures_util::future::{Either, select};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::body::{Body, ByteStream, Source};
use crate::client::Client;
use crate::deposit_options::DepositOptions;
use crate::disposition::content_disposition;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{REPR_DIGEST, header_text};
use crate::multipart::{Envelope, Form, Sent, UploadState};
use crate::progress::ProgressCallback;
use crate::repr_digest;
use crate::response::{MAX_OBJECT, no_response, read_json, stalled};
use crate::resumable::{RESUMABLE_FROM, ResumableDeposit};

/// The longest time that an artifact can be kept, unless it is kept for ever: 100 years of 365 days.
const MAX_EXPIRES_IN: Duration = Duration::from_hours(100 * 365 * 24);

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
/// A type that a server takes for none.
const NO_TYPE: &str = "application/x-www-form-urlencoded";

#[derive(Deserialize)]
pub(crate) struct DepositResponse {
    artifacts_uri: String,
    size_bytes: u64,
    content_type: String,
    /// Only in responses of management.
    pub(crate) sha256: Option<String>,
}

impl DepositResponse {
    /// Returns the URI, which is not checked.
    pub(crate) fn uri(&self) -> &str {
        &self.artifacts_uri
    }
}

/// A failed attempt of a deposit.
struct FailedAttempt {
    error: Error,
    /// Whether the attempt cannot have created an artifact: connecting failed, or the server rejected
    /// the request before it could have received the whole body.
    nothing_stored: bool,
    /// Whether the server may have no such path.
    is_unknown_path: bool,
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
struct Deposit<'c> {
    client: &'c Client,
    file_name: Option<String>,
    /// The key, if the body is the artifact itself; `None` for a form.
    key: Option<String>,
    /// The URL of the name in a collection that it is deposited under.
    name: Option<Url>,
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
    /// Each deposit has a random key (`Idempotency-Key`), or [one of the program](DepositOptions::with_idempotency_key), and creates
    /// one artifact, however often it is sent. So it is retried if another attempt may help, also if the response was lost. The
    /// [`Body`] must be one that can be sent again.
    ///
    /// A [`Body`] that can be sent again and whose size is known and at least 16 MiB is deposited by a resumable upload, if the server
    /// has them and the program gave no key: after a broken connection, only the bytes are sent that the server does not have. A
    /// program can go on with it after a restart, see [`with_on_upload`](DepositOptions::with_on_upload). If the future is dropped,
    /// the server keeps what has arrived until the upload expires.
    ///
    /// A server without the endpoints of management has no keys: see
    /// [`with_form_deposits`](crate::ClientBuilder::with_form_deposits). Deposits of the types `multipart/form-data` and
    /// `application/x-www-form-urlencoded` are forms, too, because the server would take them for what they say. A form is retried
    /// only if the failed attempt cannot have created an artifact: connecting failed, the status was 429, or the status was
    /// 503 before the server had the whole body; and
    /// [`with_orphans_allowed`](DepositOptions::with_orphans_allowed) also in other cases.
    ///
    /// If the future is dropped, the connection is closed. The server then keeps nothing, or, if it had the whole body, an
    /// artifact whose URI no client received.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`]. [`DigestMismatch`](ErrorKind::DigestMismatch) means that the server stored
    /// other bytes than were sent: discard the artifact whose URI the error names, and deposit again.
    /// `NotFound` means that no artifact server answers at this address. After
    /// [`Interrupted`](ErrorKind::Interrupted) the artifact may exist; deposit again with the same key.
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
            idempotency_key,
            on_progress,
            upload,
            on_upload,
        } = options;
        let content_type = content_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        check_content_type(content_type)?;
        check_expires_in(expires_in)?;
        let has_own_key = idempotency_key.is_some();
        let is_form = is_form_type(content_type) || self.deposits_forms();
        let key = match idempotency_key {
            Some(_) if is_form => return Err(no_keys()),
            Some(key) => Some(quoted(&key)?),
            None if is_form => None,
            None => Some(random_key()),
        };
        let mut deposit = Deposit {
            client: self,
            file_name,
            key,
            name: None,
            envelope: Envelope::none(content_type, bytes.as_deref().map(sha256_of)),
            size: size.or(body_size),
            expires_in,
            on_progress,
        };
        if is_form {
            deposit.use_form();
        }
        let can_resume = matches!(source, Source::Repeatable(_))
            && deposit.size.is_some()
            && deposit.key.is_some()
            && !has_own_key;
        if upload.is_some() && !can_resume {
            return Err(cannot_resume());
        }
        let open = match source {
            Source::Once(stream) => {
                let sent = deposit.send_once(stream).await;
                return sent.map_err(|failed| match &deposit.key {
                    Some(_) if failed.is_unknown_path => failed.error.with_detail(
                        "the server has no endpoints of management; for such a server, build the client with form deposits",
                    ),
                    _ => failed.error,
                });
            }
            Source::Repeatable(open) => open,
        };
        let is_resumable = |size: &u64| *size >= RESUMABLE_FROM || upload.is_some();
        if let Some(size) = deposit.size.filter(is_resumable)
            && can_resume
        {
            let resumable = ResumableDeposit {
                client: self,
                open: &open,
                size,
                file_name: deposit.file_name.as_deref(),
                content_type,
                expires_in,
                on_progress: deposit.on_progress.clone(),
                upload,
                on_upload,
            };
            if let Some(deposited) = Box::pin(resumable.run()).await? {
                return Ok(deposited);
            }
        }
        let mut retries = self.retries();
        loop {
            match deposit.send_once(open()).await {
                Ok(deposited) => return Ok(deposited),
                Err(failed) if failed.is_unknown_path && !has_own_key && deposit.key.is_some() => {
                    self.deposit_forms();
                    deposit.use_form();
                }
                Err(failed)
                    if failed.nothing_stored || deposit.key.is_some() || orphans_allowed =>
                {
                    retries.wait_before_retry(failed.error).await?;
                }
                Err(failed) => return Err(failed.error),
            }
        }
    }
}

impl Client {
    /// Deposits a body under a name. If the name is given once an attempt may have succeeded, `find_equal` says whether that was
    /// this body.
    pub(crate) async fn deposit_at<F>(
        &self,
        name: Url,
        body: Body,
        options: DepositOptions,
        find_equal: impl Fn(ByteStream) -> F,
    ) -> Result<Deposited>
    where
        F: Future<Output = Result<Option<Deposited>>>,
    {
        let (source, body_size, bytes) = body.into_parts();
        let DepositOptions {
            content_type,
            size,
            expires_in,
            on_progress,
            ..
        } = options;
        // This type counts as none, so the server guesses one by the name.
        let content_type = content_type.as_deref().unwrap_or(NO_TYPE);
        check_content_type(content_type)?;
        check_expires_in(expires_in)?;
        let deposit = Deposit {
            client: self,
            file_name: None,
            key: None,
            name: Some(name),
            envelope: Envelope::none(content_type, bytes.as_deref().map(sha256_of)),
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
        let mut may_be_stored = false;
        loop {
            match deposit.send_once(open()).await {
                Ok(deposited) => return Ok(deposited),
                Err(failed) if may_be_stored && failed.error.kind() == ErrorKind::AlreadyExists => {
                    return find_equal(open()).await?.ok_or(failed.error);
                }
                Err(failed) => {
                    retries.wait_before_retry(failed.error).await?;
                    may_be_stored |= !failed.nothing_stored;
                }
            }
        }
    }
}

impl Deposit<'_> {
    /// Makes the deposit a form. It then has no key.
    fn use_form(&mut self) {
        self.key = None;
        self.envelope = Envelope::new(
            self.file_name.as_deref().unwrap_or("file"),
            &self.envelope.content_type,
            self.envelope.sha256,
        );
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
    async fn send_once(&self, stream: ByteStream) -> Result<Deposited, FailedAttempt> {
        let Self {
            client,
            envelope,
            size,
            expires_in,
            on_progress,
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
        let response = read_json(Operation::Deposit, response, MAX_OBJECT, limit).await?;
        Ok(check_response(response, stored, count, sha256)?)
    }
}

/// Compares a 201 response, and the digest in its `Repr-Digest`, with what was sent.
pub(crate) fn check_response(
    response: DepositResponse,
    stored: Option<Result<Option<Sha256Digest>, ()>>,
    count: u64,
    sha256: Sha256Digest,
) -> Result<Deposited> {
    let DepositResponse {
        artifacts_uri: uri,
        size_bytes,
        content_type,
        sha256: _,
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

/// Returns a new key of 128 random bits, quoted.
fn random_key() -> String {
    format!("\"{:032x}\"", u128::from_ne_bytes(random::bytes()))
}

/// Returns a key as a string of a structured field (RFC 9651, section 3.3.3).
fn quoted(key: &str) -> Result<String> {
    let is_printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_printable || !(1..=255).contains(&key.len()) {
        let detail = "an idempotency key has 1 to 255 printable ASCII characters";
        return Err(Error::invalid_input(detail).with_operation(Operation::Deposit));
    }
    let escaped = key.replace('\\', r"\\").replace('"', "\\\"");
    Ok(format!("\"{escaped}\""))
}

fn cannot_resume() -> Error {
    let detail = "an upload goes on only with a file whose size is known, that can be read again, that is no form and has no key";
    Error::invalid_input(detail).with_operation(Operation::Deposit)
}

fn no_keys() -> Error {
    let detail = "a deposit by a form has no idempotency key: the server has none, or the content type is that of a form";
    Error::invalid_input(detail).with_operation(Operation::Deposit)
}

/// Returns whether the server would not record this type of a body.
fn is_form_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["multipart/form-data", "application/x-www-form-urlencoded"]
        .iter()
        .any(|form| essence.eq_ignore_ascii_case(form))
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
