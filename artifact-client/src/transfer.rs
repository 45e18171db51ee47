//! The bytes of a fetch, over as many connections as it takes.

use std::ops::Range;
use std::time::Duration;

use artifact_backend::Sha256Digest;
use bytes::{Buf, Bytes};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use crate::client::{Client, stalled};
use crate::content_range::ContentRange;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metadata::{Head, text};
use crate::problem::interrupted;
use crate::progress::OnProgress;
use crate::retry::Retries;

/// A fetch that has been answered once.
///
/// What it is to deliver is settled by that first answer. A later answer only goes on with it, at the
/// very byte where the last one broke off, and only where the server vouches by the same strong
/// entity tag that it is of the same bytes.
pub(crate) struct Transfer {
    pub(crate) client: Client,
    pub(crate) url: Url,
    pub(crate) retries: Retries,
    pub(crate) on_progress: Option<OnProgress>,
    /// Where it began, the next byte to deliver, and behind the last one where that is known; all of
    /// them positions in the artifact.
    pub(crate) begin: u64,
    pub(crate) at: u64,
    pub(crate) end: Option<u64>,
    /// The size of the whole artifact, where it is known.
    pub(crate) total: Option<u64>,
    pub(crate) etag: Option<HeaderValue>,
    /// The recorded SHA-256 of the whole artifact.
    pub(crate) sha256: Option<Sha256Digest>,
    /// Over all seams; `None` where only a part is delivered, of which there is no digest.
    pub(crate) hasher: Option<Sha256>,
    pub(crate) answer: Answer,
}

/// The answer that is being read.
pub(crate) struct Answer {
    body: Option<BoxStream<'static, reqwest::Result<Bytes>>>,
    /// How much of it comes before the next byte to deliver.
    skip: u64,
    /// Whether it goes on behind the last byte to deliver, since the server ignored the range.
    surplus: bool,
}

impl Answer {
    pub(crate) fn new(answer: Response, skip: u64, surplus: bool) -> Self {
        Self {
            body: Some(answer.bytes_stream().boxed()),
            skip,
            surplus,
        }
    }
}

