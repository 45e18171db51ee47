//! The one part of a deposit, out of a `multipart/form-data` body (RFC 7578), in bounded memory.
//!
//! multer parses. It buffers whatever its source has ready, and a preamble or a header without a
//! limit, so its source is [`Source`]: one frame at a time, small ones outside the part's body, and
//! an end to the patience for bytes that are not the part's.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use artifact_store::{ContentType, FileName};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::{Field, Multipart};

use crate::problem::Problem;

/// How many bytes of a body may be something else than the artifact: preamble, boundaries, the
/// part's header, epilogue.
pub(crate) const BUDGET: u64 = 16 << 10;
/// The greatest piece that is handed to the parser at once.
const PIECE: usize = 64 << 10;
/// The same while it looks for the part.
const SMALL: usize = 2 << 10;
/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY: usize = 70;

/// What the source and the reader of the part tell each other.
#[derive(Debug, Default)]
struct Flow {
    fed: AtomicU64,
    taken: AtomicU64,
}

impl Flow {
    /// Bytes that were handed to the parser and were not the artifact's, so far as it is known.
    fn outside(&self) -> u64 {
        self.fed
            .load(Ordering::Relaxed)
            .saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

/// The body as the parser sees it.
struct Source {
    body: BodyDataStream,
    flow: Arc<Flow>,
    rest: Bytes,
    /// The parser takes what is ready until nothing is; after each piece nothing is, once.
    pause: bool,
}

/// Why the source ended before the body did.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("more than 16 KiB of the body lie outside the part")]
    Budget,
    #[error("the body was cut short")]
    Cut(#[source] axum::Error),
}

impl Stream for Source {
    type Item = Result<Bytes, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.pause {
            self.pause = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.flow.outside() > BUDGET {
            return Poll::Ready(Some(Err(SourceError::Budget)));
        }
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(SourceError::Cut(error))));
                }
                Poll::Ready(Some(Ok(frame))) => self.rest = frame,
            }
        }
        let most = if self.flow.taken.load(Ordering::Relaxed) > 0 {
            PIECE
        } else {
            SMALL
        };
        let length = self.rest.len().min(most);
        let piece = self.rest.split_to(length);
        self.flow
            .fed
            .fetch_add(piece.len() as u64, Ordering::Relaxed);
        self.pause = true;
        Poll::Ready(Some(Ok(piece)))
    }
}

/// The part named `file`, and what it declares.
#[derive(Debug)]
pub(crate) struct FilePart {
    multipart: Multipart<'static>,
    field: Option<Field<'static>>,
    flow: Arc<Flow>,
    pub(crate) content_type: ContentType,
    pub(crate) file_name: Option<FileName>,
}

impl FilePart {
    /// Reads up to the part's body.
    pub(crate) async fn open(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let boundary = boundary(headers)?;
        let flow = Arc::new(Flow::default());
        let source = Source {
            body: body.into_data_stream(),
            flow: Arc::clone(&flow),
            rest: Bytes::new(),
            pause: false,
        };
        let mut multipart = Multipart::new(source, boundary);
        let field = multipart.next_field().await.map_err(malformed)?;
        let field = field.ok_or_else(|| Problem::bad_request("the body has no part"))?;
        if field.name() != Some("file") {
            return Err(Problem::bad_request("the part is not named `file`"));
        }
        let Some(file_name) = field.file_name() else {
            return Err(Problem::bad_request(
                "the part `file` has no filename: upload it as a file",
            ));
        };
        // RFC 7578, section 4.7: deprecated, and never undone here.
        if let Some(encoding) = field.headers().get("content-transfer-encoding") {
            let known = [&b"binary"[..], b"8bit", b"7bit"];
            if !known
                .iter()
                .any(|name| encoding.as_bytes().eq_ignore_ascii_case(name))
            {
                return Err(Problem::bad_request(
                    "the part has a Content-Transfer-Encoding; send its bytes as they are",
                ));
            }
        }
        let declared = field
            .headers()
            .get(CONTENT_TYPE)
            .map(http::HeaderValue::as_bytes);
        let content_type =
            ContentType::clean(&String::from_utf8_lossy(declared.unwrap_or_default()));
        let file_name = FileName::clean(file_name);
        Ok(Self {
            multipart,
            field: Some(field),
            flow,
            content_type,
            file_name,
        })
    }

    /// The next piece of the artifact; `None` only once the whole body was read and held nothing
    /// but this part.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(field) = &mut self.field {
            if let Some(piece) = field.chunk().await.map_err(malformed)? {
                self.flow
                    .taken
                    .fetch_add(piece.len() as u64, Ordering::Relaxed);
                return Ok(Some(piece));
            }
            self.field = None;
            self.check_end().await?;
        }
        Ok(None)
    }

    async fn check_end(&mut self) -> Result<(), Problem> {
        match self.multipart.next_field().await.map_err(malformed)? {
            None => Ok(()),
            Some(_) => Err(Problem::bad_request("the body has more than one part")),
        }
    }
}

/// The boundary that the request's `Content-Type` names, once.
fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    let wrong = |detail: &str| Problem::bad_request(detail);
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let value =
        value.ok_or_else(|| wrong("the body must be multipart/form-data with a boundary"))?;
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(wrong("the body must be multipart/form-data"));
    }
    let named = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='));
    let boundaries = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    match boundaries.count() {
        0 => return Err(wrong("the Content-Type names no boundary")),
        1 => {}
        _ => return Err(wrong("the Content-Type names more than one boundary")),
    }
    let boundary = multer::parse_boundary(value)
        .map_err(|error| wrong("the Content-Type names no boundary").with_source(error))?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return Err(wrong("a boundary has 1 to 70 characters"));
    }
    Ok(boundary)
}

/// What the parser stumbled over, in words that do not repeat the client's bytes.
fn malformed(error: multer::Error) -> Problem {
    let detail = match &error {
        multer::Error::StreamReadFailed(source) => match source.downcast_ref::<SourceError>() {
            Some(SourceError::Budget) => "more than 16 KiB of the body lie outside the part",
            _ => "the body was cut short",
        },
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => "the body ends before its last boundary",
        _ => "the body is not well-formed multipart/form-data",
    };
    Problem::bad_request(detail).with_source(error)
}
