//! Where bytes or rows are, as an operator writes it: a path, or a URL.
//!
//! One grammar for both, parsed once. It is narrower than that of RFC 3986: what an operator could
//! have meant otherwise is refused with a sentence on what to write instead. No message repeats
//! anything of the text but its scheme, since there may be a secret in it.

use std::borrow::Cow;
use std::path::PathBuf;

/// Why a text is no location, in a sentence.
pub(crate) type Problem = Cow<'static, str>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location<'t> {
    /// A bare path, made absolute.
    Path(PathBuf),
    /// A URL: its scheme in lower case, and what follows the colon, as written.
    Url { scheme: String, rest: &'t str },
}

impl<'t> Location<'t> {
    pub(crate) fn parse(text: &'t str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err("it is empty".into());
        }
        if text.contains(char::is_control) {
            return Err("it has a control character in it".into());
        }
        if text.trim() != text {
            return Err("it begins or ends with white space".into());
        }
        if let Some((scheme, rest)) = split_scheme(text) {
            if scheme.len() == 1 {
                return Err(
                    "it begins with a drive letter, which has no meaning here; write \
                            /absolute/path or ./relative/path"
                        .into(),
                );
            }
            let scheme = scheme.to_ascii_lowercase();
            return Ok(Self::Url { scheme, rest });
        }
        if text.contains("://") {
            return Err("it looks like a URL, but what stands before :// is no scheme".into());
        }
        bare_path(text).map(Self::Path)
    }
}

/// RFC 3986, section 3.1: `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let tail = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let first = scheme.bytes().next()?;
    (first.is_ascii_alphabetic() && scheme.bytes().all(tail)).then_some((scheme, rest))
}

fn bare_path(text: &str) -> Result<PathBuf, Problem> {
    if text.starts_with('~') {
        return Err(
            "~ is expanded by shells only; write the home folder out, or ./~ for a folder \
                    of that name"
                .into(),
        );
    }
    if text.contains('\\') {
        return Err("it has a backslash in it; folders are separated by /".into());
    }
    std::path::absolute(text)
        .map_err(|error| format!("the current folder cannot be found out ({error})").into())
}

/// Whether there may be credentials in the `rest` of a URL whose scheme knows none.
pub(crate) fn holds_credentials(rest: &str) -> bool {
    rest.contains('@')
}

pub(crate) const CREDENTIALS: &str =
    "it seems to hold credentials (an @); they never stand in a URL, which is logged and listed";

/// The path in the `rest` of a URL of a local file, RFC 8089: `/path`, `///path` or
/// `//localhost/path`, percent-encoded. Decoded once.
pub(crate) fn url_path(rest: &str) -> Result<PathBuf, Problem> {
    let encoded = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if holds_credentials(authority) {
                return Err(CREDENTIALS.into());
            }
            if !authority.is_empty() && !authority.eq_ignore_ascii_case("localhost") {
                return Err(
                    "what stands between // and the next / names a host, and only local \
                            files can be used; an absolute path has three slashes: ///path"
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
        return Err(
            "a query or a fragment has no meaning here; write %3F for ? and %23 for #".into(),
        );
    }
    if encoded.contains('\\') {
        return Err("it has a backslash in it; folders are separated by /".into());
    }
    if !encoded.starts_with('/') {
        return Err(
            "a URL cannot hold a relative path; write the path alone, without a scheme".into(),
        );
    }
    let decoded = percent_decode(encoded)?;
    if decoded.split('/').any(|part| part == "." || part == "..") {
        return Err("the path of a URL has no . or .. in it".into());
    }
    Ok(decoded.into())
}

/// RFC 3986, section 2.1, decoded once. What would change the number of path components, or end
/// the path early, is refused.
fn percent_decode(encoded: &str) -> Result<String, Problem> {
    decode(encoded, |byte| byte == b'/')
}

/// RFC 3986, section 2.1, decoded once; for what is no path of several components.
#[cfg(feature = "postgres")]
pub(crate) fn percent_decode_component(encoded: &str) -> Result<String, Problem> {
    decode(encoded, |_| false)
}

fn decode(encoded: &str, refused: impl Fn(u8) -> bool) -> Result<String, Problem> {
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
        if refused(byte) || byte.is_ascii_control() {
            return Err("an encoded slash or control character is no part of a name".into());
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| "what is decoded is not UTF-8".into())
}

/// The path of a file, which cannot end in a slash.
pub(crate) fn file_path(path: PathBuf, text: &str) -> Result<PathBuf, Problem> {
    if text.ends_with('/') || path.file_name().is_none() {
        return Err("it names a folder; a file is needed".into());
    }
    Ok(path)
}
