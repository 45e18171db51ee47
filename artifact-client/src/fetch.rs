//! An opaque URI in, the same file out: verified while it streams, resumed where it breaks.

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

use crate::client::{Client, with_parameter};
use crate::content_range::ContentRange;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{Head, Metadata, text};
use crate::progress::{OnProgress, Progress};
use crate::transfer::{Answer, Transfer, protocol};

/// What is wanted of an artifact.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Which bytes; all of them by default.
    pub range: ByteRange,
    on_progress: Option<OnProgress>,
}

impl FetchOptions {
    /// With a range of bytes. There is no digest of a part: only its length is verified, unless the
    /// range turns out to be the whole artifact.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_range(mut self, range: ByteRange) -> Self {
        self.range = range;
        self
    }

    /// With a function that is called as each piece is delivered. It must not block.
    #[must_use = "this gives the options back, it does not change them in place"]
    pub fn with_progress(mut self, call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(OnProgress::new(call));
        self
    }
}

/// An artifact on its way out: what is known of it, and a stream of its bytes.
///
/// The stream counts and hashes what it delivers. Fewer bytes than announced, more, or another SHA-256
/// than `sha256` end it with an error: a stream that ends without one has delivered exactly what was
/// deposited. Until then, do not trust what has arrived. After an error it is at its end.
///
/// Where the connection breaks or stands still it asks for the rest, as often as the client's
/// [`RetryPolicy`](crate::RetryPolicy) allows, and goes on at the very next byte; count and hash go on
/// over the seam. It does so only where the server gave a strong entity tag, and a server that then has
/// other bytes is a [`DigestMismatch`](ErrorKind::DigestMismatch).
///
/// Dropping it ends the transfer.
#[must_use = "nothing is read until the stream is polled"]
#[non_exhaustive]
pub struct Fetched {
    /// The content type as recorded, where the server says one.
    pub content_type: Option<String>,
    /// The file name as recorded: one component, never a path; `None` where there is none.
    pub file_name: Option<String>,
    /// How many bytes the whole artifact has, where the server says so.
    pub size: Option<u64>,
    /// Which bytes of it the stream delivers, where that is known.
    pub range: Option<Range<u64>>,
    /// The SHA-256 of the whole artifact as recorded at the deposit. Where it is `None` the server
    /// sends none, and only the length is verified.
    pub sha256: Option<Sha256Digest>,
    arrived: u64,
    stream: BoxStream<'static, Result<Bytes>>,
}

impl Client {
    /// Fetches a whole artifact. The URI goes to the server as it stands; nobody here parses it.
    ///
    /// It returns once the server has answered; the bytes come with the stream.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, `Unauthorized`, `Unavailable`, `Interrupted`, `ServerFault` and
    /// `Protocol`, each as [`ErrorKind`] says.
    pub async fn fetch(&self, uri: &str) -> Result<Fetched> {
        self.fetch_with(uri, FetchOptions::default()).await
    }

    /// Fetches an artifact or a range of it.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), and [`InvalidRange`](ErrorKind::InvalidRange) where the range holds
    /// no byte of the artifact.
    pub async fn fetch_with(&self, uri: &str, options: FetchOptions) -> Result<Fetched> {
        let FetchOptions { range, on_progress } = options;
        let url = self.artifact(uri);
        let mut retries = self.retries();
        let field = range_field(range);
        let request = || {
            let request = self.request(Method::GET, url.clone());
            match &field {
                Some(field) => request.header(RANGE, field),
                None => request,
            }
        };
        let expected: &[_] = match field {
            Some(_) => &[
                StatusCode::OK,
                StatusCode::PARTIAL_CONTENT,
                StatusCode::RANGE_NOT_SATISFIABLE,
            ],
            None => &[StatusCode::OK],
        };
        let answer = self
            .ask(Operation::Fetch, &mut retries, request, expected)
            .await?;

        let head = Head::of(Operation::Fetch, answer.status().as_u16(), answer.headers())?;
        let (positions, total) = place(range, &answer, &head)?;
        let begin = positions.as_ref().map_or(0, |positions| positions.start);
        let end = positions.as_ref().map(|positions| positions.end);
        let ignored = answer.status() == StatusCode::OK;
        let skip = if ignored { begin } else { 0 };
        let whole = begin == 0 && end == total;
        let Head {
            content_type,
            file_name,
            length: _,
            sha256,
            etag,
        } = head;
        let transfer = Transfer {
            client: self.clone(),
            url,
            retries,
            on_progress,
            begin,
            at: begin,
            end,
            total,
            etag,
            sha256,
            hasher: whole.then(Sha256::new),
            answer: Answer::new(answer, skip, ignored && end != total),
        };
        Ok(Fetched {
            content_type,
            file_name,
            size: total,
            range: positions,
            sha256,
            arrived: 0,
            stream: transfer.into_stream().boxed(),
        })
    }

