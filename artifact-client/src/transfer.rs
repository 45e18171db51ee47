//! The bytes of a fetch, across as many connections as needed.

use std::ops::Range;
use std::time::Duration;

use artifact_backend::Sha256Digest;
use bytes::{Buf, Bytes};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use crate::client::{Client, Repeat};
use crate::content_range::ContentRange;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{ResponseHeaders, header_text};
use crate::progress::ProgressCallback;
use crate::response::{broken_body, stalled};
use crate::retry::Retries;

/// A fetch after its first response.
///
/// The first response decides what is delivered. A later response only continues at the next byte, and
/// only if the server confirms by the same strong entity tag that the bytes are the same.
pub(crate) struct Transfer {
    pub(crate) client: Client,
    pub(crate) url: Url,
    pub(crate) retries: Retries,
    pub(crate) on_progress: Option<ProgressCallback>,
    /// The first byte to deliver. This and the next two are positions in the artifact.
    pub(crate) start: u64,
    /// The next byte to deliver.
    pub(crate) position: u64,
    /// The end of the delivered bytes (exclusive), if known.
    pub(crate) end: Option<u64>,
    /// The size of the whole artifact, if known.
    pub(crate) total: Option<u64>,
    pub(crate) etag: Option<HeaderValue>,
    /// The recorded SHA-256 of the whole artifact.
    pub(crate) sha256: Option<Sha256Digest>,
    /// Hashes across all connections; `None` if only a part is delivered, which has no digest.
    pub(crate) hasher: Option<Sha256>,
    pub(crate) body: ResponseBody,
}

/// The response body that is being read.
pub(crate) struct ResponseBody {
    stream: Option<BoxStream<'static, reqwest::Result<Bytes>>>,
    /// How many of its bytes come before the next byte to deliver.
    skip: u64,
    /// Whether it continues after the last byte to deliver, because the server ignored the range.
    surplus: bool,
}

impl ResponseBody {
    pub(crate) fn new(response: Response, skip: u64, surplus: bool) -> Self {
        Self {
            stream: Some(response.bytes_stream().boxed()),
            skip,
            surplus,
        }
    }

    /// Returns the next chunk, which must arrive within the time-out. The time between two calls does
    /// not count.
    async fn next_chunk(&mut self, limit: Duration) -> Result<Option<Bytes>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        match tokio::time::timeout(limit, stream.next()).await {
            Ok(chunk) => chunk
                .transpose()
                .map_err(|error| broken_body(Operation::Fetch, error)),
            Err(_) => Err(stalled(Operation::Fetch, limit)),
        }
    }
}

/// The outcome of resuming.
#[derive(PartialEq, Eq)]
enum Resumed {
    /// A new response continues the transfer.
    Continued,
    /// There is nothing more to deliver.
    AtEnd,
}

