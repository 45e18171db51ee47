//! Reads the one file of a deposit from its `multipart/form-data` body.

use artifact_backend::Sha256Digest;
use artifact_multipart::{Boundary, Event, Parser, PartHead};
use artifact_store::{ContentType, FileName};
use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::digest_fields::{DigestCheck, FIELDS, Malformed};
use crate::problem::Problem;
use crate::source::Source;

/// The part named `file`, and the properties that it declares.
#[derive(Debug)]
pub(crate) struct FilePart {
    source: Source,
    parser: Parser,
    /// Bytes that the parser has not consumed yet.
    input: Bytes,
    /// Whether the last boundary was found.
    ended: bool,
    /// Checks the file against the digests in the part's header, if there are any.
    digest: Option<DigestCheck>,
    /// The SHA-256 in the part's header. `digest` does not check it: the store does.
    pub(crate) sha256: Option<Sha256Digest>,
    pub(crate) content_type: ContentType,
    pub(crate) file_name: Option<FileName>,
}

impl FilePart {
    /// Reads up to the first byte of the file.
    pub(crate) async fn open(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let boundary = boundary(headers)?;
        let claimed = DigestCheck::of(headers).map_err(malformed_digest)?;
        let mut source = Source::new(body, claimed);
        let mut parser = Parser::new(&boundary);
        let mut input = Bytes::new();
        let head = loop {
            match parser.parse(&mut input).map_err(malformed)? {
                Some(Event::Head(head)) => break head,
                // The parser returns the header first, so this is always the end of a chunk.
                _ => match source.next_frame().await.map_err(Problem::broken_body)? {
                    Some(frame) => input = frame,
                    None => parser.finish().map_err(malformed)?,
                },
            }
        };
        let content_type = head.content_type().unwrap_or_default();
        let mut digest = claimed_digest(&head)?;
        Ok(Self {
            source,
            parser,
            input,
            ended: false,
            sha256: digest.as_mut().and_then(DigestCheck::take_sha256),
            digest,
            content_type: ContentType::clean(&String::from_utf8_lossy(content_type)),
            file_name: FileName::clean(head.file_name()),
        })
    }

    /// Returns the next bytes of the file. Returns `None` only after the whole body was read and is
    /// valid.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            match self.parser.parse(&mut self.input).map_err(malformed)? {
                Some(Event::Data(bytes)) => {
                    if let Some(digest) = &mut self.digest {
                        digest.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                Some(Event::End) => self.ended = true,
                // `open` has taken the header.
                Some(Event::Head(_)) => {}
                None => {
                    let next = if self.ended {
                        self.source.next_frame().await
                    } else {
                        self.source.next_chunk().await
                    };
                    match next.map_err(Problem::broken_body)? {
                        Some(chunk) => self.input = chunk,
                        None => return self.finish().map(|()| None),
                    }
                }
            }
        }
    }

    fn finish(&mut self) -> Result<(), Problem> {
        self.parser.finish().map_err(malformed)?;
        if !self.source.digest_holds() {
            return Err(Problem::bad_request(
                "the body is not what Content-Digest or Repr-Digest says",
            ));
        }
        if !self.digest.take().is_none_or(DigestCheck::holds) {
            return Err(Problem::bad_request(
                "the part is not what its Content-Digest or Repr-Digest says",
            ));
        }
        Ok(())
    }
}

/// Reads the boundary from the request's only `Content-Type`.
fn boundary(headers: &HeaderMap) -> Result<Boundary, Problem> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Boundary::from_content_type(value.as_bytes()).map_err(malformed),
        (None, _) => Err(Problem::bad_request("the request has no Content-Type")),
        _ => Err(Problem::bad_request("the request has two Content-Types")),
    }
}

/// Reads the digest fields of the part's header.
fn claimed_digest(head: &PartHead) -> Result<Option<DigestCheck>, Problem> {
    let mut headers = HeaderMap::new();
    for name in FIELDS {
        if let Some(value) = head.field(name.as_str()) {
            let value = HeaderValue::from_bytes(value).map_err(|_| malformed_digest(Malformed))?;
            headers.insert(name, value);
        }
    }
    DigestCheck::of(&headers).map_err(malformed_digest)
}

fn malformed(error: artifact_multipart::Error) -> Problem {
    Problem::bad_request(error.to_string()).with_source(error)
}

fn malformed_digest(error: Malformed) -> Problem {
    Problem::bad_request(error.to_string()).with_source(error)
}