    /// What is known of an artifact, without its bytes.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch). The server says no more than the status of a refusal.
    pub async fn stat(&self, uri: &str) -> Result<Metadata> {
        let url = self.artifact(uri);
        let request = || self.request(Method::HEAD, url.clone());
        let answer = self
            .ask(
                Operation::Stat,
                &mut self.retries(),
                request,
                &[StatusCode::OK],
            )
            .await?;
        let Head {
            content_type,
            file_name,
            length,
            sha256,
            etag: _,
        } = Head::of(Operation::Stat, 200, answer.headers())?;
        Ok(Metadata {
            content_type,
            file_name,
            size: length,
            sha256,
        })
    }

    fn artifact(&self, uri: &str) -> Url {
        with_parameter(self.artifacts(), "uri", uri)
    }
}

/// What goes into `Range`; nothing for the whole.
fn range_field(range: ByteRange) -> Option<String> {
    match range {
        ByteRange::Full => None,
        ByteRange::FromTo { first, last } => Some(format!("bytes={first}-{last}")),
        ByteRange::From(first) => Some(format!("bytes={first}-")),
        ByteRange::Suffix(length) => Some(format!("bytes=-{length}")),
    }
}

/// Which positions of the artifact the stream is to deliver, where the first answer tells, and the
/// size of the whole.
fn place(
    range: ByteRange,
    answer: &Response,
    head: &Head,
) -> Result<(Option<Range<u64>>, Option<u64>)> {
    let says = text(answer.headers(), &CONTENT_RANGE).and_then(ContentRange::parse);
    match (answer.status(), says) {
        // Also of a range that the server ignores, as it may.
        (StatusCode::OK, _) => match (head.length, range) {
            (None, ByteRange::Full) => Ok((None, None)),
            (None, _) => Err(protocol(
                "the server ignores the range and does not say how many bytes there are",
            )),
            (Some(total), range) => match range.resolve(total) {
                Ok(positions) => Ok((Some(positions), Some(total))),
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
            // It may hold the beginning only; the stream then asks for the rest.
            let wanted = range.resolve(total).ok().filter(|wanted| {
                part.start == wanted.start
                    && part.end <= wanted.end
                    && head.length.is_none_or(|found| found == length)
            });
            match wanted {
                Some(wanted) => Ok((Some(wanted), Some(total))),
                None => Err(protocol("a 206 holds other bytes than were asked for")),
            }
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(ContentRange::Unsatisfied { total })) => {
            Err(invalid_range(total))
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            Err(Error::new(ErrorKind::InvalidRange, Operation::Fetch).with_answer(416, None))
        }
        _ => Err(protocol("a 206 does not say which bytes it holds")),
    }
}

fn invalid_range(total: u64) -> Error {
    Error::new(ErrorKind::InvalidRange, Operation::Fetch)
        .with_detail(format!("it has {total} bytes"))
}

impl Fetched {
    /// The next piece, or `None` after the last. Pieces are never empty. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        StreamExt::next(self).await
    }

    /// All that the stream delivers in memory, verified, unless it is longer than `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) once more than `limit` bytes are announced or have arrived;
    /// else the stream's own.
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
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if (all.len() + piece.len()) as u64 > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl Stream for Fetched {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.stream.poll_next_unpin(context));
        if let Some(Ok(piece)) = &item {
            self.arrived += piece.len() as u64;
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