impl Transfer {
    /// Returns the stream of chunks. It ends after the first error.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        futures_util::stream::unfold(Some(self), |transfer| async move {
            let mut transfer = transfer?;
            match transfer.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(transfer))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .fuse()
    }

    /// Returns the next chunk, which is never empty, or `None` after everything is delivered and
    /// verified.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let complete = self.end == Some(self.position);
            if complete && self.body.surplus {
                return self.verify();
            }
            let limit = self.client.stall_timeout();
            let broken = match self.body.next_chunk(limit).await {
                Ok(Some(chunk)) => match self.process_chunk(chunk)? {
                    Some(chunk) => return Ok(Some(chunk)),
                    None => continue,
                },
                Ok(None) if self.end.is_none() || complete => return self.verify(),
                Ok(None) => Error::new(ErrorKind::Interrupted, Operation::Fetch),
                // All bytes have arrived; only the end of the response is missing.
                Err(_) if complete => return self.verify(),
                Err(error) => error,
            };
            if self.resume(self.with_byte_count(broken)).await? == Resumed::AtEnd {
                return self.verify();
            }
        }
    }

    /// Cuts a chunk to the bytes to deliver, counts and hashes them, and reports the progress.
    fn process_chunk(&mut self, mut chunk: Bytes) -> Result<Option<Bytes>> {
        let length = chunk.len() as u64;
        let skipped = self.body.skip.min(length);
        self.body.skip -= skipped;
        // `skipped` is at most the length of a chunk in memory.
        chunk.advance(usize::try_from(skipped).unwrap_or(chunk.len()));
        if chunk.is_empty() {
            return Ok(None);
        }
        if let Some(end) = self.end {
            let remaining = usize::try_from(end - self.position).unwrap_or(usize::MAX);
            if chunk.len() > remaining && !self.body.surplus {
                return Err(protocol_error(
                    "the response has more bytes than it announced",
                ));
            }
            chunk.truncate(remaining);
        }
        self.position += chunk.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        self.retries.reset();
        if let Some(call) = &self.on_progress {
            let total = self.end.map(|end| end - self.start);
            call.report(self.position - self.start, total);
        }
        Ok(Some(chunk))
    }

    /// Ends the transfer and compares the digest.
    fn verify(&mut self) -> Result<Option<Bytes>> {
        self.body.stream = None;
        let (Some(hasher), Some(recorded)) = (self.hasher.take(), self.sha256) else {
            return Ok(None);
        };
        let found = Sha256Digest::from_bytes(hasher.finalize().into());
        if found == recorded {
            return Ok(None);
        }
        let detail = format!("received SHA-256 {found}, recorded SHA-256 {recorded}");
        Err(Error::new(ErrorKind::DigestMismatch, Operation::Fetch).with_detail(detail))
    }

    fn with_byte_count(&self, error: Error) -> Error {
        if !error.detail().is_empty() {
            return error;
        }
        let arrived = self.position - self.start;
        match self.end {
            Some(end) => {
                error.with_detail(format!("{arrived} of {} bytes arrived", end - self.start))
            }
            None => error.with_detail(format!("{arrived} bytes arrived")),
        }
    }

    /// Requests the rest after a delay. Returns the error if that is not possible or cannot help.
    async fn resume(&mut self, broken: Error) -> Result<Resumed> {
        let Some(etag) = self.etag.clone() else {
            return Err(broken);
        };
        // Closes the broken connection before the delay.
        self.body.stream = None;
        self.retries.wait_before_retry(broken).await?;
        let range = match self.end {
            Some(end) => format!("bytes={}-{}", self.position, end - 1),
            None => format!("bytes={}-", self.position),
        };
        let (client, url) = (self.client.clone(), self.url.clone());
        let request = || {
            let request = client.request(Method::GET, url.clone());
            request.header(RANGE, &range).header(IF_RANGE, &etag)
        };
        let expected = [
            StatusCode::PARTIAL_CONTENT,
            StatusCode::OK,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ];
        let retries = &mut self.retries;
        let response = client
            .send(
                Operation::Fetch,
                retries,
                Repeat::Always,
                request,
                &expected,
            )
            .await?;
        self.continue_with(response, &etag)
    }

    /// Continues with a response if it belongs to the same artifact and contains the requested bytes.
    fn continue_with(&mut self, response: Response, etag: &HeaderValue) -> Result<Resumed> {
        let status = response.status();
        let headers =
            ResponseHeaders::parse(Operation::Fetch, status.as_u16(), response.headers())?;
        let range = header_text(response.headers(), &CONTENT_RANGE).and_then(ContentRange::parse);
        let tag = response.headers().get(ETAG);
        let tag_differs = tag.is_some_and(|found| found != etag);
        let digest_differs = matches!(
            (headers.sha256, self.sha256),
            (Some(found), Some(recorded)) if found != recorded
        );
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            return match range {
                // Everything had arrived, but the first response did not announce the size.
                Some(ContentRange::Unsatisfied { total })
                    if self.end.is_none() && total == self.position && self.sha256.is_some() =>
                {
                    Ok(Resumed::AtEnd)
                }
                Some(ContentRange::Unsatisfied { .. }) => Err(artifact_changed()),
                _ => Err(protocol_error("a 416 response lacks the artifact's size")),
            };
        }
        if tag_differs || digest_differs {
            return Err(artifact_changed());
        }
        if status == StatusCode::OK {
            // The server ignored the range, or the condition failed. Only the tag tells which.
            if headers.etag.is_none() {
                return Err(artifact_changed());
            }
            self.check_total(headers.content_length)?;
            let surplus = self.end != self.total;
            self.body = ResponseBody::new(response, self.position, surplus);
            return Ok(Resumed::Continued);
        }
        let Some(ContentRange::Part { part, total }) = range else {
            return Err(protocol_error("a 206 response lacks a valid Content-Range"));
        };
        self.check_total(total)?;
        let Range { start, end } = part;
        let fits = start == self.position && self.end.is_none_or(|wanted| end <= wanted);
        let length_fits = headers
            .content_length
            .is_none_or(|length| length == end - start);
        if !fits || !length_fits {
            return Err(protocol_error(
                "a 206 response contains a different range than requested",
            ));
        }
        self.body = ResponseBody::new(response, 0, false);
        Ok(Resumed::Continued)
    }

    /// Compares the artifact's size in a later response with the known size, or records it.
    fn check_total(&mut self, found: Option<u64>) -> Result<()> {
        match (self.total, found) {
            (Some(total), Some(found)) if total != found => Err(artifact_changed()),
            (None, Some(found)) if found < self.position => Err(artifact_changed()),
            (None, Some(found)) => {
                self.total = Some(found);
                self.end = Some(found);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn protocol_error(detail: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Operation::Fetch).with_detail(detail)
}

/// Returns the error for another artifact under the same URI. Artifacts never change, so the bytes
/// that have arrived are useless.
fn artifact_changed() -> Error {
    Error::new(ErrorKind::DigestMismatch, Operation::Fetch)
        .with_detail("after the connection broke, the server returned different bytes for this URI")
}
