//! The boundary that a request's `Content-Type` declares.

use std::fmt;

use crate::error::Error;
use crate::parameters::{Backslash, for_each_parameter, split_parameters, trim};

/// The text that separates the parts of a body: 1 to 70 characters (RFC 2046, section 5.1.1).
///
/// The RFC allows letters, digits, inner spaces and `'()+_,-./:=?`. Real clients also send other
/// visible ASCII characters, such as `*`, so all are accepted except `"` and `\`, which parsers
/// of quoted strings read differently.
#[derive(Clone, PartialEq, Eq)]
pub struct Boundary(Box<[u8]>);

impl Boundary {
    /// The longest boundary, in characters.
    pub const MAX_LEN: usize = 70;

    /// Reads the boundary from the value of a request's `Content-Type` field (RFC 9110, section
    /// 8.3).
    ///
    /// The media type must be `multipart/form-data`. Names are case-insensitive, white space may surround
    /// each `;`, and parameters other than `boundary` are ignored.
    ///
    /// # Errors
    ///
    /// Fails if the value is malformed, has another media type, or does not have exactly one valid
    /// boundary.
    pub fn from_content_type(value: &[u8]) -> Result<Self, Error> {
        let (media_type, parameters) = split_parameters(value);
        if !trim(media_type).eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(Error::NotFormData);
        }
        let mut found = None;
        for_each_parameter(
            parameters,
            Backslash::Escapes,
            Error::MalformedContentType,
            |name, value| {
                if !name.eq_ignore_ascii_case(b"boundary") {
                    return Ok(());
                }
                match found.replace(value.into_owned()) {
                    None => Ok(()),
                    Some(_) => Err(Error::DuplicateBoundary),
                }
            },
        )?;
        Self::new(&found.ok_or(Error::NoBoundary)?)
    }

    /// Takes a boundary without its leading hyphens and without quotes.
    ///
    /// # Errors
    ///
    /// Fails if the boundary is empty, longer than 70 characters, ends with a space or has a
    /// character that is not allowed.
    pub fn new(boundary: &[u8]) -> Result<Self, Error> {
        let allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let valid = (1..=Self::MAX_LEN).contains(&boundary.len())
            && boundary.iter().all(allowed)
            && !boundary.ends_with(b" ");
        valid
            .then(|| Self(boundary.into()))
            .ok_or(Error::InvalidBoundary)
    }

    /// Returns the boundary's characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boundary({})", self.0.escape_ascii())
    }
}
