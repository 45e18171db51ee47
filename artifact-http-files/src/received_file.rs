//! Reads the one file of a request.

use artifact_backend::{BoxError, Sha256Digest};
use artifact_multipart::{Boundary, Event, Parser, PartHead};
use artifact_store::{ContentType, FileName, NewArtifact};
use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::declared_name::declared_name;
use crate::digest_fields::{DigestCheck, FIELDS, MalformedDigest};
use crate::receive_error::{ReceiveError, ReceiveErrorKind};
use crate::source::Source;

/// The file of a request, and the properties that the request declares: a form with one file, or the whole content.
///
/// A form must have exactly one part, named `file`, with a file name (RFC 7578). At most 16 KiB of the body may lie
/// outside the file. `Content-Digest` and `Repr-Digest` are verified (RFC 9530): those of the request against the whole
/// body, and those in the part's header against the file.
///
/// The file streams: chunks have at most 64 KiB, and no received byte waits for the next one. The file is valid only
/// once [`next`](Self::next) has returned `None`; finish the deposit only then. `body` is any stream of bytes, for
/// example a `http_body_util::BodyDataStream`.
#[derive(Debug)]
pub struct ReceivedFile<S> {
    source: Source<S>,
    /// `None` if the file is the whole content.
    form: Option<Form>,
    /// The SHA-256 that the store is to compare.
    sha256: Option<Sha256Digest>,
    content_type: ContentType,
    file_name: Option<FileName>,
}

#[derive(Debug)]
struct Form {
    parser: Parser,
    /// Bytes that the parser has not consumed yet.
    input: Bytes,
    /// Whether the last boundary was found.
    ended: bool,
    /// Checks the file against the digests in the part's header, if there are any.
    digest: Option<DigestCheck>,
}

impl<S, E> ReceivedFile<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<BoxError>,
{
    /// Reads up to the first byte of the file: of a form if the request's `Content-Type` is `multipart/form-data`, and
    /// otherwise of the content itself.
    ///
    /// # Errors
    ///
    /// Those of [`open_form`](Self::open_form) and [`open_content`](Self::open_content).
    pub async fn open(headers: &HeaderMap, body: S) -> Result<Self, ReceiveError> {
        if is_form(headers) {
            Self::open_form(headers, body).await
        } else {
            Self::open_content(headers, body)
        }
    }

