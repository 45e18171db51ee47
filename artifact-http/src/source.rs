//! A deposit's body on its way to the parser, with an end to the patience for what is not the file.
//!
//! multer takes whatever its source has ready, keeps a preamble or a header without a limit, looks
//! through all of it again at every poll, and stops at the last boundary without a look at what
//! comes behind it. So the source hands over one piece a poll, the part's header whole and once,
//! and knows where the part ends.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use crate::digest_fields::DigestCheck;

/// How many bytes of a body may be something else than the artifact: preamble, boundaries, the
/// part's header, white space behind the end.
pub(crate) const BUDGET: u64 = 16 << 10;
/// The greatest piece that is handed to the parser at once.
const PIECE: usize = 64 << 10;
/// Smaller frames that are ready together are put together.
const SMALL: usize = 8 << 10;

/// Why a body is refused that the parser alone would go on with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("more than 16 KiB of the body lie outside the part")]
    Budget,
    #[error("there are bytes behind the last boundary")]
    Trailing,
    #[error("the body is not what Content-Digest or Repr-Digest says")]
    Digest,
    #[error("the body was cut short")]
    Cut(#[source] axum::Error),
}

/// One body, shared by the parser, which streams it, and by who reads the part and must say how far
/// it came.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<State>>);

struct State {
    body: BodyDataStream,
    /// What the request's fields claim of the whole body.
    digest: Option<DigestCheck>,
    /// What is left of the frame that came last.
    frame: Bytes,
    /// Bytes that came and were not handed over yet.
    held: BytesMut,
    /// How far `held` was searched, and whether the first boundary was found in it.
    searched: usize,
    in_header: bool,
    /// `--` and the boundary.
    delimiter: Vec<u8>,
    /// How many bytes were handed over before the part's own, once that is known.
    head: Option<u64>,
    handed: u64,
    /// How many of those were the artifact's.
    taken: u64,
    /// The two pieces that were handed over last: the parser may have a piece in hand beyond the
    /// one in which it finds the end.
    recent: [Bytes; 2],
    /// The parser takes what is ready until nothing is; after each piece nothing is, once.
    pause: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    pub(crate) fn new(body: Body, boundary: &str, digest: Option<DigestCheck>) -> Self {
        Self(Arc::new(Mutex::new(State {
            body: body.into_data_stream(),
            digest,
            frame: Bytes::new(),
            held: BytesMut::new(),
            searched: 0,
            in_header: false,
            delimiter: format!("--{boundary}").into_bytes(),
            head: None,
            handed: 0,
            taken: 0,
            recent: [Bytes::new(), Bytes::new()],
            pause: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A state that a panic left is not used again: the request ends with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parser has read the part's header. It was handed over as one piece that ended with it,
    /// so what comes from now on is the artifact's.
    pub(crate) fn begin_part(&self) {
        let mut state = self.state();
        state.head = Some(state.handed);
    }

    /// The reader of the part got so many bytes of it.
    pub(crate) fn take(&self, bytes: usize) {
        self.state().taken += bytes as u64;
    }

    /// The parser has found the last boundary. Reads what lies behind it, which may be white space
    /// within the budget (a CRLF comes from nearly every client), to the end of the body: only then
    /// is it known that all of it came.
    pub(crate) async fn finish(&self) -> Result<(), SourceError> {
        self.state().check_overrun()?;
        while let Some(piece) = poll_fn(|context| self.state().poll(context)).await {
            check_blank(&piece?)?;
        }
        let digest = self.state().digest.take();
        let holds = digest.is_none_or(DigestCheck::holds);
        holds.then_some(()).ok_or(SourceError::Digest)
    }
}

impl Stream for Source {
    type Item = Result<Bytes, SourceError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.state().poll(context)
    }
}

impl State {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        if self.pause {
            self.pause = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = match self.head {
            None => self.poll_head(context),
            Some(_) => self.poll_part(context),
        };
        let piece = ready!(piece);
        if let Ok(Some(piece)) = &piece {
            self.handed += piece.len() as u64;
            self.recent.swap(0, 1);
            self.recent[1] = piece.clone();
            self.pause = true;
        }
        Poll::Ready(piece.transpose())
    }

    /// Up to the end of the part's header, as one piece, or all there is of a body without one.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, SourceError>> {
        loop {
            if let Some(end) = self.search_head() {
                let piece = self.held.split_to(end).freeze();
                (self.searched, self.in_header) = (0, false);
                return Poll::Ready(Ok(Some(piece)));
            }
            let room = BUDGET.saturating_sub(self.handed + self.held.len() as u64);
            if self.frame.is_empty() && !ready!(self.poll_frame(context))? {
                let rest = self.held.split().freeze();
                return Poll::Ready(Ok((!rest.is_empty()).then_some(rest)));
            }
            if room == 0 {
                return Poll::Ready(Err(SourceError::Budget));
            }
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let piece = self.frame.split_to(self.frame.len().min(room));
            self.held.extend_from_slice(&piece);
        }
    }

    /// Where the part's header ends in `held`. Nothing is searched twice, however small the frames.
    fn search_head(&mut self) -> Option<usize> {
        if !self.in_header {
            let Some(at) = find(&self.held, &self.delimiter, self.searched) else {
                self.searched = (self.held.len() + 1).saturating_sub(self.delimiter.len());
                return None;
            };
            self.in_header = true;
            self.searched = at + self.delimiter.len();
        }
        let found = find(&self.held, b"\r\n\r\n", self.searched);
        if found.is_none() {
            self.searched = self.searched.max(self.held.len().saturating_sub(3));
        }
        found.map(|at| at + 4)
    }

    /// The next piece behind the part's header.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, SourceError>> {
        self.check_budget()?;
        loop {
            if self.held.is_empty() && self.frame.len() >= SMALL {
                let length = self.frame.len().min(PIECE);
                return Poll::Ready(Ok(Some(self.frame.split_to(length))));
            }
            let room = PIECE.saturating_sub(self.held.len());
            let piece = self.frame.split_to(self.frame.len().min(room));
            self.held.extend_from_slice(&piece);
            if self.held.len() < SMALL {
                match self.poll_frame(context) {
                    Poll::Ready(Ok(true)) => continue,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if self.held.is_empty() => return Poll::Pending,
                    // What is here is not kept waiting for what is not.
                    Poll::Pending | Poll::Ready(Ok(false)) => {}
                }
            }
            let piece = self.held.split().freeze();
            return Poll::Ready(Ok((!piece.is_empty()).then_some(piece)));
        }
    }

    /// Whether there is something in `frame`; not so at the end of the body.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, SourceError>> {
        while self.frame.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(frame)) => {
                    if let Some(digest) = &mut self.digest {
                        digest.update(&frame);
                    }
                    self.frame = frame;
                }
                Some(Err(error)) => return Poll::Ready(Err(SourceError::Cut(error))),
                None => return Poll::Ready(Ok(false)),
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Bytes that were handed over and were not the artifact's, so far as it is known.
    fn check_budget(&self) -> Result<(), SourceError> {
        if self.handed.saturating_sub(self.taken) > BUDGET {
            return Err(SourceError::Budget);
        }
        Ok(())
    }

    /// Looks at the bytes behind the last boundary that the parser was given already.
    fn check_overrun(&self) -> Result<(), SourceError> {
        // The CRLF before the last delimiter is its own, and so are the two hyphens behind it.
        let delimiter = self.delimiter.len() as u64 + 4;
        let end = self.head.unwrap_or(0) + self.taken + delimiter;
        let over = self.handed.checked_sub(end);
        let mut over = over
            .and_then(|over| usize::try_from(over).ok())
            .ok_or(SourceError::Trailing)?;
        for piece in self.recent.iter().rev() {
            let here = over.min(piece.len());
            check_blank(&piece[piece.len() - here..])?;
            over -= here;
        }
        // More than two pieces: nothing that the parser calls the end lies so far back.
        (over == 0).then_some(()).ok_or(SourceError::Trailing)
    }
}

fn check_blank(bytes: &[u8]) -> Result<(), SourceError> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    bytes
        .iter()
        .all(blank)
        .then_some(())
        .ok_or(SourceError::Trailing)
}

/// Where `wanted` stands in `bytes`, from this position on.
fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?;
    let found = found.windows(wanted.len()).position(|here| here == wanted);
    found.map(|at| from + at)
}