impl Transfer {
    /// The stream of its pieces. It ends after the first error.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        futures_util::stream::unfold(Some(self), |transfer| async move {
            let mut transfer = transfer?;
            match transfer.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(transfer))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .fuse()
    }

    /// The next piece, never empty, or `None` once all is delivered and verified.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let whole = self.end == Some(self.at);
            if whole && self.answer.surplus {
                return self.verify();
            }
            let limit = self.client.stall_timeout();
            let broken = match self.answer.piece(limit).await {
                Ok(Some(piece)) => match self.take(piece)? {
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Ok(None) if self.end.is_none() || whole => return self.verify(),
                Ok(None) => Error::new(ErrorKind::Interrupted, Operation::Fetch),
                // What is missing is not one of the bytes.
                Err(_) if whole => return self.verify(),
                Err(error) => error,
            };
            if self.resume(self.with_count(broken)).await? == Resumed::AtItsEnd {
                return self.verify();
            }
        }
    }

    /// What is wanted of a piece: counted, hashed and told of.
    fn take(&mut self, mut piece: Bytes) -> Result<Option<Bytes>> {
        let length = piece.len() as u64;
        let before = self.answer.skip.min(length);
        self.answer.skip -= before;
        // It is at most the length of a piece in memory.
        piece.advance(usize::try_from(before).unwrap_or(piece.len()));
        if piece.is_empty() {
            return Ok(None);
        }
        if let Some(end) = self.end {
            let left = usize::try_from(end - self.at).unwrap_or(usize::MAX);
            if piece.len() > left && !self.answer.surplus {
                return Err(protocol("more bytes arrived than were announced"));
            }
            piece.truncate(left);
        }
        self.at += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        self.retries.progressed();
        if let Some(call) = &self.on_progress {
            let total = self.end.map(|end| end - self.begin);
            call.tell(self.at - self.begin, total);
        }
        Ok(Some(piece))
    }

    /// What the end of it all is worth.
    fn verify(&mut self) -> Result<Option<Bytes>> {
        self.answer.body = None;
        let (Some(hasher), Some(recorded)) = (self.hasher.take(), self.sha256) else {
            return Ok(None);
        };
        let found = Sha256Digest::from_bytes(hasher.finalize().into());
        if found == recorded {
            return Ok(None);
        }
        let detail = format!("their SHA-256 is {found}, recorded is {recorded}");
        Err(Error::new(ErrorKind::DigestMismatch, Operation::Fetch).with_detail(detail))
    }

    fn with_count(&self, error: Error) -> Error {
        if !error.detail().is_empty() {
            return error;
        }
        let arrived = self.at - self.begin;
        match self.end {
            Some(end) => {
                error.with_detail(format!("{arrived} of {} bytes arrived", end - self.begin))
            }
            None => error.with_detail(format!("{arrived} bytes arrived")),
        }
    }

    /// Asks for the rest, after a pause, or gives the error back where that cannot be or is no use.
    async fn resume(&mut self, broken: Error) -> Result<Resumed> {
        let Some(etag) = self.etag.clone() else {
            return Err(broken);
        };
        // The broken connection must not be held while nothing comes of it.
        self.answer.body = None;
        self.retries.wait(broken).await?;
        let range = match self.end {
            Some(end) => format!("bytes={}-{}", self.at, end - 1),
            None => format!("bytes={}-", self.at),
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
        let answer = client
            .ask(Operation::Fetch, &mut self.retries, request, &expected)
            .await?;
        self.go_on(answer, &etag)
    }

    /// Goes on with an answer, if it is of the same artifact and of the right bytes.
    fn go_on(&mut self, answer: Response, etag: &HeaderValue) -> Result<Resumed> {
        let status = answer.status();
        let head = Head::of(Operation::Fetch, status.as_u16(), answer.headers())?;
        let range = text(answer.headers(), &CONTENT_RANGE).and_then(ContentRange::parse);
        let tag = answer.headers().get(ETAG);
        let other_tag = tag.is_some_and(|found| found != etag);
        let other_digest = matches!(
            (head.sha256, self.sha256),
            (Some(found), Some(recorded)) if found != recorded
        );
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            return match range {
                // It was at its end, which nobody had said before.
                Some(ContentRange::Unsatisfied { total })
                    if self.end.is_none() && total == self.at && self.sha256.is_some() =>
                {
                    Ok(Resumed::AtItsEnd)
                }
                Some(ContentRange::Unsatisfied { .. }) => Err(changed()),
                _ => Err(protocol("a 416 without the size of the artifact")),
            };
        }
        if other_tag || other_digest {
            return Err(changed());
        }
        if status == StatusCode::OK {
            // The server ignored the range, or the condition did not hold; only the tag tells which.
            if head.etag.is_none() {
                return Err(changed());
            }
            self.check_total(head.length)?;
            let surplus = self.end != self.total;
            self.answer = Answer::new(answer, self.at, surplus);
            return Ok(Resumed::FurtherOn);
        }
        let Some(ContentRange::Part { part, total }) = range else {
            return Err(protocol("a 206 does not say which bytes it holds"));
        };
        self.check_total(total)?;
        let Range { start, end } = part;
        let fits = start == self.at && self.end.is_none_or(|wanted| end <= wanted);
        if !fits || head.length.is_some_and(|length| length != end - start) {
            return Err(protocol("a 206 holds other bytes than were asked for"));
        }
        self.answer = Answer::new(answer, 0, false);
        Ok(Resumed::FurtherOn)
    }

    /// The size of the artifact as a later answer says it, learnt where it was not known.
    fn check_total(&mut self, found: Option<u64>) -> Result<()> {
        match (self.total, found) {
            (Some(total), Some(found)) if total != found => Err(changed()),
            (None, Some(found)) if found < self.at => Err(changed()),
            (None, Some(found)) => {
                self.total = Some(found);
                self.end = Some(found);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Resumed {
    FurtherOn,
    AtItsEnd,
}

impl Answer {
    /// The next piece within the time-out, whatever the whole takes. Time in which nobody asks does
    /// not count: the limit begins anew with each piece.
    async fn piece(&mut self, limit: Duration) -> Result<Option<Bytes>> {
        let Some(body) = &mut self.body else {
            return Ok(None);
        };
        match tokio::time::timeout(limit, body.next()).await {
            Ok(piece) => piece
                .transpose()
                .map_err(|error| interrupted(Operation::Fetch, error)),
            Err(_) => Err(stalled(Operation::Fetch, limit)),
        }
    }
}

pub(crate) fn protocol(detail: &str) -> Error {
    Error::new(ErrorKind::Protocol, Operation::Fetch).with_detail(detail)
}

/// Artifacts never change, so this is another one, and what has arrived is the beginning of none.
fn changed() -> Error {
    Error::new(ErrorKind::DigestMismatch, Operation::Fetch)
        .with_detail("the connection broke, and now the server has other bytes under this URI")
}
