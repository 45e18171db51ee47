//! Deposits a large file by a resumable upload (tus 1.0), which goes on where a broken connection ended.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use artifact_backend::Sha256Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use futures_util::future::{Either, select};
use futures_util::stream::{Stream, StreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::body::{ByteStream, OpenStream};
use crate::client::{Client, Repeat};
use crate::deposit::{DepositResponse, Deposited, ReceivedReceipt, WantedReceipt, check_response};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::multipart::{Sent, UploadState};
use crate::progress::ProgressCallback;
use crate::response::{MAX_OBJECT, no_response, read_json, stalled};
use crate::retry::Retries;

/// A file of at least this size is deposited by a resumable upload: 16 MiB. Servers store an upload in parts of that size.
pub(crate) const RESUMABLE_FROM: u64 = 16 << 20;

const OPERATION: Operation = Operation::Deposit;

/// A file to deposit.
pub(crate) struct ResumableDeposit<'c> {
    pub(crate) client: &'c Client,
    pub(crate) open: &'c OpenStream,
    pub(crate) size: u64,
    pub(crate) file_name: Option<&'c str>,
    pub(crate) content_type: &'c str,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) on_progress: Option<ProgressCallback>,
    /// The upload to go on with.
    pub(crate) upload: Option<String>,
    pub(crate) on_upload: Option<UploadCallback>,
    pub(crate) receipt: WantedReceipt,
}

/// What is called with the id of an upload.
#[derive(Clone)]
pub(crate) struct UploadCallback(pub(crate) Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for UploadCallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UploadCallback")
    }
}

/// What the server says about an upload.
#[derive(Deserialize)]
struct UploadResponse {
    offset: u64,
    length: Option<u64>,
    artifact: Option<DepositResponse>,
    /// That of the artifact, from the header.
    #[serde(skip)]
    receipt: Option<ReceivedReceipt>,
}

