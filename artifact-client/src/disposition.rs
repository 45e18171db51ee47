//! The file name in `Content-Disposition` (RFC 6266, RFC 8187), made safe to use.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::text::is_bidi_control;

/// The longest file name, in bytes, that file systems accept.
const MAX_NAME: usize = 255;

/// All bytes but those that RFC 8187, section 3.2.1, calls `attr-char`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Returns the field that declares the name of a deposit: in quotes if it is plain ASCII, else encoded (RFC 8187).
pub(crate) fn content_disposition(name: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !br#""\%"#.contains(&byte);
    if name.bytes().all(is_plain) {
        return format!("attachment; filename=\"{name}\"");
    }
    let encoded = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename*=UTF-8''{encoded}")
}

/// Returns the file name that the header suggests, without a path.
///
/// `filename*` has precedence over `filename` (RFC 6266, section 4.3).
pub(crate) fn file_name(value: &str) -> Option<String> {
    let mut plain = None;
    let mut extended = None;
    for (name, text) in Parameters(value.split_once(';')?.1) {
        if name.eq_ignore_ascii_case("filename*") {
            extended = extended.or_else(|| decode_extended(&text));
        } else if name.eq_ignore_ascii_case("filename") {
            plain = plain.or(Some(text));
        }
    }
    sanitise(&extended.or(plain)?)
}

/// Decodes `charset'language'percent-encoded`. UTF-8 is the only charset that RFC 8187 requires.
fn decode_extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// Returns the last path component, without invisible characters and without those that reorder text.
fn sanitise(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next()?;
    let mut name: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_bidi_control(*c))
        .collect();
    name.truncate(name.floor_char_boundary(MAX_NAME));
    let name = name.trim();
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

/// The parameters after the first semicolon: `name=token` and `name="quoted \" string"`.
struct Parameters<'a>(&'a str);

impl Iterator for Parameters<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<(String, String)> {
        let rest = self.0.trim_start_matches([' ', '\t', ';']);
        let (name, rest) = rest.split_once('=')?;
        let Some(quoted) = rest.strip_prefix('"') else {
            let (text, rest) = rest.split_once(';').unwrap_or((rest, ""));
            self.0 = rest;
            return Some((name.trim().to_owned(), text.trim().to_owned()));
        };
        let mut text = String::new();
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => text.extend(chars.next()),
                c => text.push(c),
            }
        }
        self.0 = chars.as_str();
        Some((name.trim().to_owned(), text))
    }
}

#[cfg(test)]
mod tests {
    use super::{content_disposition, file_name};

    #[test]
    fn declared_names_are_read_back() {
        for (name, value) in [
            ("a b.txt", r#"attachment; filename="a b.txt""#),
            ("it's", r#"attachment; filename="it's""#),
            ("a\"b%41;c", "attachment; filename*=UTF-8''a%22b%2541%3Bc"),
            ("na\u{ef}ve", "attachment; filename*=UTF-8''na%C3%AFve"),
        ] {
            let declared = content_disposition(name);
            assert_eq!(declared, value);
            assert_eq!(file_name(&declared).as_deref(), Some(name));
        }
        let split = content_disposition("a\r\nb: c");
        assert_eq!(split, "attachment; filename*=UTF-8''a%0D%0Ab%3A%20c");
    }

    #[test]
    fn names_are_read_according_to_rfc_6266() {
        for (value, name) in [
            ("attachment", None),
            ("attachment; filename=plain.txt", Some("plain.txt")),
            (
                r#"attachment; filename="a \"b\"; c.txt""#,
                Some(r#"a "b"; c.txt"#),
            ),
            (
                r#"attachment; filename="x.txt"; filename*=UTF-8''na%C3%AFve.txt"#,
                Some("na\u{ef}ve.txt"),
            ),
            ("attachment; filename*=latin1''x; filename=y", Some("y")),
            ("attachment; filename*=UTF-8''%FF; filename=y", Some("y")),
        ] {
            assert_eq!(file_name(value).as_deref(), name, "{value}");
        }
    }

    #[test]
    fn names_have_no_path_and_no_invisible_characters() {
        for (value, name) in [
            (
                "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd",
                Some("passwd"),
            ),
            ("attachment; filename*=UTF-8''C:%5Cx%5C..", None),
            (
                "attachment; filename*=UTF-8''a%0D%0Ab%00%E2%80%AEc",
                Some("abc"),
            ),
            ("attachment; filename=\"/\"", None),
            ("attachment; filename=\" . \"", None),
        ] {
            assert_eq!(file_name(value).as_deref(), name, "{value}");
        }
        let long = format!("attachment; filename*=UTF-8''{}", "%C3%A9".repeat(200));
        assert_eq!(file_name(&long).map(|name| name.len()), Some(254));
    }
}
