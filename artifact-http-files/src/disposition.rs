//! `Content-Disposition: attachment` with the recorded file name.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that an extended value does not escape (RFC 8187, section 3.2.1).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
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

/// Returns the value of `Content-Disposition` (RFC 6266). A name that is not plain ASCII is sent as
/// `filename*` (RFC 8187), together with a `filename` for old clients in which every other character
/// is `_`. Without a name the value is `attachment`.
///
/// A name must not contain a path; [`FileName`](artifact_store::FileName) never does.
///
/// # Panics
///
/// Never: every character that is not valid in a header field is replaced or escaped.
pub fn attachment(file_name: Option<&str>) -> HeaderValue {
    let Some(name) = file_name else {
        return HeaderValue::from_static("attachment");
    };
    // `%` is not plain, because some clients decode it in `filename` too.
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !"\"\\%/".contains(c);
    let plain: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let field = if plain == name {
        format!("attachment; filename=\"{plain}\"")
    } else {
        let extended = utf8_percent_encode(name, ATTR_CHAR);
        format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}")
    };
    HeaderValue::from_str(&field).expect("visible ASCII and spaces are valid in a header")
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn unusual_names_get_an_extended_parameter() {
        let of = |name| attachment(Some(name)).to_str().unwrap().to_owned();
        assert_eq!(attachment(None), "attachment");
        assert_eq!(of("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            of("naïve.txt"),
            "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"
        );
        assert_eq!(
            of("a\"b\\c"),
            "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"
        );
        assert_eq!(
            of("50%.txt"),
            "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"
        );
        assert_eq!(
            of("a\r\nX: y"),
            "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"
        );
    }
}
