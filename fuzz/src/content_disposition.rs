//! Target `content_disposition`: a client that follows the RFCs reads the file name that was recorded, and
//! the file name of a form is read as a second parser reads it.

use artifact_http::fuzzing;
use artifact_multipart::{Boundary, Event, Parser};
use artifact_store::FileName;
use bytes::Bytes;

/// Checks one input: as a file name, and as the parameters of a part's `Content-Disposition`.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - a recorded name has 1 to 255 bytes, no path, no control character, no mark that changes the direction
///   of text, and cleaning it again changes nothing;
/// - `Content-Disposition` of any name is visible ASCII; a parser of RFC 6266 and RFC 8187 reads the type
///   `attachment` and this name from it, each parameter once;
/// - a name that is quoted in a form arrives unchanged;
/// - the parser of the form and a second parser read the same name from any parameters.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    check_sent(&text);
    if let Some(name) = FileName::clean(&text) {
        check_recorded(name.as_str());
        check_sent(name.as_str());
    }
    check_quoted(&text);
    check_parameters(data);
}

fn check_recorded(name: &str) {
    assert!((1..=255).contains(&name.len()), "{name:?}");
    assert!(!matches!(name, "." | ".."), "{name:?}");
    let hidden = |c: char| matches!(u32::from(c), 0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069);
    let bad = |c: char| c == '/' || c == '\\' || c.is_control() || hidden(c);
    assert!(!name.contains(bad), "{name:?}");
    let again = FileName::clean(name).expect("a clean name is usable");
    assert_eq!(again.as_str(), name);
}

/// Checks the header field of a fetch.
fn check_sent(name: &str) {
    let field = fuzzing::attachment(Some(name));
    let field = field.as_bytes();
    assert!(field.iter().all(|byte| (b' '..=b'~').contains(byte)));
    let (kind, parameters) = parse(field, Escape::Every).expect("the field has the grammar");
    assert_eq!(kind, b"attachment");
    let (mut plain, mut extended) = (None, None);
    for (parameter, value) in parameters {
        let slot = match &*parameter {
            b"filename" => &mut plain,
            b"filename*" => &mut extended,
            other => panic!("an unknown parameter {other:?}"),
        };
        assert_eq!(slot.replace(value), None, "a parameter occurs twice");
    }
    let plain = plain.expect("old clients need `filename`");
    // Clients decode `%` or take the last component of a path.
    assert!(!plain.iter().any(|byte| b"%/\\\"".contains(byte)));
    let length = name.chars().count();
    assert_eq!(plain.len(), length, "one character each");
    let read = match extended {
        Some(value) => decode_extended(&value).expect("the extended value has the grammar"),
        None => plain,
    };
    assert_eq!(read, name.as_bytes());
}

/// Decodes `UTF-8''...` (RFC 8187, section 3.2.1).
fn decode_extended(value: &[u8]) -> Option<Vec<u8>> {
    let mut encoded = value.strip_prefix(b"UTF-8''")?;
    let mut decoded = Vec::new();
    while let [byte, rest @ ..] = encoded {
        encoded = rest;
        if *byte != b'%' {
            let is_attr_char = byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(byte);
            decoded.push(is_attr_char.then_some(*byte)?);
            continue;
        }
        let [high, low, rest @ ..] = rest else {
            return None;
        };
        let digit = |byte: &u8| b"0123456789ABCDEF".iter().position(|digit| digit == byte);
        decoded.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        encoded = rest;
    }
    Some(decoded)
}

/// Quotes a name as RFC 9110, section 5.6.4 says, and parses it as part of a form.
fn check_quoted(name: &str) {
    let mut parameters = b"; name=\"file\"; filename=\"".to_vec();
    for byte in name.bytes() {
        if matches!(byte, b'"' | b'\\') {
            parameters.push(b'\\');
        }
        parameters.push(byte);
    }
    parameters.push(b'"');
    // Line breaks and other control characters are refused, and a header has a limit.
    let is_valid = |c: char| !c.is_ascii_control() || c == '\t';
    if name.len() < 1000 && name.chars().all(is_valid) {
        assert_eq!(form_name(&parameters).as_deref(), Some(name));
    }
}

/// Compares the parser of the form with the second parser.
fn check_parameters(data: &[u8]) {
    let parameters = [b"; name=file; filename=f", data].concat();
    compare(&parameters);
    compare(data);
}