impl ResumableDeposit<'_> {
    /// Deposits the file. Returns `None`, and leaves nothing, if the server has no uploads, or no place for another one: the file
    /// is then deposited in one request. An upload to go on with must be there.
    pub(crate) async fn run(&self) -> Result<Option<Deposited>> {
        let mut retries = self.client.retries();
        let (url, mut state) = match &self.upload {
            Some(id) => {
                let (url, found) = self.find(id, &mut retries).await?;
                (url, Some(found))
            }
            None => match self.begin(&mut retries).await? {
                Some(url) => (url, None),
                None => return Ok(None),
            },
        };
        let mut sent = None;
        loop {
            let offset = match state.take() {
                Some(UploadResponse {
                    artifact: Some(artifact),
                    receipt,
                    ..
                }) => return self.check(artifact, receipt, sent).await.map(Some),
                Some(UploadResponse { offset, .. }) => offset,
                None => 0,
            };
            match self.append(&url, offset).await {
                Ok(sha256) => sent = Some(sha256),
                Err(failed) => retries.wait_before_retry(failed).await?,
            }
            // Whatever it was, the server knows how much has arrived.
            let now = self.read(&url, &mut retries).await?;
            if now.offset > offset {
                retries.reset();
            }
            state = Some(now);
        }
    }

    /// Begins an upload, and returns its URL.
    async fn begin(&self, retries: &mut Retries) -> Result<Option<Url>> {
        let url = self.client.management_url(&["uploads"]);
        let metadata = self.metadata();
        let request = || {
            let mut request = self.client.request(Method::POST, url.clone());
            request = request
                .header("tus-resumable", "1.0.0")
                .header("upload-length", self.size)
                .header("upload-metadata", &metadata);
            if let Some(period) = self.expires_in {
                request = request.header("artifact-expires-in", period.as_secs());
            }
            request.header(CONTENT_LENGTH, 0)
        };
        let expected = [
            StatusCode::CREATED,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        // An upload whose response was lost has no bytes, and expires.
        let sent = self
            .client
            .send(OPERATION, retries, Repeat::Always, request, &expected);
        let response = sent.await?;
        if response.status() != StatusCode::CREATED {
            return Ok(None);
        }
        let location = response.headers().get(LOCATION);
        let id = location
            .and_then(|location| location.to_str().ok()?.rsplit('/').next())
            .filter(|id| is_id(id))
            .ok_or_else(|| {
                Error::new(ErrorKind::Protocol, OPERATION)
                    .with_response(201, None)
                    .with_detail("the response has no Location of an upload")
            })?;
        if let Some(call) = &self.on_upload {
            (call.0)(id);
        }
        Ok(Some(self.url(id)))
    }

    /// Finds the upload to go on with.
    async fn find(&self, id: &str, retries: &mut Retries) -> Result<(Url, UploadResponse)> {
        let invalid = |detail| Error::invalid_input(detail).with_operation(OPERATION);
        if !is_id(id) {
            return Err(invalid(format!(
                "{} is not the id of an upload",
                id.escape_debug()
            )));
        }
        let url = self.url(id);
        let state = match self.read(&url, retries).await {
            Ok(state) => state,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) => {
                return Err(invalid(format!(
                    "the server has no upload {id} of this principal; it may have expired"
                )));
            }
            Err(error) => return Err(error),
        };
        match state.length {
            Some(length) if length == self.size => Ok((url, state)),
            Some(length) => Err(invalid(format!(
                "the upload {id} is one of {length} bytes, and the file has {}",
                self.size
            ))),
            None => Err(invalid(format!("the upload {id} has no declared length"))),
        }
    }

    async fn read(&self, url: &Url, retries: &mut Retries) -> Result<UploadResponse> {
        let request = || {
            let request = self.client.request(Method::GET, url.clone());
            // Only this response is sure to be received: one to an append may be lost.
            self.receipt.ask(request.header("tus-resumable", "1.0.0"))
        };
        let expected = [StatusCode::OK];
        let sent = self
            .client
            .send(OPERATION, retries, Repeat::Always, request, &expected);
        let response = sent.await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_detail("the upload has expired or was ended"),
            _ => error,
        })?;
        let limit = self.client.stall_timeout();
        let receipt = self.receipt.find(response.headers());
        let read: UploadResponse = read_json(OPERATION, response, MAX_OBJECT, limit).await?;
        Ok(UploadResponse { receipt, ..read })
    }

    /// Sends the bytes from an offset on. Returns the SHA-256 of the whole file.
    async fn append(&self, url: &Url, offset: u64) -> Result<Sha256Digest> {
        let state = UploadState::new(self.on_progress.clone());
        let rest = Rest {
            source: (self.open)(),
            skip: offset,
            count: 0,
            size: self.size,
            hasher: Sha256::new(),
            state: Arc::clone(&state),
        };
        let request = self
            .client
            .request(Method::PATCH, url.clone())
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", offset)
            .header(CONTENT_TYPE, "application/offset+octet-stream")
            .header(CONTENT_LENGTH, self.size.saturating_sub(offset))
            .body(reqwest::Body::wrap_stream(rest));
        let limit = self.client.stall_timeout();
        let exchange = pin!(request.send());
        let stall = pin!(state.stall_detector.wait_for_stall(limit));
        let outcome = match select(exchange, stall).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => return Err(stalled(OPERATION, limit)),
        };
        match (outcome, state.take_sent()) {
            (Err(_), Sent::Failed(error)) => {
                Err(Error::new(ErrorKind::Source, OPERATION).with_source(error))
            }
            (Err(error), _) => Err(no_response(OPERATION, error)),
            (Ok(response), Sent::Complete(_, sha256))
                if response.status() == StatusCode::NO_CONTENT =>
            {
                Ok(sha256)
            }
            (Ok(response), _) if response.status() == StatusCode::NO_CONTENT => {
                Err(Error::new(ErrorKind::Protocol, OPERATION)
                    .with_detail("the server acknowledged bytes that it did not get"))
            }
            // Another append was faster: of this client, before its connection broke.
            (Ok(response), _) if response.status() == StatusCode::CONFLICT => {
                Err(Error::new(ErrorKind::Interrupted, OPERATION)
                    .with_detail("the server had other bytes of the upload than it said"))
            }
            (Ok(response), _) => Err(self.client.rejection(OPERATION, response).await),
        }
    }

    /// Compares the artifact with the bytes of the file.
    async fn check(
        &self,
        artifact: DepositResponse,
        receipt: Option<ReceivedReceipt>,
        sent: Option<Sha256Digest>,
    ) -> Result<Deposited> {
        let sha256 = match sent {
            Some(sha256) => sha256,
            None => self.hash().await?,
        };
        let stored = artifact.sha256.as_deref().map(str::parse).transpose();
        let stored = stored.map(Some).map_err(drop).transpose();
        let uri = artifact.uri().to_owned();
        match check_response(artifact, stored, receipt, (self.size, sha256)) {
            Err(error) if error.kind() == ErrorKind::DigestMismatch => {
                Err(self.discard(&uri, sent.is_some()).await)
            }
            checked => checked,
        }
    }

    /// Deletes an artifact with other bytes than the file, if this deposit has completed it. An artifact that was complete before is one
    /// that an earlier deposit may have returned. Returns what to report.
    async fn discard(&self, uri: &str, is_new: bool) -> Error {
        let detail = if !is_new {
            format!(
                "the upload was complete already, as the artifact {uri}, which differs from the bytes of this file; the file may \
                 have changed since: deposit it as a new upload"
            )
        } else if self.client.remove(uri).await.is_ok() {
            "the artifact differs from the bytes of the file, and was deleted; the file may have changed since the upload began: \
             deposit it as a new upload"
                .to_owned()
        } else {
            format!(
                "the artifact {uri} differs from the bytes of the file, which may have changed since the upload began, and could \
                 not be deleted; delete it, and deposit the file as a new upload"
            )
        };
        Error::new(ErrorKind::DigestMismatch, OPERATION).with_detail(detail)
    }

    /// Reads the file once more. The last request was acknowledged to an earlier run of the program.
    async fn hash(&self) -> Result<Sha256Digest> {
        let mut hasher = Sha256::new();
        let mut source = (self.open)();
        while let Some(chunk) = source.next().await {
            let failed = |error| Error::new(ErrorKind::Source, OPERATION).with_source(error);
            hasher.update(&chunk.map_err(failed)?);
        }
        Ok(Sha256Digest::from_bytes(hasher.finalize().into()))
    }

    fn url(&self, id: &str) -> Url {
        self.client.management_url(&["uploads", id])
    }

    fn metadata(&self) -> String {
        let content_type = STANDARD.encode(self.content_type);
        let name = self.file_name.map(|name| STANDARD.encode(name));
        let name = name.map_or_else(String::new, |name| format!("filename {name},"));
        format!("{name}filetype {content_type}")
    }
}

