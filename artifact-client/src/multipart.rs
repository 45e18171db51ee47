//! The body of a deposit: the artifact itself, or a form with it (RFC 7578 with one part). The form is written by hand so that
//! its length is known before it is sent. The bytes are hashed while they are sent.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use artifact_backend::{Sha256Digest, random};
use bytes::Bytes;
use futures_util::stream::Stream;
use sha2::{Digest, Sha256};

use crate::body::ByteStream;
use crate::progress::ProgressCallback;
use crate::repr_digest;
use crate::stall::StallDetector;

/// The form's bytes before and after the artifact. Both are empty if the body is the artifact itself.
pub(crate) struct Envelope {
    /// The `Content-Type` of the request.
    pub(crate) content_type: String,
    head: Bytes,
    tail: Bytes,
    /// The SHA-256 of the artifact, if it is sent ahead.
    pub(crate) sha256: Option<Sha256Digest>,
}

impl Envelope {
    /// With `sha256`, the part's header has a `Content-Digest`, and the artifact is not hashed again.
    pub(crate) fn new(file_name: &str, content_type: &str, sha256: Option<Sha256Digest>) -> Self {
        // 128 random bits: no artifact can be prepared to contain the boundary.
        let boundary = format!("artifact-{:032x}", u128::from_ne_bytes(random::bytes()));
        let file_name = escape(file_name);
        let mut head = format!(
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             Content-Type: {content_type}\r\n"
        );
        if let Some(sha256) = &sha256 {
            let digest = repr_digest::field_value(sha256);
            let _ = write!(head, "Content-Digest: {digest}\r\n");
        }
        head.push_str("\r\n");
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            head: head.into(),
            tail: format!("\r\n--{boundary}--\r\n").into(),
            sha256,
        }
    }

    /// Makes the body the artifact itself.
    pub(crate) fn none(content_type: &str, sha256: Option<Sha256Digest>) -> Self {
        Self {
            content_type: content_type.to_owned(),
            head: Bytes::new(),
            tail: Bytes::new(),
            sha256,
        }
    }

    /// Returns the length of the whole body for an artifact of `size` bytes. An empty body has none: the connection would not
    /// read its source, which must turn out to be empty.
    pub(crate) fn length(&self, size: u64) -> Option<u64> {
        let length = size.checked_add((self.head.len() + self.tail.len()) as u64);
        length.filter(|length| *length > 0)
    }
}

/// Escapes a file name for a quoted string, as browsers do (RFC 7578, section 2: percent-encoding).
/// The backslash is escaped too, because some parsers treat it as an escape character.
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

/// How far the artifact's bytes have been sent.
#[derive(Debug, Default)]
pub(crate) enum Sent {
    /// Not all of them.
    #[default]
    Incomplete,
    /// All of them, with their count and digest.
    Complete(u64, Sha256Digest),
    /// The source failed, or its size differs from the declared size.
    Failed(io::Error),
}

/// The state that the form's stream shares with the task that waits for the response.
#[derive(Debug)]
pub(crate) struct UploadState {
    pub(crate) stall_detector: StallDetector,
    on_progress: Option<ProgressCallback>,
    sent: Mutex<Sent>,
}

impl UploadState {
    pub(crate) fn new(on_progress: Option<ProgressCallback>) -> Arc<Self> {
        Arc::new(Self {
            stall_detector: StallDetector::new(),
            on_progress,
            sent: Mutex::default(),
        })
    }

    pub(crate) fn report_progress(&self, bytes: u64, total: Option<u64>) {
        if let Some(call) = &self.on_progress {
            call.report(bytes, total);
        }
    }

    pub(crate) fn take_sent(&self) -> Sent {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_sent(&self, sent: Sent) {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = sent;
    }
}

/// The body as a stream: head, the artifact's bytes, tail.
pub(crate) struct Form {
    head: Option<Bytes>,
    tail: Option<Bytes>,
    source: ByteStream,
    hasher: Sha256,
    /// The SHA-256 of the artifact, if it is known before.
    sha256: Option<Sha256Digest>,
    count: u64,
    declared_size: Option<u64>,
    /// The last bytes of a body of a declared size that has no tail, until the source has turned out to end after them. The
    /// connection asks for nothing more once it has them.
    last: Option<Bytes>,
    state: Arc<UploadState>,
}

impl Form {
    pub(crate) fn new(
        envelope: &Envelope,
        source: ByteStream,
        declared_size: Option<u64>,
        state: Arc<UploadState>,
    ) -> Self {
        Self {
            head: Some(envelope.head.clone()),
            tail: Some(envelope.tail.clone()),
            source,
            hasher: Sha256::new(),
            sha256: envelope.sha256,
            count: 0,
            declared_size,
            last: None,
            state,
        }
    }

    /// Counts and hashes one chunk of the artifact.
    fn process_chunk(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        self.count += chunk.len() as u64;
        match self.declared_size {
            Some(declared) if self.count > declared => Err(io::Error::other(format!(
                "the body has more than the declared {declared} bytes"
            ))),
            _ => {
                if self.sha256.is_none() {
                    self.hasher.update(&chunk);
                }
                self.report_progress();
                Ok(chunk)
            }
        }
    }

    /// Returns whether the body ends with the bytes that were counted last.
    fn is_last(&self) -> bool {
        let has_tail = self.tail.as_ref().is_some_and(|tail| !tail.is_empty());
        !has_tail && self.declared_size == Some(self.count)
    }

    fn report_progress(&self) {
        self.state.report_progress(self.count, self.declared_size);
    }

    fn finish(&mut self) -> io::Result<Option<Bytes>> {
        let Some(tail) = self.tail.take() else {
            return Ok(None);
        };
        match self.declared_size {
            Some(declared) if self.count < declared => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "the body has {} bytes instead of the declared {declared}",
                    self.count
                ),
            )),
            _ => {
                let digest = self.sha256.unwrap_or_else(|| {
                    Sha256Digest::from_bytes(self.hasher.finalize_reset().into())
                });
                self.state.set_sent(Sent::Complete(self.count, digest));
                let rest = self.last.take().unwrap_or(tail);
                Ok(Some(rest).filter(|rest| !rest.is_empty()))
            }
        }
    }

    /// Keeps the error for the task that waits for the response. The connection gets an error without
    /// details, which makes it abort: the server must not take the bytes for a whole artifact.
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.tail = None;
        self.state.set_sent(Sent::Failed(error));
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
        this.state.stall_detector.record_poll(false);
        if let Some(head) = this.head.take() {
            // Reports 0 at the start of each attempt.
            this.report_progress();
            if !head.is_empty() {
                return Poll::Ready(Some(Ok(head)));
            }
        }
        if this.tail.is_none() {
            return Poll::Ready(None);
        }
        loop {
            let Poll::Ready(item) = this.source.as_mut().poll_next(context) else {
                this.state.stall_detector.record_poll(true);
                return Poll::Pending;
            };
            let next = match item {
                Some(Ok(chunk)) => match this.process_chunk(chunk) {
                    Ok(chunk) if this.is_last() => {
                        // After the last bytes a source may still return empty chunks.
                        this.last.get_or_insert(chunk);
                        continue;
                    }
                    processed => processed.map(Some),
                },
                Some(Err(error)) => Err(error),
                None => this.finish(),
            };
            return Poll::Ready(next.map_err(|error| this.fail(error)).transpose());
        }
    }
}