fn compare(parameters: &[u8]) {
    if parameters.len() > 1000
        || parameters
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return;
    }
    let field = [b"form-data", parameters].concat();
    // A backslash at the end of a file name ends the string only if nothing else makes sense.
    let read = read_form(&field, Escape::Pairs);
    let read = read.or_else(|Malformed| read_form(&field, Escape::NotAtEnd));
    assert_eq!(form_name(parameters), read.unwrap_or_default());
}

/// The grammar is violated.
struct Malformed;

/// Reads the file name with the second parser. `None` if the field is not acceptable for a reason that is not
/// its grammar.
fn read_form(field: &[u8], escape: Escape) -> Result<Option<String>, Malformed> {
    let (kind, parameters) = parse(field, escape).ok_or(Malformed)?;
    let values = |wanted: &[u8]| {
        let values = parameters.iter().filter(|(name, _)| name == wanted);
        let values: Vec<_> = values.map(|(_, value)| value.clone()).collect();
        <[_; 1]>::try_from(values).ok().map(|[value]| value)
    };
    let is_file = kind == b"form-data" && values(b"name").is_some_and(|name| name == b"file");
    let name = values(b"filename").filter(|_| is_file);
    Ok(name.and_then(|name| String::from_utf8(name).ok()))
}

/// Parses a part with these parameters, and returns the file name if the part is accepted.
fn form_name(parameters: &[u8]) -> Option<String> {
    let boundary = b"multipart/form-data; boundary=b";
    let boundary = Boundary::from_content_type(boundary).expect("it is a boundary");
    let mut parser = Parser::new(&boundary);
    let start = b"--b\r\nContent-Disposition: form-data";
    let mut input = Bytes::from([start, parameters, b"\r\n\r\n"].concat());
    match parser.parse(&mut input) {
        Ok(Some(Event::Head(head))) => Some(head.file_name().to_owned()),
        Ok(event) => panic!("the header is complete, but the parser returned {event:?}"),
        Err(_) => None,
    }
}

/// What a backslash in a quoted string does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// It escapes every character (RFC 9110, section 5.6.4).
    Every,
    /// It escapes only a quote and a backslash, as browsers mean it.
    Pairs,
    /// In addition, a quote that ends the parameter `filename` is not escaped.
    NotAtEnd,
}

type Parameters = Vec<(Vec<u8>, Vec<u8>)>;

/// Parses `type *(OWS ";" OWS [name "=" (token / quoted-string)])`, with lower-case type and names.
fn parse(field: &[u8], escape: Escape) -> Option<(Vec<u8>, Parameters)> {
    let mut cursor = Cursor(field);
    let kind = cursor.take(|byte| byte != b';');
    let kind = kind.trim_ascii().to_ascii_lowercase();
    let mut parameters = Vec::new();
    while !cursor.at_end() {
        cursor.expect(b';')?;
        cursor.skip_blanks();
        let name = cursor.take(is_token).to_ascii_lowercase();
        if name.is_empty() {
            continue;
        }
        cursor.expect(b'=')?;
        let value = if cursor.expect(b'"').is_some() {
            let escape = match escape {
                Escape::NotAtEnd if name != b"filename" => Escape::Pairs,
                escape => escape,
            };
            cursor.quoted(escape)?
        } else {
            let token = cursor.take(is_token);
            (!token.is_empty()).then(|| token.to_vec())?
        };
        parameters.push((name, value));
    }
    Some((kind, parameters))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

struct Cursor<'t>(&'t [u8]);

impl<'t> Cursor<'t> {
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'t [u8] {
        let length = self.0.iter().take_while(|byte| wanted(**byte)).count();
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.take(|byte| byte == b' ' || byte == b'\t');
    }

    /// Skips white space, and returns whether nothing follows.
    fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.0.is_empty()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// Reads the rest of a quoted string.
    fn quoted(&mut self, escape: Escape) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            let [byte, rest @ ..] = self.0 else {
                return None;
            };
            self.0 = rest;
            match (byte, rest) {
                (b'"', _) => return Some(value),
                (b'\\', [next, after @ ..]) => {
                    let mut behind = Cursor(after);
                    let ends = *next == b'"' && (behind.at_end() || behind.0[0] == b';');
                    let escapes = match escape {
                        Escape::Every => true,
                        Escape::Pairs => matches!(next, b'"' | b'\\'),
                        Escape::NotAtEnd => *next == b'\\' || (*next == b'"' && !ends),
                    };
                    if escapes {
                        value.push(*next);
                        self.0 = after;
                    } else {
                        value.push(b'\\');
                    }
                }
                (byte, _) => value.push(*byte),
            }
        }
    }
}
