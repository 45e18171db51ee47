//! `; name=value` parameters of a header field (RFC 9110, section 5.6.6).

use std::borrow::Cow;

use crate::error::Error;

/// The meaning of a backslash in front of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backslash {
    /// It escapes the quote (RFC 9110, section 5.6.4).
    Escapes,
    /// It is an ordinary character if the quote ends the parameter `filename`.
    ///
    /// Browsers, curl, requests and Node do not escape a backslash, so a file name that ends with
    /// one arrives as `filename="a\"`.
    MayEndFileName,
}

/// Splits a field's value in front of its first `;`.
pub(crate) fn split_parameters(value: &[u8]) -> (&[u8], &[u8]) {
    let end = value.iter().position(|byte| *byte == b';');
    value.split_at(end.unwrap_or(value.len()))
}

/// Removes spaces and tabs at both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let end = text.iter().rposition(|byte| !is_blank(*byte));
    &text[..end.map_or(0, |last| last + 1)]
}

/// Calls `visit` with the name and the value of each parameter in `text`, which is empty or starts
/// with `;`. Empty parameters (`;;`) are skipped.
///
/// Returns the first error in the order of the text: `malformed` where the grammar is violated, or an
/// error of `visit`.
pub(crate) fn for_each_parameter(
    mut text: &[u8],
    backslash: Backslash,
    malformed: Error,
    mut visit: impl FnMut(&[u8], Cow<'_, [u8]>) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        text = trim_start(text);
        let Some((&separator, rest)) = text.split_first() else {
            return Ok(());
        };
        if separator != b';' {
            return Err(malformed);
        }
        text = trim_start(rest);
        let (name, rest) = split_token(text);
        if name.is_empty() {
            continue;
        }
        let rest = rest.strip_prefix(b"=").ok_or(malformed)?;
        let (value, rest) = match rest.strip_prefix(b"\"") {
            Some(rest) if name.eq_ignore_ascii_case(b"filename") => {
                split_quoted(rest, backslash).ok_or(malformed)?
            }
            Some(rest) => split_quoted(rest, Backslash::Escapes).ok_or(malformed)?,
            None => {
                let (token, rest) = split_token(rest);
                if token.is_empty() {
                    return Err(malformed);
                }
                (Cow::Borrowed(token), rest)
            }
        };
        visit(name, value)?;
        text = rest;
    }
}

/// Splits a token (RFC 9110, section 5.6.2) from the front. It may be empty.
pub(crate) fn split_token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Splits the rest of a quoted string, its opening quote removed, and returns its decoded value.
/// A backslash in front of other characters than `"` and `\` is an ordinary character.
fn split_quoted(text: &[u8], backslash: Backslash) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut decoded: Option<Vec<u8>> = None;
    let mut at = 0;
    loop {
        let escaped = match text.get(at)? {
            b'"' => {
                let value = decoded.map_or(Cow::Borrowed(&text[..at]), Cow::Owned);
                return Some((value, &text[at + 1..]));
            }
            b'\\' => match text.get(at + 1) {
                Some(b'"')
                    if backslash == Backslash::MayEndFileName
                        && matches!(trim_start(&text[at + 2..]), [] | [b';', ..]) =>
                {
                    None
                }
                escaped => escaped.filter(|byte| matches!(byte, b'"' | b'\\')),
            },
            _ => None,
        };
        if escaped.is_some() {
            decoded.get_or_insert_with(|| text[..at].to_vec());
            at += 1;
        }
        if let Some(decoded) = &mut decoded {
            decoded.push(text[at]);
        }
        at += 1;
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Removes spaces and tabs at the start.
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_blank(*byte));
    &text[start.unwrap_or(text.len())..]
}
