//! `Content-Disposition` of a whole message, not of a part.

use crate::error::Error;
use crate::parameters::{Backslash, for_each_parameter, split_parameters, split_token, trim};

/// The file name parameters of a `Content-Disposition` (RFC 6266) that names the content of a whole message.
///
/// ```
/// use artifact_multipart::Disposition;
///
/// let named = Disposition::parse(br#"attachment; filename="a.txt"; filename*=UTF-8''%C3%A4.txt"#)?;
/// assert_eq!(named.file_name(), Some("a.txt"));
/// assert_eq!(named.extended_file_name(), Some("UTF-8''%C3%A4.txt"));
/// # Ok::<(), artifact_multipart::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disposition {
    file_name: Option<String>,
    extended_file_name: Option<String>,
}

impl Disposition {
    /// Parses the value of the field. Its type, such as `attachment` or `inline`, may be any token. Other parameters
    /// are ignored.
    ///
    /// # Errors
    ///
    /// [`MalformedDisposition`](Error::MalformedDisposition) if the value does not follow the grammar,
    /// [`DuplicateParameter`](Error::DuplicateParameter) if `filename` or `filename*` occurs twice, and
    /// [`FileNameNotUtf8`](Error::FileNameNotUtf8).
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        let (kind, parameters) = split_parameters(value);
        let kind = trim(kind);
        if kind.is_empty() || !split_token(kind).1.is_empty() {
            return Err(Error::MalformedDisposition);
        }
        // Strings that do not end where the grammar says are tried with a backslash as the last character.
        match Self::of_parameters(parameters, Backslash::Escapes) {
            Err(Error::MalformedDisposition) => {
                Self::of_parameters(parameters, Backslash::MayEndFileName)
            }
            parsed => parsed,
        }
    }

    fn of_parameters(parameters: &[u8], backslash: Backslash) -> Result<Self, Error> {
        let mut found = Self::default();
        for_each_parameter(
            parameters,
            backslash,
            Error::MalformedDisposition,
            |name, value| {
                let place = if name.eq_ignore_ascii_case(b"filename") {
                    &mut found.file_name
                } else if name.eq_ignore_ascii_case(b"filename*") {
                    &mut found.extended_file_name
                } else {
                    return Ok(());
                };
                if place.is_some() {
                    return Err(Error::DuplicateParameter);
                }
                let text = String::from_utf8(value.into_owned());
                *place = Some(text.map_err(|_| Error::FileNameNotUtf8)?);
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Returns the parameter `filename`, with quoted-pairs decoded. It may be a path of a foreign system: never use it
    /// as a path.
    pub fn file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// Returns the parameter `filename*` as it was sent: character set, language and percent-encoded text (RFC 8187).
    pub fn extended_file_name(&self) -> Option<&str> {
        self.extended_file_name.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_file_name_are_read() {
        for (value, plain, extended) in [
            ("attachment", None, None),
            ("inline ; filename=a.txt", Some("a.txt"), None),
            (
                r#"form-data; name="file"; FileName="a \"b\";c""#,
                Some("a \"b\";c"),
                None,
            ),
            (r#"attachment; filename="C:\x\""#, Some(r"C:\x\"), None),
            (
                "attachment; filename*=UTF-8''a%20b; filename=a",
                Some("a"),
                Some("UTF-8''a%20b"),
            ),
        ] {
            let found = Disposition::parse(value.as_bytes()).unwrap();
            assert_eq!(found.file_name(), plain, "{value}");
            assert_eq!(found.extended_file_name(), extended, "{value}");
        }
    }

    #[test]
    fn other_values_are_refused() {
        for (value, error) in [
            (&b""[..], Error::MalformedDisposition),
            (b"a b", Error::MalformedDisposition),
            (b"; filename=a", Error::MalformedDisposition),
            (b"attachment; filename", Error::MalformedDisposition),
            (b"attachment; filename=\"a", Error::MalformedDisposition),
            (b"attachment; filename=a b", Error::MalformedDisposition),
            (b"x; filename=a; filename=a", Error::DuplicateParameter),
            (b"x; filename=\"\xff\"", Error::FileNameNotUtf8),
        ] {
            assert_eq!(Disposition::parse(value), Err(error), "{value:?}");
        }
    }
}
