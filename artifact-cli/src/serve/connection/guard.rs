//! The stream below HTTP: it keeps time where HTTP's implementation does not, and answers where that
//! would close without a word or with an empty answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use artifact_http::Refusal;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::pace::Pace;
use super::pulse::Pulse;
use super::refusal;
use super::requests::Front;
use crate::serve::listen::Peer;

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream with limits on: the time until the first request, the time between requests, the time
/// and the length of a header (HTTP/1.1), and the time that the client takes to take what is
/// written. Bodies keep their own time.
pub(super) struct Guard<S> {
    stream: S,
    pulse: Arc<Pulse>,
    front: Arc<Front>,
    peer: Peer,
    version: Version,
    phase: Phase,
    /// How many requests there were when `phase` was last looked at.
    begun: u64,
    timer: Pin<Box<Sleep>>,
    blocked: Pace,
    /// Written in place of an answer of so many bytes.
    instead: Option<(Bytes, usize)>,
    /// Written before the connection is closed.
    last: Option<Bytes>,
    /// Whether the task was told that this connection is to end.
    retired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// So many bytes were those of the preface of HTTP/2.
    Unknown(usize),
    One,
    Two,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing came yet on this connection.
    First,
    /// Nothing came since the last answer.
    Idle,
    /// So many bytes of a header came; whether its first line is whole.
    Header { bytes: usize, line: bool },
    /// A request is served.
    Busy,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>, front: Arc<Front>, peer: Peer) -> Self {
        let limits = front.limits;
        Self {
            stream,
            pulse,
            front,
            peer,
            version: Version::Unknown(0),
            phase: Phase::First,
            begun: 0,
            timer: Box::pin(sleep(limits.header)),
            blocked: limits.outbound(),
            instead: None,
            last: None,
            retired: false,
        }
    }

    /// Learns what happened above.
    fn look(&mut self) {
        let (begun, idle) = self.pulse.requests();
        if begun != self.begun {
            self.begun = begun;
            self.phase = Phase::Busy;
        }
        if self.phase == Phase::Busy && idle {
            self.phase = Phase::Idle;
            let limit = self.front.limits.idle;
            self.timer.as_mut().reset(Instant::now() + limit);
        }
    }

    /// Learns what came from below.
    fn came(&mut self, new: &[u8]) {
        if let Version::Unknown(seen) = self.version {
            let same = PREFACE[seen..].iter().zip(new).all(|(a, b)| a == b);
            let seen = seen + new.len();
            self.version = match (same, seen >= PREFACE.len()) {
                (false, _) => Version::One,
                (true, true) => Version::Two,
                (true, false) => Version::Unknown(seen),
            };
        }
        if self.version == Version::Two {
            if matches!(self.phase, Phase::First | Phase::Header { .. }) {
                // From now on it is frames; without a request it is idle.
                self.phase = Phase::Idle;
                let limit = self.front.limits.idle;
                self.timer.as_mut().reset(Instant::now() + limit);
            }
            return;
        }
        let (before, line) = match self.phase {
            Phase::Busy => return,
            Phase::Header { bytes, line } => (bytes, line),
            Phase::First => (0, false),
            Phase::Idle => {
                let limit = self.front.limits.header;
                self.timer.as_mut().reset(Instant::now() + limit);
                (0, false)
            }
        };
        self.phase = Phase::Header {
            bytes: before + new.len(),
            line: line || new.contains(&b'\n'),
        };
    }

    fn refuse(&mut self, refusal: Refusal) {
        tracing::debug!(peer = %self.peer, ?refusal, "refused before there was a request");
        self.last = Some(refusal::wire(refusal, &self.front.config));
    }

    /// What the empty answer that HTTP's implementation gives by itself stands for. It does so only
    /// between requests, so no byte of an answer of ours is ever taken for one.
    fn own_answer(&self, bytes: &[u8]) -> Option<Refusal> {
        if self.version == Version::Two || !self.pulse.is_between_requests() {
            return None;
        }
        let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status = str::from_utf8(status).ok()?.parse().ok()?;
        let refusal = Refusal::of_status(status)?;
        let long_line = matches!(self.phase, Phase::Header { line: false, .. });
        Some(match refusal {
            Refusal::HeaderTooLarge if long_line => Refusal::UriTooLong,
            other => other,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Writes the last answer, lingers, and says that the connection is over.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(last) = &mut self.last else {
            return Poll::Ready(Ok(()));
        };
        while last.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, last))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            last.advance(written);
        }
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_blocked<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.blocked.poll_wait(context));
        tracing::debug!(peer = %self.peer, "a client takes what is sent too slowly");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.look();
        if let Phase::Header { bytes, line } = this.phase
            && this.last.is_none()
            && bytes > this.front.limits.header_bytes
        {
            this.refuse(if line {
                Refusal::HeaderTooLarge
            } else {
                Refusal::UriTooLong
            });
        }
        if this.last.is_some() {
            return this.poll_close(context);
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.came(&buffer.filled()[before..]);
            return Poll::Ready(read);
        }
        if this.phase == Phase::Busy {
            return Poll::Pending;
        }
        ready!(this.timer.as_mut().poll(context));
        match (this.phase, this.version) {
            (Phase::Header { .. }, _) => {
                this.refuse(Refusal::Slow);
                this.poll_close(context)
            }
            (_, Version::Two) => {
                if !std::mem::replace(&mut this.retired, true) {
                    this.pulse.retire();
                }
                Poll::Pending
            }
            // As if the client had closed: nothing is owed to it.
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.look();
        if this.instead.is_none()
            && let Some(first) = buffers.first()
            && let Some(refusal) = this.own_answer(first)
        {
            let length = buffers.iter().map(|buffer| buffer.len()).sum();
            tracing::debug!(peer = %this.peer, ?refusal, "refused before there was a request");
            let wire = refusal::wire(refusal, &this.front.config);
            this.instead = Some((wire, length));
        }
        if let Some((mut wire, length)) = this.instead.take() {
            while wire.has_remaining() {
                match Pin::new(&mut this.stream).poll_write(context, &wire) {
                    Poll::Ready(written) => wire.advance(written?),
                    Poll::Pending => {
                        this.instead = Some((wire, length));
                        return this.poll_blocked(context);
                    }
                }
            }
            return Poll::Ready(Ok(length));
        }
        match Pin::new(&mut this.stream).poll_write_vectored(context, buffers) {
            Poll::Ready(Ok(written)) => {
                this.blocked.moved(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_blocked(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.stream).poll_flush(context) {
            Poll::Ready(Ok(())) => {
                this.pulse.flushed();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_blocked(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
