//! The header of the part.

use crate::error::Error;
use crate::parameters::{Backslash, for_each_parameter, split_parameters, split_token, trim};
use crate::parser::MAX_FIELDS;

/// The header of the part: its file name and all its header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHead {
    file_name: String,
    fields: Vec<Field>,
}

/// A header field: its name in lower case, and its value on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: Vec<u8>,
}

impl PartHead {
    /// Returns the file name as the client sent it, with quoted-pairs decoded. It may be empty,
    /// and it may be a path of a foreign system: never use it as a path.
    ///
    /// `%22`, which browsers write for `"`, is not decoded: a file name may contain it literally.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the value of the part's `Content-Type`, if it has one. It is not checked.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.field("content-type")
    }

    /// Returns the value of the first field with this name, which must be in lower case.
    ///
    /// The value has no white space at its ends, and one space for each line break of a folded
    /// line. It may contain tabs and non-ASCII bytes, but no other control characters.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields();
        fields.find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Iterates over the names (in lower case) and values of all fields, in the order of the
    /// body.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let fields = self.fields.iter();
        fields.map(|field| (&*field.name, &*field.value))
    }
}

/// The header lines received so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadBuilder(Vec<Field>);

impl HeadBuilder {
    /// Adds one line, without its line break.
    pub(crate) fn add_line(&mut self, line: &[u8]) -> Result<(), Error> {
        if line
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return Err(Error::MalformedHeader);
        }
        if matches!(line, [b' ' | b'\t', ..]) {
            return self.continue_field(line);
        }
        let (name, rest) = split_token(line);
        let value = rest.strip_prefix(b":").ok_or(Error::MalformedHeader)?;
        if name.is_empty() {
            return Err(Error::MalformedHeader);
        }
        if self.0.len() == MAX_FIELDS {
            return Err(Error::TooManyFields);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        // Which of two would count depends on the reader. Other fields mean nothing here.
        let single = name.starts_with("content-") || name == "repr-digest";
        if single && self.0.iter().any(|other| other.name == name) {
            return Err(Error::DuplicateField);
        }
        let value = value.to_vec();
        self.0.push(Field { name, value });
        Ok(())
    }

    /// Adds a folded line: its line break and first blank count as one space (RFC 5322, section
    /// 2.2.3; RFC 9112, section 5.2).
    fn continue_field(&mut self, line: &[u8]) -> Result<(), Error> {
        let text = &line[1..];
        let field = self.0.last_mut().ok_or(Error::MalformedHeader)?;
        if trim(text).is_empty() {
            return Err(Error::MalformedHeader);
        }
        field.value.push(b' ');
        field.value.extend_from_slice(text);
        Ok(())
    }

    /// Checks the whole header against what a part with this name must have.
    pub(crate) fn finish(mut self, expected_name: &'static str) -> Result<PartHead, Error> {
        for field in &mut self.0 {
            field.value = trim(&field.value).to_vec();
        }
        let mut head = PartHead {
            file_name: String::new(),
            fields: self.0,
        };
        let disposition = head
            .field("content-disposition")
            .ok_or(Error::NoDisposition)?;
        head.file_name = file_name(disposition, expected_name)?;
        // RFC 7578, section 4.7: deprecated. An encoded file is refused, never decoded.
        let encoding = head.field("content-transfer-encoding");
        let identity = |encoding: &[u8]| {
            let known = [&b"binary"[..], b"8bit", b"7bit"];
            known.iter().any(|name| encoding.eq_ignore_ascii_case(name))
        };
        if !encoding.is_none_or(identity) {
            return Err(Error::TransferEncoding);
        }
        Ok(head)
    }
}

/// Reads the file name from a `Content-Disposition` (RFC 7578, section 4.2; RFC 6266).
///
/// `name*` and `filename*` are ignored: RFC 7578 forbids them.
fn file_name(disposition: &[u8], expected_name: &'static str) -> Result<String, Error> {
    let (kind, parameters) = split_parameters(disposition);
    if !trim(kind).eq_ignore_ascii_case(b"form-data") {
        return Err(Error::WrongDisposition);
    }
    // Strings that do not end where the grammar says are tried with a backslash as the last character.
    let (name, file_name) = match names(parameters, Backslash::Escapes) {
        Err(Error::MalformedDisposition) => names(parameters, Backslash::MayEndFileName)?,
        names => names?,
    };
    if name.as_deref() != Some(expected_name.as_bytes()) {
        return Err(Error::WrongName(expected_name));
    }
    let file_name = file_name.ok_or(Error::NoFileName(expected_name))?;
    String::from_utf8(file_name).map_err(|_| Error::FileNameNotUtf8)
}

/// The values of the parameters `name` and `filename`.
type Names = (Option<Vec<u8>>, Option<Vec<u8>>);

fn names(parameters: &[u8], backslash: Backslash) -> Result<Names, Error> {
    let (mut name, mut file_name) = (None, None);
    let malformed = Error::MalformedDisposition;
    for_each_parameter(parameters, backslash, malformed, |parameter, value| {
        let slot = if parameter.eq_ignore_ascii_case(b"name") {
            &mut name
        } else if parameter.eq_ignore_ascii_case(b"filename") {
            &mut file_name
        } else {
            return Ok(());
        };
        match slot.replace(value.into_owned()) {
            None => Ok(()),
            Some(_) => Err(Error::DuplicateParameter),
        }
    })?;
    Ok((name, file_name))
}
