//! The reasons why a body is refused.

use std::fmt;

/// The reason why a request is refused.
///
/// The `Display` text is a sentence for the client. It never repeats bytes of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The request's media type is not `multipart/form-data`.
    NotFormData,
    /// The parameters of the request's `Content-Type` are malformed.
    MalformedContentType,
    /// The request's `Content-Type` has no boundary.
    NoBoundary,
    /// The request's `Content-Type` has more than one boundary.
    DuplicateBoundary,
    /// The boundary is empty, too long, or has a character that is not allowed.
    InvalidBoundary,

    /// More than [`MAX_OVERHEAD`](crate::MAX_OVERHEAD) bytes lie outside the file.
    TooMuchOverhead,
    /// A line break that the parser must understand is a bare CR or a bare LF.
    BareLineBreak,
    /// A delimiter is not at the start of a line.
    MisplacedDelimiter,
    /// A delimiter is followed by other characters in its line.
    MalformedDelimiter,
    /// The body has no part.
    NoPart,
    /// The body has more than one part.
    MoreThanOnePart,
    /// The last boundary is followed by something other than white space.
    TrailingBytes,
    /// The body ends before its last boundary.
    Truncated,

    /// A header line of the part is malformed.
    MalformedHeader,
    /// The part has more than [`MAX_FIELDS`](crate::MAX_FIELDS) header fields.
    TooManyFields,
    /// The part has a header field twice that may occur only once.
    DuplicateField,
    /// The part has no `Content-Disposition`.
    NoDisposition,
    /// The type of the part's `Content-Disposition` is not `form-data`.
    WrongDisposition,
    /// The parameters of the `Content-Disposition` are malformed.
    MalformedDisposition,
    /// The `Content-Disposition` has two names or two file names.
    DuplicateParameter,
    /// The part has another name than the expected one, or none.
    WrongName(&'static str),
    /// The part has no file name. It is named here.
    NoFileName(&'static str),
    /// The file name is not UTF-8.
    FileNameNotUtf8,
    /// The part has a `Content-Transfer-Encoding` that changes its bytes.
    TransferEncoding,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFormData => "the body must be multipart/form-data",
            Self::MalformedContentType => {
                "the Content-Type is malformed: parameters are `name=value`, separated by `;`"
            }
            Self::NoBoundary => "the Content-Type names no boundary",
            Self::DuplicateBoundary => "the Content-Type names more than one boundary",
            Self::InvalidBoundary => {
                "a boundary has 1 to 70 visible ASCII characters, without quotes and backslashes"
            }
            Self::TooMuchOverhead => "more than 16 KiB of the body lie outside the file",
            Self::BareLineBreak => {
                "a header line or a boundary has a bare CR or LF as its line break; send CRLF"
            }
            Self::MisplacedDelimiter => "a boundary is not at the start of a line",
            Self::MalformedDelimiter => "a boundary is followed by other characters in its line",
            Self::NoPart => "the body has no part",
            Self::MoreThanOnePart => "the body has more than one part",
            Self::TrailingBytes => "there are bytes behind the body's last boundary",
            Self::Truncated => "the body ends before its last boundary",
            Self::MalformedHeader => "a header line of the part is malformed",
            Self::TooManyFields => "the part has more than 32 header fields",
            Self::DuplicateField => "the part has the same header field twice",
            Self::NoDisposition => "the part has no Content-Disposition",
            Self::WrongDisposition => "the part's Content-Disposition is not form-data",
            Self::MalformedDisposition => "the Content-Disposition is malformed",
            Self::DuplicateParameter => "the Content-Disposition has two names or two file names",
            Self::WrongName(expected) => {
                return write!(f, "the part is not named `{expected}`");
            }
            Self::NoFileName(name) => {
                return write!(f, "the part `{name}` has no filename: upload it as a file");
            }
            Self::FileNameNotUtf8 => "the file name is not UTF-8",
            Self::TransferEncoding => {
                "the part has a Content-Transfer-Encoding; send its bytes as they are"
            }
        })
    }
}

impl std::error::Error for Error {}
