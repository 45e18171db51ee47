//! The stream below HTTP. It enforces the time-outs that hyper does not, and writes a response where
//! hyper would close without one or with an empty one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hangup::HangupWatch;
use super::head_scan::HeadScan;
use super::min_throughput::MinThroughput;
use super::server_state::ServerState;
use super::state::ConnectionState;
use crate::client_timeout::ClientTimeout;
use crate::config::MAX_UNSENT_BYTES;
use crate::listener::{Io, Peer};
use crate::rejection::{self, Rejection};

/// The first bytes of an HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream with limits: the time until the first request, the time between requests, the time and
/// size of a header (HTTP/1.1), and the rate at which the client reads. Request bodies have limits of
/// their own.
pub(super) struct GuardedStream<S> {
    stream: S,
    state: Arc<ConnectionState>,
    server: Arc<ServerState>,
    peer: Peer,
    version: Version,
    phase: Phase,
    scan: HeadScan,
    /// The number of requests when `phase` was last updated.
    requests_seen: u64,
    timer: Pin<Box<ClientTimeout>>,
    throughput: MinThroughput,
    /// Watches a client whose input waits until a response is complete.
    hangup: Option<HangupWatch>,
    /// The maximum size of a write, if there is one.
    max_write: Option<usize>,
    /// Written instead of hyper's own empty response, which has this length.
    replacement: Option<(Bytes, usize)>,
    /// Written before the connection closes.
    last_response: Option<Bytes>,
    closing_gracefully: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// The bytes so far, this many, match the preface of HTTP/2.
    Unknown(usize),
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No byte has arrived on this connection.
    First,
    /// No byte has arrived since the last response.
    Idle,
    /// `bytes` of a header have arrived. `line` is whether its first line is complete.
    Header { bytes: usize, line: bool },
    /// A request is open.
    Busy,
}

impl<S> GuardedStream<S> {
    pub(super) fn new(
        stream: S,
        state: Arc<ConnectionState>,
        server: Arc<ServerState>,
        peer: Peer,
    ) -> Self {
        let config = server.config;
        Self {
            stream,
            state,
            server,
            peer,
            version: Version::Unknown(0),
            phase: Phase::First,
            scan: HeadScan::default(),
            requests_seen: 0,
            timer: Box::pin(ClientTimeout::new(config.header_timeout)),
            throughput: MinThroughput::new(&config),
            hangup: None,
            max_write: Some(config.unsent_bytes())
                .filter(|unsent| *unsent < MAX_UNSENT_BYTES)
                .map(|unsent| unsent as usize),
            replacement: None,
            last_response: None,
            closing_gracefully: false,
        }
    }

    fn reset_timer(&mut self, limit: Duration) {
        self.timer.as_mut().reset(limit);
    }

    fn become_idle(&mut self) {
        self.phase = Phase::Idle;
        self.hangup = None;
        self.reset_timer(self.server.config.idle_timeout);
    }

    /// Updates the phase from the requests that the service has seen.
    fn update_phase(&mut self) {
        let (total, none_open, flushed) = self.state.progress();
        if total != self.requests_seen {
            self.requests_seen = total;
            self.phase = Phase::Busy;
        }
        // hyper may buffer the end of a response long after the service has returned it. Over HTTP/2,
        // the last flush can come before the request counts as closed, so the flush is not required.
        // Without a minimum throughput, the idle time-out is the only limit of an unread response.
        let unlimited = self.server.config.min_throughput == 0;
        let written = flushed || unlimited || self.version == Version::Http2;
        if self.phase == Phase::Busy && none_open && written {
            self.become_idle();
        }
    }

    /// Updates version and phase from bytes that were read.
    fn record_read(&mut self, new: &[u8]) {
        if let Version::Unknown(seen) = self.version {
            let matches = PREFACE[seen..].iter().zip(new).all(|(a, b)| a == b);
            let seen = seen + new.len();
            self.version = match (matches, seen >= PREFACE.len()) {
                (false, _) => Version::Http1,
                (true, true) => Version::Http2,
                (true, false) => Version::Unknown(seen),
            };
        }
        if self.version == Version::Http2 {
            self.state.set_multiplexed();
            if matches!(self.phase, Phase::First | Phase::Header { .. }) {
                // Frames follow; without a request the connection is idle.
                self.become_idle();
            }
            return;
        }
        let (before, line) = match self.phase {
            Phase::Busy => return,
            Phase::Header { bytes, line } => (bytes, line),
            Phase::First => (0, false),
            Phase::Idle => {
                self.scan = HeadScan::default();
                self.reset_timer(self.server.config.header_timeout);
                (0, false)
            }
        };
        self.phase = Phase::Header {
            bytes: before + new.len(),
            line: line || new.contains(&b'\n'),
        };
        self.scan.read(new);
        if self.scan.has_two_framings() {
            self.state.record_two_framings();
        }
    }

    fn encode(&self, rejection: Rejection) -> Bytes {
        tracing::debug!(peer = %self.peer, ?rejection, "rejected an incomplete request");
        rejection::encode(self.server.reject(rejection, None))
    }