    /// Takes the whole content as the file, whatever its type. Reads nothing of it yet.
    ///
    /// The file name is that of the request's `Content-Disposition` (RFC 6266), of any disposition type. The type is the
    /// request's `Content-Type`; `application/x-www-form-urlencoded` counts as no type, because curl sends it with
    /// `--data-binary` unless another type is given.
    ///
    /// # Errors
    ///
    /// [`Malformed`](ReceiveErrorKind::Malformed) if a digest field or `Content-Disposition` is malformed or the latter
    /// occurs twice, or if the request has two `Content-Type` fields.
    pub fn open_content(headers: &HeaderMap, body: S) -> Result<Self, ReceiveError> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let declared = types.next().map(HeaderValue::as_bytes);
        if types.next().is_some() {
            return Err(ReceiveError::malformed("the request has two Content-Types"));
        }
        let declared =
            declared.filter(|value| !has_type(value, b"application/x-www-form-urlencoded"));
        let mut digest = DigestCheck::of(headers)?;
        let sha256 = digest.as_mut().and_then(DigestCheck::take_sha256);
        Ok(Self {
            source: Source::new(body, digest),
            form: None,
            sha256,
            content_type: clean_type(declared),
            file_name: declared_name(headers)?,
        })
    }

    /// Reads a form up to the first byte of the file. Refuses every other content.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`] for a request that does not follow the rules, or whose body ends with an error.
    pub async fn open_form(headers: &HeaderMap, body: S) -> Result<Self, ReceiveError> {
        let boundary = boundary(headers)?;
        let claimed = DigestCheck::of(headers)?;
        let mut source = Source::new(body, claimed);
        let mut parser = Parser::new(&boundary);
        let mut input = Bytes::new();
        let head = loop {
            match parser.parse(&mut input)? {
                Some(Event::Head(head)) => break head,
                // The parser returns the header first, so this is always the end of a chunk.
                _ => match source.next_frame().await? {
                    Some(frame) => input = frame,
                    None => parser.finish()?,
                },
            }
        };
        let mut digest = claimed_digest(&head)?;
        Ok(Self {
            source,
            sha256: digest.as_mut().and_then(DigestCheck::take_sha256),
            form: Some(Form {
                parser,
                input,
                ended: false,
                digest,
            }),
            content_type: clean_type(head.content_type()),
            file_name: FileName::clean(head.file_name()),
        })
    }

    /// Returns the content type that the request declares, made safe to record.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Returns the file name that the request declares, made safe to record.
    pub fn file_name(&self) -> Option<&FileName> {
        self.file_name.as_ref()
    }

    /// Adds the declared content type, file name and SHA-256 to a new artifact. The store compares the SHA-256 with
    /// that of the bytes: [`finish`](artifact_store::Deposit::finish) then returns
    /// [`DigestMismatch`](artifact_store::ErrorKind::DigestMismatch), which is a 400.
    #[must_use = "returns the changed artifact"]
    pub fn describe(&self, new: NewArtifact) -> NewArtifact {
        new.with_content_type(self.content_type.clone())
            .with_file_name(self.file_name.clone())
            .with_sha256(self.sha256)
    }

    /// Returns the next bytes of the file. Returns `None` only after the whole body was read and is
    /// valid.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`] if the body does not follow the rules, ends with an error or does not have a declared digest.
    /// The deposit must then be dropped, which stores nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        let Some(form) = &mut self.form else {
            let chunk = self.source.next_chunk().await?;
            return match chunk {
                None => self.source.check_digest().map(|()| None),
                chunk => Ok(chunk),
            };
        };
        loop {
            match form.parser.parse(&mut form.input)? {
                Some(Event::Data(bytes)) => {
                    if let Some(digest) = &mut form.digest {
                        digest.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                Some(Event::End) => form.ended = true,
                // `open_form` has taken the header.
                Some(Event::Head(_)) => {}
                None => {
                    let next = if form.ended {
                        self.source.next_frame().await?
                    } else {
                        self.source.next_chunk().await?
                    };
                    let Some(chunk) = next else {
                        form.parser.finish()?;
                        self.source.check_digest()?;
                        return form.check_digest().map(|()| None);
                    };
                    form.input = chunk;
                }
            }
        }
    }
}

impl Form {
    fn check_digest(&mut self) -> Result<(), ReceiveError> {
        if self.digest.take().is_none_or(DigestCheck::holds) {
            return Ok(());
        }
        Err(ReceiveError::new(
            ReceiveErrorKind::DigestMismatch,
            "the part is not what its Content-Digest or Repr-Digest says",
        ))
    }
}

fn clean_type(declared: Option<&[u8]>) -> ContentType {
    ContentType::clean(&String::from_utf8_lossy(declared.unwrap_or_default()))
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE);
    value.is_some_and(|value| has_type(value.as_bytes(), b"multipart/form-data"))
}

/// Returns whether a `Content-Type` is this one, whatever its parameters.
fn has_type(value: &[u8], essence: &[u8]) -> bool {
    let found = value.split(|byte| *byte == b';').next();
    found.is_some_and(|found| found.trim_ascii().eq_ignore_ascii_case(essence))
}

/// Reads the boundary from the request's only `Content-Type`.
fn boundary(headers: &HeaderMap) -> Result<Boundary, ReceiveError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(Boundary::from_content_type(value.as_bytes())?),
        (None, _) => Err(ReceiveError::malformed("the request has no Content-Type")),
        _ => Err(ReceiveError::malformed("the request has two Content-Types")),
    }
}

/// Reads the digest fields of the part's header.
fn claimed_digest(head: &PartHead) -> Result<Option<DigestCheck>, ReceiveError> {
    let mut headers = HeaderMap::new();
    for name in FIELDS {
        if let Some(value) = head.field(name.as_str()) {
            let value = HeaderValue::from_bytes(value).map_err(|_| MalformedDigest)?;
            headers.insert(name, value);
        }
    }
    Ok(DigestCheck::of(&headers)?)
}
