//! The grammar of the location of a backend or a database: a path or a URL. Not part of the public API.
//!
//! It is narrower than RFC 3986: an ambiguous text is rejected with a message that says what to write
//! instead. No message repeats any part of the text except its scheme, because the text may contain a
//! secret.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The reason why a text is not a location, as a sentence.
pub type Problem = Cow<'static, str>;

/// A path or a URL.
#[derive(Debug, PartialEq, Eq)]
pub enum Location<'t> {
    /// A bare path, made absolute.
    Path(PathBuf),
    /// A URL.
    Url {
        /// The scheme in lower case.
        scheme: String,
        /// The text after the colon, not decoded.
        rest: &'t str,
    },
}

impl<'t> Location<'t> {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// The reason why it is neither.
    pub fn parse(text: &'t str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err("it is empty".into());
        }
        if text.contains(char::is_control) {
            return Err("it contains a control character".into());
        }
        if text.trim() != text {
            return Err("it begins or ends with white space".into());
        }
        if let Some((scheme, rest)) = split_scheme(text) {
            if scheme.len() == 1 {
                return Err(
                    "it begins with a drive letter, which is not supported; write \
                            /absolute/path or ./relative/path"
                        .into(),
                );
            }
            let scheme = scheme.to_ascii_lowercase();
            return Ok(Self::Url { scheme, rest });
        }
        if text.contains("://") {
            return Err("it looks like a URL, but the part before :// is not a scheme".into());
        }
        bare_path(text).map(Self::Path)
    }
}

/// RFC 3986, section 3.1: `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    is_scheme(scheme).then_some((scheme, rest))
}

/// Returns whether a text is a scheme.
pub(crate) fn is_scheme(text: &str) -> bool {
    let tail = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(tail)
}

fn bare_path(text: &str) -> Result<PathBuf, Problem> {
    if text.starts_with('~') {
        return Err(
            "only shells expand ~; write the path of the home folder, or ./~ for a folder of that \
                    name"
                .into(),
        );
    }
    if text.contains('\\') {
        return Err("it contains a backslash; separate folders with /".into());
    }
    std::path::absolute(text)
        .map_err(|error| format!("the current folder is unknown ({error})").into())
}

/// Returns whether the `rest` of a URL may contain credentials, which its scheme does not have.
pub fn holds_credentials(rest: &str) -> bool {
    rest.contains('@')
}

/// What to say about a text that seems to contain credentials.
pub const CREDENTIALS: &str =
    "it seems to contain credentials (an @); a URL must not, because URLs are logged and listed";

/// Decodes the path in the `rest` of the URL of a local file (RFC 8089): `/path`, `///path` or
/// `//localhost/path`, percent-encoded.
///
/// # Errors
///
/// The reason why it is not such a path.
pub fn url_path(rest: &str) -> Result<PathBuf, Problem> {
    let encoded = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if holds_credentials(authority) {
                return Err(CREDENTIALS.into());
            }
            if !authority.is_empty() && !authority.eq_ignore_ascii_case("localhost") {
                return Err(
                    "the part between // and the next / names a host, and only local files \
                            are supported; write an absolute path with three slashes: ///path"
                        .into(),
                );
            }
            path
        }
    };
    if encoded.is_empty() {
        return Err("it has no path".into());
    }
    if encoded.contains(['?', '#']) {
        return Err("a query or a fragment is not supported; write %3F for ? and %23 for #".into());
    }
    if encoded.contains('\\') {
        return Err("it contains a backslash; separate folders with /".into());
    }
    if !encoded.starts_with('/') {
        return Err(
            "a URL cannot contain a relative path; write the path alone, without a scheme".into(),
        );
    }
    let decoded = percent_decode(encoded)?;
    if decoded.split('/').any(|part| part == "." || part == "..") {
        return Err("the path of a URL must not contain . or ..".into());
    }
    Ok(decoded.into())
}

/// Decodes a path (RFC 3986, section 2.1). Rejects an encoded character that would change the number of
/// components or end the path early.
fn percent_decode(encoded: &str) -> Result<String, Problem> {
    decode(encoded, |byte| byte == b'/')
}

/// Decodes a single component (RFC 3986, section 2.1).
///
/// # Errors
///
/// A malformed or forbidden encoding.
pub fn percent_decode_component(encoded: &str) -> Result<String, Problem> {
    decode(encoded, |_| false)
}

fn decode(encoded: &str, is_rejected: impl Fn(u8) -> bool) -> Result<String, Problem> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let byte = match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => {
                u8::try_from(high << 4 | low).expect("two digits are a byte")
            }
            _ => {
                return Err(
                    "a % is not followed by two hexadecimal digits; write %25 for %".into(),
                );
            }
        };
        if is_rejected(byte) || byte.is_ascii_control() {
            return Err("an encoded slash or control character cannot be part of a name".into());
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| "the decoded text is not UTF-8".into())
}

/// Returns a text that parses to this absolute path: a URL with the scheme, or the path alone if it
/// contains `..`, which a URL cannot. A part that is not UTF-8 is replaced.
pub fn path_text(scheme: &str, path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.split('/').any(|part| part == "." || part == "..") {
        return text.into_owned();
    }
    format!("{scheme}://{}", percent_encode(&text, b"/:@!$&'()*+,;="))
}

/// Encodes all bytes but the unreserved characters of RFC 3986, section 2.3, and `kept`.
pub fn percent_encode(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}
