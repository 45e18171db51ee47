//! The one part of a deposit, out of a `multipart/form-data` body (RFC 7578), in bounded memory.
//!
//! multer parses; [`Source`] sees to the bounds and to what lies behind the part.

use std::error::Error;
use std::io;

use artifact_store::{ContentType, FileName};
use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::{Field, Multipart};

use crate::digest_fields::{DigestCheck, Malformed};
use crate::problem::Problem;
use crate::source::{Source, SourceError};

/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY: usize = 70;

/// The part named `file`, and what it declares.
#[derive(Debug)]
pub(crate) struct FilePart {
    multipart: Multipart<'static>,
    field: Option<Field<'static>>,
    source: Source,
    /// What the part's own fields claim of its bytes.
    digest: Option<DigestCheck>,
    pub(crate) content_type: ContentType,
    pub(crate) file_name: Option<FileName>,
}

impl FilePart {
    /// Reads up to the part's body.
    pub(crate) async fn open(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let boundary = boundary(headers)?;
        let claimed = DigestCheck::of(headers).map_err(malformed_digest)?;
        let source = Source::new(body, &boundary, claimed);
        let mut multipart = Multipart::new(source.clone(), boundary);
        let field = multipart.next_field().await.map_err(malformed)?;
        let field = field.ok_or_else(|| Problem::bad_request("the body has no part"))?;
        source.begin_part();
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
        let digest = DigestCheck::of(field.headers()).map_err(malformed_digest)?;
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
            source,
            digest,
            content_type,
            file_name,
        })
    }

    /// The next piece of the artifact; `None` only once the whole body was read and held nothing
    /// but this part.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(field) = &mut self.field {
            if let Some(piece) = field.chunk().await.map_err(malformed)? {
                self.source.take(piece.len());
                if let Some(digest) = &mut self.digest {
                    digest.update(&piece);
                }
                return Ok(Some(piece));
            }
            self.field = None;
            self.check_end().await?;
            if !self.digest.take().is_none_or(DigestCheck::holds) {
                return Err(Problem::bad_request(
                    "the part is not what its Content-Digest or Repr-Digest says",
                ));
            }
        }
        Ok(None)
    }

    async fn check_end(&mut self) -> Result<(), Problem> {
        match self.multipart.next_field().await.map_err(malformed)? {
            None => self.source.finish().await.map_err(refused),
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
    if is_slow(&error) {
        return Problem::slow().with_source(error);
    }
    let detail = match &error {
        multer::Error::StreamReadFailed(source) => match source.downcast_ref::<SourceError>() {
            Some(error) => text(error),
            None => "the body was cut short",
        },
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => "the body ends before its last boundary",
        _ => "the body is not well-formed multipart/form-data",
    };
    Problem::bad_request(detail).with_source(error)
}

fn refused(error: SourceError) -> Problem {
    if is_slow(&error) {
        return Problem::slow().with_source(error);
    }
    Problem::bad_request(text(&error)).with_source(error)
}

/// Whether whoever serves the router lost patience with the body: it then ends with an I/O error of
/// the kind `TimedOut`.
fn is_slow(error: &(dyn Error + 'static)) -> bool {
    let chain = std::iter::successors(Some(error), |error| (**error).source());
    chain
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn malformed_digest(error: Malformed) -> Problem {
    Problem::bad_request(error.to_string()).with_source(error)
}

fn text(error: &SourceError) -> &'static str {
    match error {
        SourceError::Budget => "more than 16 KiB of the body lie outside the part",
        SourceError::Trailing => "there is something behind the body's last boundary",
        SourceError::Digest => "the body is not what Content-Digest or Repr-Digest says",
        SourceError::Cut(_) => "the body was cut short",
    }
}