    /// Returns the rejection to send if `bytes` are an error response that hyper itself wrote.
    ///
    /// hyper writes such a response only while no request is open. A response of the service therefore
    /// cannot be mistaken for one.
    fn own_response(&self, bytes: &[u8]) -> Option<Rejection> {
        if self.version == Version::Http2 || self.state.idle_since().is_none() {
            return None;
        }
        let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status = str::from_utf8(status).ok()?.parse().ok()?;
        let rejection = Rejection::from_hyper_status(status)?;
        let long_line = matches!(self.phase, Phase::Header { line: false, .. });
        Some(match rejection {
            _ if self.scan.huge_length => Rejection::BodyTooLarge,
            Rejection::HeaderTooLarge if long_line => Rejection::UriTooLong,
            other => other,
        })
    }
}

impl<S: Io> GuardedStream<S> {
    /// Ready if the client is gone. hyper reads nothing between the end of a request and the end of its
    /// response, so that a client may close its write side.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.hangup.is_none() {
            ready!(self.stream.poll_input(context));
            if self.state.is_receiving() {
                // The service has not requested the rest of the body yet. Reading it finds the end.
                return Poll::Pending;
            }
            let socket = self.stream.socket().map(HangupWatch::new);
            self.hangup = socket.and_then(|watch| {
                watch
                    .inspect_err(|error| tracing::debug!(%error, "cannot watch a connection"))
                    .ok()
            });
        }
        self.hangup
            .as_ref()
            .map_or(Poll::Pending, |watch| watch.poll(context))
    }

    /// Writes the last response, lingers, and returns an error that ends the connection.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(last) = &mut self.last_response else {
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

    /// Waits for a client that does not read; fails once it is too slow.
    fn poll_blocked<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.throughput.poll_timeout(context));
        tracing::debug!(peer = %self.peer, "the client reads responses too slowly");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Io> AsyncRead for GuardedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.update_phase();
        if let Phase::Header { bytes, line } = this.phase
            && this.last_response.is_none()
            && bytes > this.server.config.max_header_bytes
        {
            this.last_response = Some(this.encode(if line {
                Rejection::HeaderTooLarge
            } else {
                Rejection::UriTooLong
            }));
        }
        if this.last_response.is_some() {
            return this.poll_close(context);
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.record_read(&buffer.filled()[before..]);
            return Poll::Ready(read);
        }
        let ends = match this.version {
            Version::Http2 => this.state.is_closing(),
            Version::Http1 | Version::Unknown(_) => {
                this.phase != Phase::Busy && this.state.is_draining()
            }
        };
        if ends {
            // Looks to hyper as if the client had closed. The socket was looked at before.
            return Poll::Ready(Ok(()));
        }
        if this.phase == Phase::Busy {
            return Poll::Pending;
        }
        ready!(this.timer.as_mut().poll(context));
        match (this.phase, this.version) {
            (Phase::Header { .. }, _) => {
                this.last_response = Some(this.encode(Rejection::Timeout));
                this.poll_close(context)
            }
            (_, Version::Http2) => {
                if !std::mem::replace(&mut this.closing_gracefully, true) {
                    this.state.close_gracefully();
                }
                Poll::Pending
            }
            // Looks to hyper as if the client had closed, so it closes without a response.
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: Io> AsyncWrite for GuardedStream<S> {
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
        this.update_phase();
        if this.replacement.is_none()
            && let Some(first) = buffers.first()
            && let Some(rejection) = this.own_response(first)
        {
            let length = buffers.iter().map(|buffer| buffer.len()).sum();
            this.replacement = Some((this.encode(rejection), length));
        }
        if let Some((mut wire, length)) = this.replacement.take() {
            while wire.has_remaining() {
                match Pin::new(&mut this.stream).poll_write(context, &wire) {
                    Poll::Ready(written) => wire.advance(written?),
                    Poll::Pending => {
                        this.replacement = Some((wire, length));
                        return this.poll_blocked(context);
                    }
                }
            }
            return Poll::Ready(Ok(length));
        }
        let stream = Pin::new(&mut this.stream);
        let written = match this.max_write {
            None => stream.poll_write_vectored(context, buffers),
            Some(max) => {
                let first = buffers.iter().find(|buffer| !buffer.is_empty());
                let first = first.map_or(&[][..], |buffer| &buffer[..buffer.len().min(max)]);
                stream.poll_write(context, first)
            }
        };
        match written {
            Poll::Ready(Ok(written)) => {
                this.throughput.record_bytes(written);
                if this.version == Version::Http2 {
                    this.state.set_unflushed(true);
                }
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
                this.state.record_flush();
                if this.version == Version::Http2 {
                    this.state.set_unflushed(false);
                }
                if this.phase != Phase::Idle {
                    this.update_phase();
                    if this.phase == Phase::Idle {
                        // hyper may not read again now, so this starts the idle time-out.
                        let _ = this.timer.as_mut().poll(context);
                    }
                }
                if this.phase == Phase::Busy
                    && this.version == Version::Http1
                    && this.poll_gone(context).is_ready()
                {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
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
