//! A file in, an opaque URI out.

use std::pin::pin;

use artifact_backend::Sha256Digest;
use futures_util::future::{Either, select};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::body::{Body, Pieces, Source};
use crate::client::{Client, stalled, unanswered};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::multipart::{Form, Frame, Sent, Shared};
use crate::problem::{MAX_ANSWER, read_bounded, refusal};
use crate::progress::{OnProgress, Progress};

/// What is said of an artifact when it is deposited.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DepositOptions {
    /// The name of the file, or none; the server keeps the last component of it.
    pub file_name: Option<String>,
    /// The content type, or none, which the server takes for `application/octet-stream`.
    pub content_type: Option<String>,
    /// How many bytes there will be, where that is known: the server can then refuse too large a
    /// deposit before any byte, and other than so many bytes are an error.
    pub size: Option<u64>,
    /// Whether a deposit whose answer was lost is made again, which may leave an artifact behind
    /// whose URI nobody learnt; `false` by default.
    pub orphans_allowed: bool,
    on_progress: Option<OnProgress>,
}

impl DepositOptions {
    /// With a file name.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_file_name(mut self, file_name: impl Into<String>) -> Self {
        self.file_name = Some(file_name.into());
        self
    }

    /// With a content type: visible ASCII and spaces, at most 255 bytes.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// With the size in bytes.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// With leave to make a deposit again whose answer was lost, where the body can be sent again:
    /// the one before may have been made too, and nobody learns its URI.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_orphans_allowed(mut self) -> Self {
        self.orphans_allowed = true;
        self
    }

    /// With a function that is called as each piece goes to the connection. It must not block.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_progress(mut self, call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(OnProgress::new(call));
        self
    }
}

/// What the server made of a deposit. The bytes and their row are durable there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deposited {
    /// The opaque URI: visible ASCII, at most 512 bytes. Present it as it stands.
    pub uri: String,
    /// How many bytes there are, counted on both sides.
    pub size_bytes: u64,
    /// The content type as the server recorded it.
    pub content_type: String,
    /// The SHA-256 of the bytes that were sent, computed here.
    pub sha256: Sha256Digest,
}

/// The server's own words.
#[derive(Deserialize)]
struct Answer {
    artifacts_uri: String,
    size_bytes: u64,
    content_type: String,
}

/// Why one try of a deposit failed, and what is known of its fate.
struct Failed {
    error: Error,
    /// Whether nothing can have come of it: the connection did not come about, or the server refused
    /// before it could have had all of the body.
    untouched: bool,
}

impl Failed {
    /// The deposit may have been made, or the failure is none that another try could mend.
    fn perhaps_made(error: Error) -> Self {
        Self {
            error,
            untouched: false,
        }
    }
}

/// What stays the same over all tries of a deposit.
struct Deposit<'c> {
    client: &'c Client,
    frame: Frame,
    size: Option<u64>,
    on_progress: Option<OnProgress>,
}

impl Client {
    /// Deposits an artifact, streaming, in memory that does not grow with it.
    ///
    /// Each deposit makes another artifact, so it is made again only where the one before cannot have
    /// been made: no connection came about; the server said 429; it said 503 before it had all of the
    /// body. Even then the [`Body`] must be one that can be sent again. A deposit whose answer was
    /// lost is made again only [`with_orphans_allowed`](DepositOptions::with_orphans_allowed).
    ///
    /// Dropping the future breaks the connection off: the server then keeps nothing, or, when its
    /// answer was already on the way, an artifact whose URI nobody learnt.
    ///
    /// # Errors
    ///
    /// Every [`ErrorKind`] but `NotFound` of an artifact: 404 means that the address is not one of
    /// an artifact server. After [`Interrupted`](ErrorKind::Interrupted) the deposit may have been
    /// made.
    pub async fn deposit(
        &self,
        body: impl Into<Body>,
        options: DepositOptions,
    ) -> Result<Deposited> {
        let (source, size) = body.into().into_parts();
        let DepositOptions {
            file_name,
            content_type,
            size: announced,
            orphans_allowed,
            on_progress,
        } = options;
        let content_type = content_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        check_content_type(content_type)?;
        let deposit = Deposit {
            client: self,
            frame: Frame::new(file_name.as_deref().unwrap_or("file"), content_type),
            size: announced.or(size),
            on_progress,
        };
        let make = match source {
            Source::Once(pieces) => {
                let once = deposit.once(pieces).await;
                return once.map_err(|failed| failed.error);
            }
            Source::Repeatable(make) => make,
        };
        let mut retries = self.retries();
        loop {
            match deposit.once(make()).await {
                Ok(deposited) => return Ok(deposited),
                Err(Failed { error, untouched }) if untouched || orphans_allowed => {
                    retries.wait(error).await?;
                }
                Err(Failed { error, .. }) => return Err(error),
            }
        }
    }
}

