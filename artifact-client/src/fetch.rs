//! An opaque URI in, the same file out: verified while it streams.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use artifact_backend::Sha256Digest;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
};
use reqwest::{Method, StatusCode};
use sha2::{Digest, Sha256};

use crate::client::{Client, stalled, unanswered};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::problem::{interrupted, refusal};
use crate::{disposition, repr_digest};

/// An artifact on its way out: what is known of it, and a stream of its bytes.
///
/// The stream counts and hashes what it delivers. Fewer bytes than `size`, more, or another SHA-256
/// than `sha256` end it with an error: a stream that ends without one has delivered exactly what was
/// deposited. Until then, do not trust what has arrived. After an error it is at its end.
///
/// Dropping it ends the transfer.
#[must_use = "nothing is read until the stream is polled"]
#[non_exhaustive]
pub struct Fetched {
    /// The content type as recorded, where the server says one.
    pub content_type: Option<String>,
    /// The file name as recorded: one component, never a path; `None` where there is none.
    pub file_name: Option<String>,
    /// How many bytes there are, where the server says so.
    pub size: Option<u64>,
    /// The SHA-256 as recorded at the deposit. Where it is `None` the server sends none, and only
    /// the length is verified.
    pub sha256: Option<Sha256Digest>,
    verify: Verify,
}

struct Verify {
    stream: Option<BoxStream<'static, Result<Bytes>>>,
    size: Option<u64>,
    sha256: Option<Sha256Digest>,
    hasher: Sha256,
    count: u64,
}

impl Client {
    /// Fetches an artifact. The URI goes to the server as it stands; nobody here parses it.
    ///
    /// It returns once the server has answered; the bytes come with the stream.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, `Unauthorized`, `Unavailable`, `Interrupted`, `ServerFault` and
    /// `Protocol`, each as [`ErrorKind`] says.
    pub async fn fetch(&self, uri: &str) -> Result<Fetched> {
        let mut url = self.artifacts();
        url.query_pairs_mut().append_pair("uri", uri);
        let request = self.request(Method::GET, url).send();
        let answer = self
            .within(Operation::Fetch, request)
            .await?
            .map_err(|error| unanswered(Operation::Fetch, error))?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(self, Operation::Fetch, answer).await);
        }

        let headers = answer.headers();
        if let Some(coding) = text(headers, &CONTENT_ENCODING)
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(protocol(
                "the answer is compressed, which was not asked for",
            ));
        }
        let size = match text(headers, &CONTENT_LENGTH) {
            Some(length) => Some(
                length
                    .parse()
                    .map_err(|_| protocol("the answer's length is not a number"))?,
            ),
            None => None,
        };
        let sha256 = match text(headers, &HeaderName::from_static("repr-digest")) {
            Some(value) => repr_digest::sha256(value)
                .map_err(|()| protocol("the answer's Repr-Digest is not a SHA-256"))?,
            None => None,
        };
        let content_type = text(headers, &CONTENT_TYPE).map(ToOwned::to_owned);
        let file_name = text(headers, &CONTENT_DISPOSITION).and_then(disposition::file_name);

        let stream = with_stall_timeout(answer.bytes_stream().boxed(), self.stall_timeout());
        Ok(Fetched {
            content_type,
            file_name,
            size,
            sha256,
            verify: Verify {
                stream: Some(stream),
                size,
                sha256,
                hasher: Sha256::new(),
                count: 0,
            },
        })
    }
}

fn protocol(detail: &str) -> Error {
    Error::new(ErrorKind::Protocol, Operation::Fetch)
        .with_answer(200, None)
        .with_detail(detail)
}

/// A header as text, where there is exactly one of it that is ASCII.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Each piece within the time-out, whatever the whole takes. Time in which nobody polls does not
/// count: the limit begins anew with each piece that is asked for.
fn with_stall_timeout(
    stream: BoxStream<'static, reqwest::Result<Bytes>>,
    limit: Duration,
) -> BoxStream<'static, Result<Bytes>> {
    futures_util::stream::unfold(stream, move |mut stream| async move {
        let piece = match tokio::time::timeout(limit, stream.next()).await {
            Ok(None) => return None,
            Ok(Some(piece)) => piece.map_err(|error| interrupted(Operation::Fetch, error)),
            Err(_) => Err(stalled(Operation::Fetch, limit)),
        };
        Some((piece, stream))
    })
    .boxed()
}

impl Fetched {
    /// The next piece, or `None` after the last. Pieces are never empty. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        StreamExt::next(self).await
    }

    /// All of it in memory, verified, unless it is longer than `limit` bytes.
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
        if self.size.is_some_and(|size| size > limit) {
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

impl Verify {
    /// Counts and hashes a piece.
    fn take(&mut self, piece: Bytes) -> Result<Bytes> {
        self.count += piece.len() as u64;
        if self.size.is_some_and(|size| self.count > size) {
            return Err(protocol("more bytes arrived than were announced"));
        }
        self.hasher.update(&piece);
        Ok(piece)
    }

    /// What the end of the stream is worth.
    fn end(&mut self) -> Result<()> {
        if let Some(size) = self.size
            && self.count < size
        {
            let detail = format!("{} of {size} bytes arrived", self.count);
            return Err(Error::new(ErrorKind::Interrupted, Operation::Fetch).with_detail(detail));
        }
        let found = Sha256Digest::from_bytes(self.hasher.finalize_reset().into());
        match self.sha256 {
            Some(recorded) if recorded != found => {
                let detail = format!("their SHA-256 is {found}, recorded is {recorded}");
                Err(Error::new(ErrorKind::DigestMismatch, Operation::Fetch).with_detail(detail))
            }
            _ => Ok(()),
        }
    }
}

impl Stream for Fetched {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let verify = &mut self.verify;
        loop {
            let Some(stream) = verify.stream.as_mut() else {
                return Poll::Ready(None);
            };
            let Poll::Ready(item) = stream.as_mut().poll_next(context) else {
                return Poll::Pending;
            };
            let next = match item {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => verify.take(piece).map(Some),
                Some(Err(error)) => Err(error),
                None => verify.end().map(|()| None),
            };
            if !matches!(next, Ok(Some(_))) {
                verify.stream = None;
            }
            return Poll::Ready(next.transpose());
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("content_type", &self.content_type)
            .field("file_name", &self.file_name)
            .field("size", &self.size)
            .field("sha256", &self.sha256)
            .field("arrived", &self.verify.count)
            .finish_non_exhaustive()
    }
}
