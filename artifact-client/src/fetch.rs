//! Fetches an artifact: verified while it streams, resumed if the connection breaks.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use artifact_backend::{ByteRange, Sha256Digest};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use crate::address::with_parameter;
use crate::client::{Client, Repeat};
use crate::content_range::ContentRange;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{Metadata, ResponseHeaders, header_text};
use crate::progress::{Progress, ProgressCallback};
use crate::transfer::{ResponseBody, Transfer, protocol_error};

/// The options of a fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    range: ByteRange,
    on_progress: Option<ProgressCallback>,
}

impl FetchOptions {
    /// Sets the range of bytes; all bytes by default. A part has no digest in the response: this side verifies only its
    /// length, unless the range turns out to cover the whole artifact. The server verifies the stored bytes of a range before
    /// it sends them.
    #[must_use = "this returns the changed options"]
    pub fn with_range(mut self, range: ByteRange) -> Self {
        self.range = range;
        self
    }

    /// Sets a function that is called for each chunk that is delivered. It must not block.
    #[must_use = "this returns the changed options"]
    pub fn with_progress(mut self, call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(ProgressCallback::new(call));
        self
    }
}

/// The response to a fetch: the artifact's metadata and a stream of its bytes.
///
/// The stream counts and hashes the bytes it delivers. Fewer or more bytes than announced, or a
/// SHA-256 that differs from `sha256`, end it with an error. A stream that ends without an error has
/// delivered exactly the deposited bytes. Do not trust the bytes before that. After an error the
/// stream is at its end.
///
/// If the connection breaks or stalls, the stream requests the rest, as often as the client's
/// [`RetryPolicy`](crate::RetryPolicy) allows, and continues at the next byte; count and hash continue
/// too. This requires a strong entity tag from the server. If the server then has different bytes, the
/// error is a [`DigestMismatch`](ErrorKind::DigestMismatch).
///
/// Dropping the value ends the transfer.
#[must_use = "nothing is read until the stream is polled"]
#[non_exhaustive]
pub struct Fetched {
    /// The content type that the server recorded, if it sent one.
    pub content_type: Option<String>,
    /// The file name that the server recorded, without a path.
    pub file_name: Option<String>,
    /// The size of the whole artifact in bytes, if the server sent it.
    pub size: Option<u64>,
    /// The range of bytes that the stream delivers, if known.
    pub range: Option<Range<u64>>,
    /// The SHA-256 of the whole artifact, as recorded when it was deposited. If it is `None`, the
    /// server sent none, and only the length is verified.
    pub sha256: Option<Sha256Digest>,
    arrived: u64,
    stream: BoxStream<'static, Result<Bytes>>,
}

impl Client {
    /// Fetches a whole artifact. The URI is sent to the server unchanged; the client does not parse
    /// it.
    ///
    /// Returns when the server has responded; the bytes come with the stream.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, `Unauthorized`, `Unavailable`, `Interrupted`, `ServerFault` and
    /// `Protocol`, each as described at [`ErrorKind`].
    pub async fn fetch(&self, uri: &str) -> Result<Fetched> {
        self.fetch_with(uri, FetchOptions::default()).await
    }

    /// Fetches an artifact or a range of it.
    ///
    /// # Errors
    ///
    /// Those of [`fetch`](Self::fetch), and [`InvalidRange`](ErrorKind::InvalidRange) if the range
    /// contains no byte of the artifact.
    pub async fn fetch_with(&self, uri: &str, options: FetchOptions) -> Result<Fetched> {
        let url = self.artifact_url(uri);
        self.fetch_url(Operation::Fetch, url, options).await
    }

    /// Fetches what a URL leads to.
    pub(crate) async fn fetch_url(
        &self,
        operation: Operation,
        url: Url,
        options: FetchOptions,
    ) -> Result<Fetched> {
        let FetchOptions { range, on_progress } = options;
        let mut retries = self.retries();
        let range_header = range_header(range);
        let request = || {
            let request = self.request(Method::GET, url.clone());
            match &range_header {
                Some(value) => request.header(RANGE, value),
                None => request,
            }
        };
        let expected: &[_] = match range_header {
            Some(_) => &[
                StatusCode::OK,
                StatusCode::PARTIAL_CONTENT,
                StatusCode::RANGE_NOT_SATISFIABLE,
            ],
            None => &[StatusCode::OK],
        };
        let response = self
            .send(operation, &mut retries, Repeat::Always, request, expected)
            .await?;

        let status = response.status();
        let headers = ResponseHeaders::parse(operation, status.as_u16(), response.headers())?;
        let (delivered, total) = delivered_range(range, &response, &headers)?;
        let start = delivered.as_ref().map_or(0, |range| range.start);
        let end = delivered.as_ref().map(|range| range.end);
        let ignored = status == StatusCode::OK;
        let skip = if ignored { start } else { 0 };
        let whole = start == 0 && end == total;
        let ResponseHeaders {
            content_type,
            file_name,
            content_length: _,
            sha256,
            etag,
        } = headers;
        let transfer = Transfer {
            client: self.clone(),
            url,
            retries,
            on_progress,
            start,
            position: start,
            end,
            total,
            etag,
            sha256,
            hasher: whole.then(Sha256::new),
            body: ResponseBody::new(response, skip, ignored && end != total),
        };
        Ok(Fetched {
            content_type,
            file_name,
            size: total,
            range: delivered,
            sha256,
            arrived: 0,
            stream: transfer.into_stream().boxed(),
        })
    }