impl Deposit<'_> {
    /// One try.
    async fn once(&self, pieces: Pieces) -> Result<Deposited, Failed> {
        let Self {
            client,
            frame,
            size,
            on_progress,
        } = self;
        let shared = Shared::new(on_progress.clone());
        let mut request = client
            .request(Method::POST, client.artifacts())
            .header(CONTENT_TYPE, &frame.content_type);
        if let Some(length) = size.and_then(|size| frame.length(size)) {
            request = request.header(CONTENT_LENGTH, length);
        }
        let form = Form::new(frame, pieces, *size, shared.clone());
        let request = request.body(reqwest::Body::wrap_stream(form));

        let limit = client.stall_timeout();
        // `select` polls the answer first: where both are ready, there is one.
        let (send, watch) = (pin!(request.send()), pin!(shared.pace.stalled(limit)));
        let answer = match select(send, watch).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => {
                return Err(Failed::perhaps_made(stalled(Operation::Deposit, limit)));
            }
        };
        let (answer, count, sha256) = match (answer, shared.take_sent()) {
            (Err(_), Sent::Failed(error)) => {
                let failed = Error::new(ErrorKind::Source, Operation::Deposit);
                return Err(Failed::perhaps_made(failed.with_source(error)));
            }
            (Err(error), _) => {
                let untouched = error.is_connect();
                let error = unanswered(Operation::Deposit, error);
                return Err(Failed { error, untouched });
            }
            // A refusal may come before the end of the body, and counts whatever became of it.
            (Ok(answer), body) if answer.status() != StatusCode::CREATED => {
                let untouched = match answer.status() {
                    StatusCode::TOO_MANY_REQUESTS => true,
                    // A server, or a proxy before it, says this too when it failed at the very end.
                    StatusCode::SERVICE_UNAVAILABLE => matches!(body, Sent::Partly),
                    _ => false,
                };
                let error = refusal(client, Operation::Deposit, answer).await;
                return Err(Failed { error, untouched });
            }
            (Ok(answer), Sent::Whole(count, sha256)) => (answer, count, sha256),
            (Ok(_), Sent::Partly | Sent::Failed(_)) => {
                let error = Error::new(ErrorKind::Protocol, Operation::Deposit)
                    .with_detail("the server acknowledged an artifact before its end");
                return Err(Failed::perhaps_made(error));
            }
        };
        let body = read_bounded(client, Operation::Deposit, answer, MAX_ANSWER).await;
        body.and_then(|body| acknowledged(&body, count, sha256))
            .map_err(Failed::perhaps_made)
    }
}

/// What a 201 says, checked against what was sent.
fn acknowledged(body: &[u8], count: u64, sha256: Sha256Digest) -> Result<Deposited> {
    let protocol = |detail: &str| {
        Error::new(ErrorKind::Protocol, Operation::Deposit)
            .with_answer(201, None)
            .with_detail(detail)
    };
    let Answer {
        artifacts_uri,
        size_bytes,
        content_type,
    } = serde_json::from_slice(body).map_err(|error| {
        protocol("the acknowledgement is not the JSON it should be").with_source(error)
    })?;
    // It ends in scripts and on terminals, so nothing invisible may be in it.
    let visible = artifacts_uri.bytes().all(|b| b.is_ascii_graphic());
    if !visible || !(1..=512).contains(&artifacts_uri.len()) {
        return Err(protocol("the URI is not 1 to 512 bytes of visible ASCII"));
    }
    if size_bytes != count {
        let detail = format!("{count} bytes were sent, the server counted {size_bytes}");
        return Err(Error::new(ErrorKind::DigestMismatch, Operation::Deposit).with_detail(detail));
    }
    Ok(Deposited {
        uri: artifacts_uri,
        size_bytes,
        content_type,
        sha256,
    })
}

fn check_content_type(text: &str) -> Result<()> {
    let fits = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if fits && (1..=255).contains(&text.len()) {
        Ok(())
    } else {
        Err(
            Error::invalid("a content type is 1 to 255 bytes of visible ASCII and spaces")
                .with_operation(Operation::Deposit),
        )
    }
}