/// Returns whether a text can be the id of an upload. It becomes part of a URL.
fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The bytes of a file from an offset on. All of them are hashed.
struct Rest {
    source: ByteStream,
    /// How many bytes the server has and are not sent.
    skip: u64,
    count: u64,
    size: u64,
    hasher: Sha256,
    state: Arc<UploadState>,
}

impl Rest {
    fn fail(&self, error: io::Error) -> io::Error {
        self.state.set_sent(Sent::Failed(error));
        io::Error::other("the body of the deposit failed")
    }

    fn wrong_size(&self, what: &str) -> io::Error {
        self.fail(io::Error::other(format!(
            "the body has {what} than the declared {} bytes",
            self.size
        )))
    }
}

impl Stream for Rest {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        this.state.stall_detector.record_poll(false);
        loop {
            let Poll::Ready(item) = this.source.as_mut().poll_next(context) else {
                this.state.stall_detector.record_poll(true);
                return Poll::Pending;
            };
            let mut chunk = match item {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(this.fail(error)))),
                None if this.count < this.size => {
                    return Poll::Ready(Some(Err(this.wrong_size("fewer"))));
                }
                None => return Poll::Ready(None),
            };
            this.count += chunk.len() as u64;
            if this.count > this.size {
                return Poll::Ready(Some(Err(this.wrong_size("more"))));
            }
            this.hasher.update(&chunk);
            if this.count == this.size {
                // The connection asks for nothing more once it has the last bytes.
                let sha256 = Sha256Digest::from_bytes(this.hasher.finalize_reset().into());
                this.state.set_sent(Sent::Complete(this.count, sha256));
            }
            let skipped =
                usize::try_from(this.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
            chunk.advance(skipped);
            this.skip -= skipped as u64;
            if !chunk.is_empty() {
                this.state.report_progress(this.count, Some(this.size));
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
    }
}