    /// Returns the metadata of an artifact.
    ///
    /// # Errors
    ///
    /// Those of [`fetch`](Self::fetch). They have no [`problem`](Error::problem), because a response
    /// to `HEAD` has no body.
    pub async fn stat(&self, uri: &str) -> Result<Metadata> {
        let url = self.artifact_url(uri);
        self.stat_url(Operation::Stat, url).await
    }

    /// Returns the metadata of what a URL leads to.
    pub(crate) async fn stat_url(&self, operation: Operation, url: Url) -> Result<Metadata> {
        let request = || self.request(Method::HEAD, url.clone());
        let retries = &mut self.retries();
        let expected = [StatusCode::OK];
        let response = self
            .send(operation, retries, Repeat::Always, request, &expected)
            .await?;
        let headers = ResponseHeaders::parse(operation, 200, response.headers())?;
        Ok(Metadata {
            content_type: headers.content_type,
            file_name: headers.file_name,
            size: headers.content_length,
            sha256: headers.sha256,
        })
    }

    fn artifact_url(&self, uri: &str) -> Url {
        with_parameter(self.url(&["artifacts"]), "uri", uri)
    }
}

/// Returns the value of the `Range` header; `None` for the whole artifact.
fn range_header(range: ByteRange) -> Option<String> {
    match range {
        ByteRange::Full => None,
        ByteRange::FromTo { first, last } => Some(format!("bytes={first}-{last}")),
        ByteRange::From(first) => Some(format!("bytes={first}-")),
        ByteRange::Suffix(length) => Some(format!("bytes=-{length}")),
    }
}

/// Returns the range of the artifact that the stream delivers, and the size of the whole artifact,
/// each if the first response tells it.
fn delivered_range(
    range: ByteRange,
    response: &Response,
    headers: &ResponseHeaders,
) -> Result<(Option<Range<u64>>, Option<u64>)> {
    let content_range = header_text(response.headers(), &CONTENT_RANGE).map(ContentRange::parse);
    match (response.status(), content_range.flatten()) {
        // A server may ignore the range and send everything.
        (StatusCode::OK, _) => match (headers.content_length, range) {
            (None, ByteRange::Full) => Ok((None, None)),
            (None, _) => Err(protocol_error(
                "the server ignores the range and does not send the artifact's size",
            )),
            (Some(total), range) => match range.resolve(total) {
                Ok(resolved) => Ok((Some(resolved), Some(total))),
                Err(error) => Err(invalid_range(error.size)),
            },
        },
        (
            StatusCode::PARTIAL_CONTENT,
            Some(ContentRange::Part {
                part,
                total: Some(total),
            }),
        ) => {
            let length = part.end - part.start;
            // The part may be only the start of the range; the stream then requests the rest.
            let resolved = range.resolve(total).ok().filter(|resolved| {
                part.start == resolved.start
                    && part.end <= resolved.end
                    && headers.content_length.is_none_or(|found| found == length)
            });
            match resolved {
                Some(resolved) => Ok((Some(resolved), Some(total))),
                None => Err(protocol_error(
                    "a 206 response contains a different range than requested",
                )),
            }
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(ContentRange::Unsatisfied { total })) => {
            Err(invalid_range(total))
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            Err(Error::new(ErrorKind::InvalidRange, Operation::Fetch).with_response(416, None))
        }
        _ => Err(protocol_error("a 206 response lacks a valid Content-Range")),
    }
}

fn invalid_range(total: u64) -> Error {
    Error::new(ErrorKind::InvalidRange, Operation::Fetch)
        .with_detail(format!("the artifact has {total} bytes"))
}

impl Fetched {
    /// Returns the next chunk, which is never empty, or `None` after the last. Dropping the future
    /// loses no data.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        StreamExt::next(self).await
    }

    /// Reads the whole stream into memory, unless it is longer than `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if more than `limit` bytes are announced or arrive, and the
    /// errors of the stream.
    pub async fn into_bytes(mut self, limit: u64) -> Result<Bytes> {
        let too_large = || {
            Error::new(ErrorKind::TooLarge, Operation::Fetch)
                .with_detail(format!("more than {limit} bytes"))
        };
        let announced = self.range.as_ref().map(|range| range.end - range.start);
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if (all.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

impl Stream for Fetched {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.stream.poll_next_unpin(context));
        if let Some(Ok(chunk)) = &item {
            self.arrived += chunk.len() as u64;
        }
        Poll::Ready(item)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("content_type", &self.content_type)
            .field("file_name", &self.file_name)
            .field("size", &self.size)
            .field("range", &self.range)
            .field("sha256", &self.sha256)
            .field("arrived", &self.arrived)
            .finish_non_exhaustive()
    }
}
