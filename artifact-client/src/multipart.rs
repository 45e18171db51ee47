//! The one form that a deposit is: RFC 7578, one part, written by hand so that its length is known
//! beforehand and its bytes are hashed on the way.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use artifact_backend::{Sha256Digest, random};
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use sha2::{Digest, Sha256};

use crate::progress::OnProgress;
use crate::stall::Pace;

/// What stands around the artifact's bytes.
pub(crate) struct Frame {
    pub(crate) content_type: String,
    pub(crate) head: Bytes,
    pub(crate) tail: Bytes,
}

impl Frame {
    pub(crate) fn new(file_name: &str, content_type: &str) -> Self {
        // 128 random bits: no body can have been made to contain it.
        let boundary = format!("artifact-{:032x}", u128::from_ne_bytes(random::bytes()));
        let file_name = escape(file_name);
        let head = format!(
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        );
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            head: head.into(),
            tail: format!("\r\n--{boundary}--\r\n").into(),
        }
    }

    /// The length of the whole form around an artifact of `size` bytes.
    pub(crate) fn length(&self, size: u64) -> Option<u64> {
        size.checked_add((self.head.len() + self.tail.len()) as u64)
    }
}

/// A file name as it stands between quotes: the escape that browsers use (RFC 7578, section 2:
/// percent-encoding), extended to the backslash, which some parsers take for an escape.
fn escape(file_name: &str) -> String {
    let mut escaped = String::with_capacity(file_name.len());
    for c in file_name.chars() {
        match c {
            '"' | '\\' | '\0'..='\x1f' | '\x7f' => {
                let _ = write!(escaped, "%{:02X}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// What became of the artifact's bytes on their way.
#[derive(Debug, Default)]
pub(crate) enum Sent {
    /// Not at their end yet.
    #[default]
    Partly,
    /// All of them, with this count and digest.
    Whole(u64, Sha256Digest),
    /// The source failed, or gave fewer or more bytes than announced.
    Failed(io::Error),
}

/// What the stream tells those who wait for the answer.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pace: Pace,
    on_progress: Option<OnProgress>,
    sent: Mutex<Sent>,
}

impl Shared {
    pub(crate) fn new(on_progress: Option<OnProgress>) -> Arc<Self> {
        Arc::new(Self {
            pace: Pace::new(),
            on_progress,
            sent: Mutex::default(),
        })
    }

    pub(crate) fn take_sent(&self) -> Sent {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_sent(&self, sent: Sent) {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = sent;
    }
}

/// The form as a stream: head, the artifact's bytes, tail.
pub(crate) struct Form {
    head: Option<Bytes>,
    tail: Option<Bytes>,
    source: BoxStream<'static, io::Result<Bytes>>,
    hasher: Sha256,
    count: u64,
    announced: Option<u64>,
    shared: Arc<Shared>,
}

impl Form {
    pub(crate) fn new(
        frame: &Frame,
        source: BoxStream<'static, io::Result<Bytes>>,
        announced: Option<u64>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            head: Some(frame.head.clone()),
            tail: Some(frame.tail.clone()),
            source,
            hasher: Sha256::new(),
            count: 0,
            announced,
            shared,
        }
    }

    /// The artifact's own bytes, counted and hashed.
    fn piece(&mut self, piece: Bytes) -> io::Result<Bytes> {
        self.count += piece.len() as u64;
        match self.announced {
            Some(announced) if self.count > announced => Err(io::Error::other(format!(
                "there are more bytes than the {announced} that were announced"
            ))),
            _ => {
                self.hasher.update(&piece);
                self.tell();
                Ok(piece)
            }
        }
    }

    fn tell(&self) {
        if let Some(call) = &self.shared.on_progress {
            call.tell(self.count, self.announced);
        }
    }

    fn end(&mut self) -> io::Result<Option<Bytes>> {
        let Some(tail) = self.tail.take() else {
            return Ok(None);
        };
        match self.announced {
            Some(announced) if self.count < announced => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("there are {} bytes, {announced} were announced", self.count),
            )),
            _ => {
                let digest = Sha256Digest::from_bytes(self.hasher.finalize_reset().into());
                self.shared.set_sent(Sent::Whole(self.count, digest));
                Ok(Some(tail))
            }
        }
    }

    /// The error goes to whoever waits for the answer; the connection learns only that it must
    /// break off, so that the server does not take what it has for the whole.
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.tail = None;
        self.shared.set_sent(Sent::Failed(error));
        io::Error::other("the body of the deposit failed")
    }
}

impl Stream for Form {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        this.shared.pace.asked(false);
        if let Some(head) = this.head.take() {
            // Of a deposit that is begun again, the fall back to 0.
            this.tell();
            return Poll::Ready(Some(Ok(head)));
        }
        if this.tail.is_none() {
            return Poll::Ready(None);
        }
        let Poll::Ready(item) = this.source.as_mut().poll_next(context) else {
            this.shared.pace.asked(true);
            return Poll::Pending;
        };
        let next = match item {
            Some(Ok(piece)) => this.piece(piece).map(Some),
            Some(Err(error)) => Err(error),
            None => this.end(),
        };
        Poll::Ready(next.map_err(|error| this.fail(error)).transpose())
    }
}
